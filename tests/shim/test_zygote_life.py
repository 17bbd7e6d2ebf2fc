"""Whatever ends, hangs or breaks, a template, a host or its parent: every execution has a result, an exception that
names what happened, or is spawned; and nothing is left behind."""

import os

import pytest
from harness import eventually
from zygote_endings import FLOW

HURRY = """
from bifrost_cache.zygote import _line
_line._END_S = 0.05
"""


# --- ends of templates -----------------------------------------------------------------------------------------


def test_executions_outlive_the_templates_of_their_scope(flows, zygote, tmp_path):
    parent = zygote(max_templates=1)
    parent.do(HURRY + f"thread = held('flow:until', {str(tmp_path / 'here')!r})")
    flows.put("_solutions/s/other.py", "def value():\n    return 2\n")
    assert parent.ask("[z.execute('other:value', solution_id='s') for _ in range(20)]") == [2] * 20
    assert parent.ask("list(z.stats())") == [["s", False]]
    parent.do(f"open({str(tmp_path / 'here')!r}, 'w').close(); thread.join(30)")
    assert parent.ask("results") == ["done"]
    assert parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_a_call_whose_time_is_up_takes_no_templates_from_another_scope(flows, zygote):
    parent = zygote(max_templates=1)
    flows.put("_solutions/s/other.py", "def value():\n    return 2\n")
    assert parent.ask("z.execute('flow:value')") == 1
    assert parent.ask("attempt('other:value', {}, timeout=0, solution_id='s')['type']") == "TimeoutError"
    assert parent.ask("list(z.stats())") == [[None, False]]


def test_close_ends_executions_of_scopes_that_lost_their_templates(flows, zygote, tmp_path):
    parent = zygote(max_templates=1)
    parent.do(HURRY + f"thread = held('flow:wait', {str(tmp_path / 'here')!r})")
    flows.put("_solutions/s/other.py", "def value():\n    return 2\n")
    assert parent.ask("z.execute('other:value', solution_id='s')") == 2
    parent.do("z.close(); thread.join(30)")
    assert parent.ask("results")[0]["type"] == "WorkerDied"
    assert parent.ask("eventually(lambda: not processes(os.getpid()))")


def test_executions_outlive_a_root_that_hangs(flows, zygote, tmp_path):
    parent = zygote(warm="none")
    parent.do(HURRY + f"thread = held('flow:until', {str(tmp_path / 'here')!r})")
    parent.do("root = stats()['processes']['root']; os.kill(root, signal.SIGSTOP)")
    assert parent.ask("z.execute('flow:value')") == 1
    assert parent.ask("settled(lambda s: s['processes'].get('root', root) != root)")
    parent.do(f"open({str(tmp_path / 'here')!r}, 'w').close(); thread.join(30)")
    assert parent.ask("results") == ["done"]
    assert parent.ask("eventually(lambda: root not in alive([root]))")


def test_a_root_that_hangs_is_replaced_when_templates_are_renewed(flows, zygote, tmp_path):
    """Executions do not ask it, as long as they have those."""
    parent = zygote(start_timeout=2)
    parent.do("z.execute('flow:value'); settled(lambda s: 'flow' in s['warm'])")
    parent.do(HURRY + f"thread = held('flow:until', {str(tmp_path / 'here')!r})")
    parent.do("root = stats()['processes']['root']; os.kill(root, signal.SIGSTOP)")
    flows.put("helper.py", "VALUE = 2\n")
    assert parent.ask("z.execute('flow:value')") == 2
    parent.do("settled(lambda s: s['processes'].get('root', root) != root and 'flow' in s['warm'])")
    parent.do(f"open({str(tmp_path / 'here')!r}, 'w').close(); thread.join(30)")
    assert parent.ask("results") == ["done"]
    assert parent.ask("eventually(lambda: root not in alive([root]) and len(processes(os.getpid())) == 3)")


@pytest.mark.parametrize("kind", ["modules", "hold", "root"])
def test_a_template_that_was_killed_is_replaced(warm_parent, kind):
    templates = warm_parent.ask("stats()['processes']")
    killed = templates[kind]
    # The kernel kills those that were forked from it: an execution that one of them begins meanwhile ends with it.
    kinds = ["root", "hold", "modules"]
    ended = [templates[below] for below in kinds[kinds.index(kind):]]
    warm_parent.do(f"os.kill({killed}, signal.SIGKILL); eventually(lambda: not alive({ended}))")
    assert warm_parent.ask("z.execute('flow:value')") == 1
    replaced = warm_parent.ask(f"settled(lambda s: s['processes'].get('{kind}', {killed}) != {killed} and 'flow' in s['warm'])")
    assert warm_parent.ask("z.execute('flow:value')") == 1
    assert warm_parent.ask("stats()['spawned']") == replaced["spawned"]
    assert warm_parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_a_template_that_hangs_is_replaced_and_its_execution_runs_elsewhere(warm_parent):
    stopped = warm_parent.ask("stats()['processes']['modules']")
    warm_parent.do(f"os.kill({stopped}, signal.SIGSTOP)")
    assert warm_parent.ask("z.execute('flow:value')") == 1
    assert warm_parent.ask("stats()['spawned']") == 0
    warm_parent.do(f"settled(lambda s: s['processes'].get('modules', {stopped}) != {stopped})")
    assert warm_parent.ask(f"eventually(lambda: not alive([{stopped}]))")


def test_executions_outlive_a_template_that_hangs_and_theirs_was_forked_from(warm_parent, flows):
    path = flows.directory / "here"
    warm_parent.do(HURRY + f"thread = held('flow:until', {str(path)!r})")
    stopped = warm_parent.ask("stats()['processes']['hold']")
    warm_parent.do(f"os.kill({stopped}, signal.SIGSTOP)")
    flows.put("helper.py", "VALUE = 2\n")  # the template of modules is out of date: the next one is used
    assert warm_parent.ask("z.execute('flow:value')") == 2
    warm_parent.do(f"settled(lambda s: s['processes'].get('hold', {stopped}) != {stopped})")
    warm_parent.do(f"open({str(path)!r}, 'w').close(); thread.join(30)")
    assert warm_parent.ask("results") == ["done"]
    assert warm_parent.ask(f"eventually(lambda: not alive([{stopped}]))")


def test_executions_outlive_their_template_when_it_is_replaced_and_another_had_meant_to_use_it(warm_parent, flows):
    path = flows.directory / "here"
    warm_parent.do(HURRY + f"thread = held('flow:until', {str(path)!r})")
    # What an execution has that finds its template out of date, and asks the next one for a fork.
    warm_parent.do("[line] = z._lines.values(); listed = line.templates(None)")
    flows.put("helper.py", "VALUE = 2\n")
    assert warm_parent.ask("z.execute('flow:value')") == 2
    warm_parent.do("settled(lambda s: s['processes']['hold'] != listed[1].pid)")
    late = "Run(listed[1], None).run({})"
    assert warm_parent.error_of(f"from bifrost_cache.zygote._run import Run; {late}").startswith("NotStarted")
    warm_parent.do("line.lost(listed[1], 'the template is gone')")
    assert warm_parent.ask("[z.execute('flow:value') for _ in range(20)]") == [2] * 20
    warm_parent.do(f"open({str(path)!r}, 'w').close(); thread.join(30)")
    assert warm_parent.ask("results") == ["done"]
    assert warm_parent.ask("eventually(lambda: len(processes(os.getpid())) == 3)")


def test_an_execution_whose_template_is_killed_says_so(warm_parent, flows):
    path = flows.directory / "began"
    warm_parent.do(
        f"""
        errors = []
        thread = threading.Thread(target=lambda: errors.append(attempt('flow:wait', {{'path': '{path}'}})))
        thread.start()
        """
    )
    eventually(path.exists, "the execution runs")
    warm_parent.do("os.kill(stats()['processes']['modules'], signal.SIGKILL); thread.join(20)")
    error = warm_parent.ask("errors[0]")
    assert error["type"] == "WorkerDied" and "with its template" in error["text"] and error["exitcode"] is None
    assert warm_parent.ask("z.execute('flow:value')") == 1


def test_stats_tell_what_templates_and_executions_share_with_nobody(warm_parent, flows):
    path = flows.directory / "began"
    idle = warm_parent.ask("stats()")
    assert idle["private_bytes"] > 0 and idle["executions_private_bytes"] == 0
    warm_parent.do(
        f"""
        thread = threading.Thread(target=attempt, args=('flow:wait', {{'path': '{path}'}}))
        thread.start()
        eventually(lambda: os.path.exists('{path}'))
        pids = set(processes(os.getpid())) - set(stats()['processes'].values())
        """
    )
    busy = warm_parent.ask("stats()")
    assert busy["private_bytes"] > 0 and busy["executions_private_bytes"] > 0
    warm_parent.do("[os.kill(pid, signal.SIGKILL) for pid in pids]; thread.join(20)")
    assert warm_parent.ask("stats()['executions_private_bytes']") == 0


def test_nothing_outlives_a_parent_that_was_killed(warm_parent, flows):
    path = flows.directory / "began"
    warm_parent.do(f"threading.Thread(target=attempt, args=('flow:wait', {{'path': '{path}'}})).start()")
    eventually(path.exists, "the execution runs")
    below = warm_parent.ask("processes(os.getpid())")
    assert len(below) == 4  # three templates and a child
    warm_parent.process.kill()
    warm_parent.process.wait()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below), "they end")
    flows.workers.remove(warm_parent)
    for stream in (warm_parent.process.stdin, warm_parent.process.stdout, warm_parent._errors):
        stream.close()


def test_a_template_that_cannot_start_leads_to_spawned_executions(zygote):
    parent = zygote(preload=["no_such_module"])
    assert parent.ask("z.execute('flow:value', timeout=60)") == 1
    told = parent.ask("stats()")
    assert told["spawned"] == 1 and "no_such_module" in told["trouble"]
    assert told["processes"] == {}


@pytest.mark.parametrize("wanted", ["control_pair", "in_memory"], ids=["a socket", "a file for a large order"])
def test_a_process_that_is_out_of_descriptors_renews_its_templates_later(flows, zygote, wanted):
    """Its plan of what to import fits no packet."""
    names = [f"{'m' * 170}{n:03}" for n in range(250)]
    flows.put_many([(f"{name}.py", "") for name in names])
    flows.put("flow.py", f"import {', '.join(names)}\ndef value():\n    return 1\n")
    parent = zygote()
    assert parent.ask("z.execute('flow:value')") == 1
    parent.do("settled(lambda s: 'flow' in s['warm'])")
    before = parent.ask("stats()['processes']")
    parent.do(f"from bifrost_cache.zygote import _messages; real = _messages.{wanted}")
    parent.do("def none_left(*_): raise OSError(24, 'Too many open files')")
    parent.do(f"_messages.{wanted} = none_left")
    flows.put("flow.py", f"import {', '.join(names)}\ndef value():\n    return 2\n")
    assert parent.ask("z.execute('flow:value')") == 2
    told = parent.ask("eventually(lambda: stats()['trouble'] and stats())")
    assert "Too many open files" in told["trouble"] and told["processes"]["root"] == before["root"]
    parent.do(f"_messages.{wanted} = real; settled(lambda s: s['renewals'] == 2 and 'flow' in s['warm'])")
    assert parent.ask("z.execute('flow:value')") == 2
    assert parent.ask("stats()['executions']") == 3, "of the same templates"


def test_an_execution_that_finds_no_descriptor_for_itself_blames_no_template(flows, zygote):
    parent = zygote()
    parent.do("import resource; z.execute('flow:value'); settled(lambda s: 'flow' in s['warm'])")
    before = parent.ask("[stats()['processes'], sorted(os.listdir('/proc/self/fd'))]")
    parent.do("""
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
def with_free(count):
    taken = {int(name) for name in os.listdir('/proc/self/fd')}
    free = [number for number in range(1000) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[count], limits[1]))
    try:
        return attempt('flow:value')
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""")
    answers = [parent.ask(f"with_free({count})") for count in range(8)]
    assert answers[-1] == 1
    refused = answers[: answers.index(1)]
    assert len(refused) >= 4, answers
    assert {answer["text"] for answer in refused} == {"[Errno 24] Too many open files"}
    assert parent.ask("[stats()['processes'], sorted(os.listdir('/proc/self/fd'))]") == before
    assert parent.ask("stats()['spawned']") == 0


def run_at_once(parent, calls):
    """So many calls of execute_async() from now on, by the limit of descriptors at the first."""
    parent.do(f"""
import resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({8 * calls}, limits[1]))
asyncio.run(z.execute_async('flow:value'))
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
""")


def test_as_many_run_at_once_as_there_are_descriptors_for_and_the_others_wait(flows, zygote):
    parent = zygote()
    run_at_once(parent, 16)
    parent.do("resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))")  # not for two of each call
    parent.do("async def many(): return await asyncio.gather(*[z.execute_async('flow:value') for _ in range(300)])")
    assert parent.ask("asyncio.run(many())") == [1] * 300
    assert parent.ask("stats()['spawned']") == 0


def test_what_waits_for_a_thread_longer_than_its_timeout_is_not_run(flows, zygote):
    parent = zygote()
    path = flows.directory / "go on"
    run_at_once(parent, 8)
    parent.do(f"""
async def crowded():
    waits = [asyncio.create_task(z.execute_async('flow:until', {{'path': '{path}' + str(n)}})) for n in range(8)]
    late = asyncio.create_task(z.execute_async('flow:value', timeout=0.2))
    while not all(os.path.exists('{path}' + str(n)) for n in range(8)):
        await asyncio.sleep(0.01)
    before = stats()['executions']
    try:
        return [await late]
    except TimeoutError as error:
        for n in range(8):
            open('{path}' + str(n), 'w').close()
        return [str(error), await asyncio.gather(*waits), stats()['executions'] - before]
""")
    assert parent.ask("asyncio.run(crowded())") == ["the worker did not finish within 0.2 s", ["done"] * 8, 8]


def test_output_that_cannot_be_passed_on_is_not_thrown_away(flows, zygote):
    """Another thread may give a descriptor back meanwhile, so that the null device could be opened."""
    parent = zygote()
    parent.do("def none_left(number): raise OSError(24, 'Too many open files')")
    parent.do("z.execute('flow:value'); dup, os.dup = os.dup, none_left")
    answer = parent.ask("attempt('flow:value')")
    parent.do("os.dup = dup")
    assert (answer["type"], answer["text"]) == ("OSError", "[Errno 24] Too many open files")


def test_a_spawned_execution_is_cancelled_as_a_forked_one(flows, zygote):
    path = flows.directory / "began"
    parent = zygote(preload=["no_such_module"])
    parent.do(
        f"""
        async def run():
            task = asyncio.create_task(z.execute_async('flow:wait', {{'path': '{path}'}}))
            while not os.path.exists('{path}'):
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
            return task.cancelled()
        cancelled = asyncio.run(run())
        """
    )
    assert parent.ask("[cancelled, stats()['spawned']]") == [True, 1]
    # The root that could not start stays a zombie until the next attempt.
    assert parent.ask("eventually(lambda: not alive(processes(os.getpid())))")


def test_the_timeout_of_a_spawned_execution_is_the_callers(flows, zygote):
    parent = zygote(preload=["no_such_module"])
    error = parent.ask(f"attempt('flow:wait', {{'path': '{flows.directory}/began'}}, timeout=3)")
    assert (error["type"], error["text"]) == ("TimeoutError", "the worker did not finish within 3 s")
    assert parent.ask("stats()['spawned']") == 1


def test_where_the_host_ignores_the_ends_of_children_nobody_who_has_ended_is_killed(warm_parent):
    """Its number may be somebody else's by then."""
    warm_parent.do(
        """
        import multiprocessing.process, signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        killed = []
        multiprocessing.process.BaseProcess.kill = lambda process: killed.append(process.pid)
        """
    )
    assert warm_parent.ask("z.execute('flow:value')") == 1
    assert warm_parent.ask("[z.close(), killed]") == [None, []]


def test_close_ends_everything_and_refuses_more(warm_parent):
    below = warm_parent.ask("processes(os.getpid())")
    warm_parent.do("z.close()")
    assert warm_parent.ask(f"alive({below})") == []
    assert warm_parent.error_of("z.execute('flow:value')") == "RuntimeError: this Zygote is closed"
    warm_parent.do("z.close()")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing_that_does_not_close_its_zygote_ends(flows, tmp_path, method):
    host = tmp_path / "host.py"
    host.write_text(LEAVES_IT_OPEN.format(method=method))
    done = flows.python(host)
    assert (done.returncode, done.stdout) == (0, "1\n0\n"), done.stderr


LEAVES_IT_OPEN = """
import multiprocessing
from bifrost_cache.zygote import Zygote

def use():
    print(Zygote().execute("flow:value"), flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context({method!r}).Process(target=use)
    process.start()
    process.join(60)
    print(process.exitcode)
    process.kill()
"""


def test_a_daemonic_process_is_told_that_it_may_have_no_templates(warm_parent):
    warm_parent.do("multiprocessing.current_process()._config['daemon'] = True")
    assert "daemonic" in warm_parent.error_of("z.execute('flow:value')")
    warm_parent.do("multiprocessing.current_process()._config['daemon'] = False")


def test_a_fork_of_the_parent_is_told_to_make_its_own(warm_parent):
    warm_parent.do(
        """
        z._lock.acquire()  # as another thread of the parent may have it at that moment
        pid = os.fork()
        if pid != 0:
            z._lock.release()
        else:
            signal.alarm(30)
            z.close()  # which is not its to close
            os._exit(0 if attempt('flow:value')['type'] == 'RuntimeError' else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        """
    )
    assert warm_parent.ask("[code, z.execute('flow:value'), stats()['spawned']]") == [0, 1, 0]


# --- hosts -----------------------------------------------------------------------------------------------------


def test_a_host_that_blocks_sigchld_gets_its_executions_and_their_mask(flows, zygote):
    flows.put("flow.py", FLOW + "\n\ndef blocked():\n    return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))\n")
    parent = zygote()
    parent.do("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})")
    assert parent.ask("[int(number) for number in z.execute('flow:blocked')] == [signal.SIGCHLD]")
    assert parent.ask("attempt('flow:die', {'code': 5}, timeout=20)['exitcode']") == 5
    assert parent.ask("stats()['spawned']") == 0


@pytest.mark.parametrize("timeout", ["30 * 86400", "1e18", "float('inf')"])
def test_any_timeout_is_a_timeout(flows, zygote, timeout):
    parent = zygote()
    assert parent.ask(f"z.execute('flow:value', timeout={timeout})") == 1
    assert parent.ask("stats()['spawned']") == 0


def test_a_fork_or_a_closed_one_says_so_by_execute_async_as_well(flows, zygote):
    parent = zygote()
    parent.do(
        """
        def asked():
            try:
                return asyncio.run(asyncio.wait_for(z.execute_async('flow:value'), 10))
            except BaseException as error:
                return f'{type(error).__name__}: {error}'
        first = asked()
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, asked().encode())
            os._exit(0)
        os.wait()
        in_fork = os.read(reading, 1000).decode()
        z.close()
        """
    )
    assert parent.ask("first") == 1
    assert parent.ask("in_fork").startswith("RuntimeError: this Zygote belongs to the process")
    assert parent.ask("asked()") == "RuntimeError: this Zygote is closed"
