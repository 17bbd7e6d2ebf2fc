"""However an execution ends, it is reported with how; many at once and one after the other leave nothing behind."""

import json

import pytest
from harness import eventually

# --- ends of executions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, words, exitcode",
    [
        ("'flow:die', {'code': 5}", "exit code 5", 5),
        ("'flow:leave', {'code': 3}", "exit code 3", 3),
        ("'flow:leave', {'code': 'why'}", "exit code 1", 1),
        ("'flow:leave', {'code': 2**70}", "exit code 255", 255),
        ("'flow:crash'", "SIGSEGV", -11),
        ("'flow:orphan'", "exit code 9", 9),
    ],
)
def test_an_execution_that_ends_without_a_result_is_reported_with_how(warm_parent, call, words, exitcode):
    error = warm_parent.ask(f"attempt({call}, timeout=20)")
    assert error["type"] == "WorkerDied" and words in error["text"] and error["exitcode"] == exitcode
    assert warm_parent.ask("z.execute('flow:value')") == 1


@pytest.mark.parametrize("function", ["blocks_at_exit", "thread_at_exit"])
def test_a_result_comes_back_though_the_child_does_not_end(warm_parent, function):
    assert warm_parent.ask(f"z.execute('flow:{function}')") == "result"
    assert warm_parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_exit_handlers_of_an_execution_run(warm_parent, flows):
    warm_parent.do(f"z.execute('flow:at_exit', {{'path': '{flows.directory}/ended'}})")
    assert (flows.directory / "ended").exists()


@pytest.mark.parametrize("function", ["wait", "stubborn"])
def test_a_timeout_ends_the_child(warm_parent, flows, function):
    error = warm_parent.ask(f"attempt('flow:{function}', {{'path': '{flows.directory}/began'}}, timeout=2)")
    assert (error["type"], error["text"]) == ("TimeoutError", "the worker did not finish within 2 s")
    assert (flows.directory / "began").exists()
    assert warm_parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_a_timeout_ends_the_childs_own_children(warm_parent, flows):
    path = flows.directory / "family"
    assert warm_parent.ask(f"attempt('flow:family', {{'path': '{path}'}}, timeout=1)")["type"] == "TimeoutError"
    assert warm_parent.ask(f"eventually(lambda: not alive([{path.read_text()}]))")


def test_arguments_are_those_of_the_moment_of_the_call(flows, zygote):
    flows.put("flow.py", "def get(x):\n    return x\n")
    parent = zygote()
    parent.do("""
async def changing():
    arguments, calls = {}, []
    for n in range(300):
        arguments['x'] = n
        calls.append(asyncio.create_task(z.execute_async('flow:get', arguments)))
        await asyncio.sleep(0)
    return await asyncio.gather(*calls)
""")
    assert parent.ask("asyncio.run(changing())") == list(range(300))


NOTHING_OPEN = """
import json, os
from bifrost_cache.zygote import Zygote
if __name__ == "__main__":
    os.close(1)
    with Zygote() as z:
        scopes = [{}, {"roots": ["", "other"]}]
        told = [z.execute("flow:output", **scope) for scope in scopes * 2]
        roots = [s["processes"]["root"] for s in z.stats().values()]
        told += [z.execute("flow:output", **scope) for scope in scopes * 2]
        alive = roots == [s["processes"]["root"] for s in z.stats().values()]
    json.dump([told, alive], open("told", "w"))
"""


def test_an_execution_of_a_host_without_stdout_has_the_null_device_and_no_socket_of_a_template(flows):
    flows.put("flow.py", "import os\ndef output():\n    os.write(1, b'x' * 1000)\n    return os.readlink('/proc/self/fd/1')\n")
    script = flows.directory / "parent.py"
    script.write_text(NOTHING_OPEN)
    done = flows.python(str(script))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((flows.directory / "told").read_text()) == [["/dev/null"] * 8, True]


def test_what_an_execution_prints_arrives(flows):
    script = flows.directory / "parent.py"
    script.write_text(
        "from bifrost_cache.zygote import Zygote\n"
        "if __name__ == '__main__':\n"
        "    with Zygote() as z:\n"
        "        for _ in range(3):\n"
        "            z.execute('flow:speak')\n"
    )
    done = flows.python(str(script))
    assert (done.returncode, done.stdout, done.stderr) == (0, "to stdout\n" * 3, "to stderr\n" * 3)


def test_what_an_execution_prints_arrives_whatever_replaced_its_streams(flows):
    script = flows.directory / "parent.py"
    script.write_text(
        "from bifrost_cache.zygote import Zygote\n"
        "if __name__ == '__main__':\n"
        "    with Zygote() as z:\n"
        "        z.execute('flow:speak_through_a_tee')\n"
        "        z.execute('flow:speak_through_a_tee')\n"
    )
    done = flows.python(str(script))
    assert (done.returncode, done.stdout) == (0, "before\nthrough it\n" * 2), done.stderr


# --- many ------------------------------------------------------------------------------------------------------


def test_a_thousand_executions_leave_nothing_behind(warm_parent):
    warm_parent.do(
        """
        def open_files():
            pids = [os.getpid(), *stats()['processes'].values()]
            return [len(os.listdir(f'/proc/{pid}/fd')) for pid in pids]
        z.execute('flow:value')
        before = [min(counts) for counts in zip(*[open_files() for _ in range(50)])]  # one may just be closing another
        """
    )
    warm_parent.do("for _ in range(1000): z.execute('flow:value')", patience=120)
    assert warm_parent.ask("eventually(lambda: open_files() == before)")
    assert warm_parent.ask("len(processes(os.getpid()))") == 3
    told = warm_parent.ask("stats()")
    assert told["renewals"] == 1 and told["spawned"] == 0 and told["trouble"] == ""


def test_eight_threads_execute_at_once(warm_parent):
    warm_parent.do(
        """
        results = []
        def many():
            results.extend(z.execute('flow:pid') for _ in range(20))
        threads = [threading.Thread(target=many) for _ in range(8)]
        for t in threads: t.start()
        for t in threads: t.join(60)
        """
    )
    assert warm_parent.ask("[len(results), len(set(results)), stats()['spawned']]") == [160, 160, 0]


def test_asyncio_awaits_many_and_cancels_one(warm_parent, flows):
    path = flows.directory / "began"
    warm_parent.do(
        f"""
        async def run():
            pids = await asyncio.gather(*[z.execute_async('flow:pid') for _ in range(8)])
            task = asyncio.create_task(z.execute_async('flow:wait', {{'path': '{path}'}}))
            while not os.path.exists('{path}'):
                await asyncio.sleep(0.01)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return len(set(pids))
        count = asyncio.run(run())
        """
    )
    assert warm_parent.ask("count") == 8
    assert warm_parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_an_edit_storm_makes_no_templates_churn(warm_parent, flows):
    before = warm_parent.ask("stats()['renewals']")
    edits = 60
    for n in range(edits):
        flows.put("helper.py", f"VALUE = {n}\n")
        assert warm_parent.ask("z.execute('flow:value')") == n
    told = warm_parent.ask("settled()")
    assert told["spawned"] == 0
    assert told["renewals"] - before < edits / 4
    assert warm_parent.ask("z.execute('flow:value')") == edits - 1


def test_the_least_recently_used_scope_gives_way(flows, zygote):
    for n in range(3):
        flows.put(f"_solutions/s{n}/mine.py", f"def value():\n    return {n}\n")
    parent = zygote(max_templates=2)
    assert parent.ask("[z.execute('mine:value', solution_id=f's{n}') for n in range(3)]") == [0, 1, 2]
    assert parent.ask("[scope for scope in z.stats()]") == [["s1", False], ["s2", False]]
    assert parent.ask("z.execute('mine:value', solution_id='s0')") == 0
    assert parent.ask("eventually(lambda: len(processes(os.getpid())) == 6)")


def test_a_template_that_is_ending_lets_its_executions_end(flows, zygote):
    path = flows.directory / "go"
    flows.put("slow.py", "import os, select\n\ndef run(path):\n    open(path + '.began', 'w').close()\n"
                         "    while not os.path.exists(path):\n        select.select([], [], [], 0.01)\n    return 'done'\n")
    parent = zygote()
    parent.do("z.execute('flow:value'); settled()")
    parent.do(
        f"""
        results = []
        thread = threading.Thread(target=lambda: results.append(attempt('slow:run', {{'path': '{path}'}})))
        thread.start()
        """
    )
    eventually((flows.directory / "go.began").exists, "it runs")
    flows.put("helper.py", "VALUE = 2\n")
    assert parent.ask("z.execute('flow:value')") == 2
    parent.do("settled(lambda s: s['renewals'] > 1)")  # another template has taken over
    path.touch()
    parent.do("thread.join(20)")
    assert parent.ask("results") == ["done"]
    assert parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")
