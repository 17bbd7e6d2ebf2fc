"""bifrost_cache.worker.execute and python -m bifrost_cache run."""

import json
import textwrap

import pytest

WORKFLOW = """
import asyncio, os, sys, time


class Refused(Exception):
    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


class Plain(Exception):
    pass


def add(a, b=1):
    print("adding")
    return {"sum": a + b}


async def later(x):
    await asyncio.sleep(0)
    return x


def refuse():
    raise Refused(7, "no")


def plain():
    raise Plain("why", 3)


def builtin():
    raise KeyError("missing")


def unpicklable():
    return lambda: None


def unpicklable_error():
    class Local(Exception):
        pass
    raise Local("here only")


def die(code):
    os._exit(code)


def crash():
    os.kill(os.getpid(), 11)


def leave():
    sys.exit(3)


def forever():
    while True:
        time.sleep(1)


def big(n):
    return "x" * n


def orphan():
    # The grandchild keeps every pipe of the worker open.
    if os.fork() == 0:
        os.close(1)
        os.close(2)
        time.sleep(10)
        os._exit(0)
    os._exit(9)


def lets_go(how):
    os.closerange(3 if how == "keeps its output" else 0, 256)
    while True:
        time.sleep(1)


def forks(how):
    if os.fork() == 0:
        if how == "raises":
            raise KeyError("the child's own")
        return "the child"
    os.wait()
    return "the parent"


def late_talk():
    import atexit
    atexit.register(print, "at exit")
    return float("nan")


def starts_a_program():
    import atexit, subprocess
    atexit.register(os.write, 1, b"at the end\\n")
    return subprocess.call(["echo", "by a program"])


def square(x):
    from shared.helper import VALUE
    return x * x, VALUE, __file__


def pools():
    import concurrent.futures, multiprocessing
    with multiprocessing.Pool(2) as pool, concurrent.futures.ProcessPoolExecutor(2) as executor:
        return [multiprocessing.get_start_method(), pool.map(square, [1, 2]), *executor.map(square, [3])]


def lazily():
    from shared.helper import VALUE
    return VALUE


def workspace_object():
    return Point(3)


class Point:
    def __init__(self, x):
        self.x = x
"""


@pytest.fixture
def flows(node):
    node.put("flows/main.py", WORKFLOW)
    node.put("shared/helper.py", "VALUE = 'lazy'\n")
    return node


def parent(node, body, install=False):
    """Runs `body` in a process that calls execute(); `attempt` gives result or error."""
    lines = [
        "import json",
        "from bifrost_cache import worker",
        "import bifrost_cache" if install else "",
        "def attempt(*a, **k):",
        "    try:",
        "        return worker.execute(*a, **k)",
        "    except BaseException as e:",
        "        return {'type': type(e).__name__, 'bases': [c.__name__ for c in type(e).__mro__], 'text': str(e),",
        "                'cause': str(e.__cause__), 'exitcode': getattr(e, 'exitcode', None)}",
        "if __name__ == '__main__':",
        "    bifrost_cache.install_virtual_import_hook()" if install else "    pass",
        *("    " + line for line in body.strip().splitlines()),
    ]
    script = node.directory / "parent.py"
    script.write_text("\n".join(lines))
    done = node.python(str(script))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_result_comes_back_from_a_parent_without_the_hook(flows):
    assert parent(flows, "print(json.dumps(attempt('flows.main:add', {'a': 2})))") == {"sum": 3}
    assert parent(flows, "print(json.dumps(attempt('flows.main:later', {'x': [1]}, timeout=30)))") == [1]
    assert parent(flows, "print(json.dumps(attempt('flows.main:lazily')))") == "lazy"


def test_pools_of_an_execution_start_their_processes_as_the_hosts_do_and_see_what_it_sees(flows):
    flows.put("_solutions/s/flows/main.py", WORKFLOW)
    flows.put("_solutions/s/shared/helper.py", "VALUE = 'the solution'\n")
    call = "attempt('flows.main:pools', timeout=60{})"
    once = call.format("")
    for method, mapped, executed in parent(flows, f"print(json.dumps([{once}, {once}]))"):
        assert (method, mapped[0][:2], executed[:2]) == ("fork", [1, "lazy"], [9, "lazy"])
    body = f"""
    from bifrost_cache.zygote import Zygote
    with Zygote() as zygote:
        forked = [zygote.execute('flows.main:pools', timeout=60, solution_id='s') for _ in range(2)]
    print(json.dumps([{call.format(", solution_id='s'")}, *forked]))
    """
    for method, mapped, executed in parent(flows, textwrap.dedent(body)):
        assert method == "fork"
        assert [mapped[1][:2], executed[:2]] == [[4, "the solution"], [9, "the solution"]]
        assert "/_solutions/s/flows/main.py" in executed[2]


@pytest.mark.parametrize("how", ["keeps its output", "closes everything"])
def test_a_worker_that_closes_its_pipe_and_lives_on_is_ended(flows, how):
    error = parent(flows, f"print(json.dumps(attempt('flows.main:lets_go', {{'how': {how!r}}}, timeout=1)))")
    assert error["type"] == "WorkerDied"
    assert error["text"] == "flows.main:lets_go: the worker closed the pipe for its result, and was ended"


@pytest.mark.parametrize("how", ["raises", "returns"])
def test_a_process_that_the_function_forks_does_not_answer_for_it(flows, how):
    body = f"""
    from bifrost_cache.zygote import Zygote
    call = 'flows.main:forks', {{'how': '{how}'}}
    with Zygote() as zygote:
        print(json.dumps([attempt(*call), zygote.execute(*call), zygote.execute(*call)]))
    """
    assert parent(flows, textwrap.dedent(body)) == ["the parent"] * 3


def test_times_that_are_none_are_refused(flows):
    body = "print(json.dumps([attempt('flows.main:add', {'a': 1}, timeout=t)['text'] for t in (-1, float('nan'))]))"
    assert all(text.startswith("timeout must be") for text in parent(flows, body))


def test_each_execution_runs_what_was_written_before_it(flows):
    for n in range(3):
        flows.put("shared/helper.py", f"VALUE = {n}\n")
        assert parent(flows, "print(json.dumps(attempt('flows.main:lazily', {})))") == n


def test_exceptions_carry_the_traceback_of_the_child(flows):
    error = parent(flows, "print(json.dumps(attempt('flows.main:builtin', {})))")
    assert error["type"] == "KeyError" and error["text"] == "'missing'"
    assert 'raise KeyError("missing")' in error["cause"]
    assert "flows/main.py" in error["cause"] and "bifrost_cache/" not in error["cause"]


def test_exceptions_of_the_workspace_mean_something_only_where_the_hook_is(flows):
    body = "print(json.dumps(attempt('flows.main:plain', {})))"
    error = parent(flows, body)
    assert error["type"] == "WorkerError" and "RuntimeError" in error["bases"]
    assert "Plain: ('why', 3)" in error["text"] and "Plain" in error["cause"]
    error = parent(flows, body, install=True)
    assert error["type"] == "Plain" and "in plain" in error["cause"]


def test_exceptions_that_cannot_travel_are_told_by_type_and_text(flows):
    for function, text in [("refuse", "Refused: 7: no"), ("unpicklable_error", "Local: here only")]:
        error = parent(flows, f"print(json.dumps(attempt('flows.main:{function}', {{}})))", install=True)
        assert error["type"] == "WorkerError" and text in error["text"] and "Traceback" in error["cause"]


def test_results_that_cannot_travel_are_an_error_that_says_so(flows):
    error = parent(flows, "print(json.dumps(attempt('flows.main:unpicklable', {})))")
    assert error["type"] == "WorkerError" and "function" in error["text"] and "cannot be pickled" in error["text"]
    error = parent(flows, "print(json.dumps(attempt('flows.main:workspace_object', {})))")
    assert error["type"] == "WorkerError" and "cannot be unpickled here" in error["text"]


@pytest.mark.parametrize(
    "call, words, exitcode",
    [
        ("'flows.main:die', {'code': 5}", "exit code 5", 5),
        ("'flows.main:leave', {}", "exit code 3", 3),
        ("'flows.main:crash', {}", "SIGSEGV", -11),
        ("'flows.main:orphan', {}", "exit code 9", 9),
    ],
)
def test_a_worker_that_dies_is_reported_with_how(flows, call, words, exitcode):
    error = parent(flows, f"print(json.dumps(attempt({call}, timeout=8)))")
    assert error["type"] == "WorkerDied" and "RuntimeError" in error["bases"]
    assert words in error["text"] and error["exitcode"] == exitcode


def test_a_timeout_ends_the_child(flows):
    out = parent(
        flows,
        "import multiprocessing, time\n"
        "start = time.monotonic()\n"
        "error = attempt('flows.main:forever', {}, timeout=1)\n"
        "error['took'] = time.monotonic() - start\n"
        "error['left'] = len(multiprocessing.active_children())\n"
        "print(json.dumps(error))",
    )
    assert out["type"] == "TimeoutError" and out["left"] == 0
    assert 1 <= out["took"] < 6


def test_a_large_result_comes_back_whole(flows):
    assert parent(flows, "print(json.dumps(len(attempt('flows.main:big', {'n': 30_000_000}))))") == 30_000_000


def test_settings_and_scope_travel_to_the_child(flows):
    flows.put("_solutions/s1/m.py", "def where():\n    return __file__\n")
    script = (
        "import bifrost_cache\n"
        f"bifrost_cache.install_virtual_import_hook(segment_dir={str(flows.segment_dir)!r}, workspace='/other/ws')\n"
        "import os\n"
        "os.environ['BIFROST_WORKSPACE'] = '/not/this'\n"
        "print(json.dumps(attempt('m:where', {}, solution_id='s1')))"
    )
    assert parent(flows, script) == "/other/ws/_solutions/s1/m.py"


HERE_ONLY = """
import bifrost_cache, warnings
from bifrost_cache.zygote import Zygote
class Store:
    def __init__(self):
        self.client = lambda path: None
    def resolve(self, name, scope):
        return None
bifrost_cache.install_virtual_import_hook(complete={complete}, fallback=Store())
with warnings.catch_warnings(record=True) as caught, Zygote() as zygote:
    answers = [attempt('flows.main:lazily') for _ in range(3)]
    worker.execute = zygote.execute
    answers += [attempt('flows.main:lazily') for _ in range(2)]
print(json.dumps([answers, [[w.category.__name__, str(w.message)] for w in caught]]))
"""


def test_a_fallback_that_cannot_travel_is_refused_where_it_is_needed(flows):
    answers, caught = parent(flows, HERE_ONLY.format(complete=False))
    assert {answer["type"] for answer in answers} == {"TypeError"} and caught == []
    assert answers[0]["text"].startswith("the fallback, a Store, cannot be pickled for another process: ")
    assert "lambda" in answers[0]["text"]


def test_a_fallback_that_cannot_travel_is_left_out_with_a_warning_where_it_is_a_last_resort(flows):
    answers, caught = parent(flows, HERE_ONLY.format(complete=True))
    assert answers == ["lazy"] * 5
    assert {category for category, _ in caught} == {"RuntimeWarning"} and len(caught) == 2  # one per way to execute
    assert "the fallback, a Store, cannot be pickled" in caught[0][1] and caught[0][1].endswith("go without it.")


def test_a_daemonic_process_is_told_that_it_may_start_none(flows):
    error = parent(flows, """
import multiprocessing
multiprocessing.current_process()._config["daemon"] = True
print(json.dumps(attempt('flows.main:nope', {})))
""")
    assert error["type"] == "RuntimeError" and "daemonic" in error["text"]


def test_a_target_that_is_not_there_is_named(flows):
    error = parent(flows, "print(json.dumps(attempt('flows.nope:f', {})))")
    assert error["type"] == "ModuleNotFoundError" and "No module named 'flows.nope' (not in " in error["text"]
    assert parent(flows, "print(json.dumps(attempt('flows.main', {})))")["type"] == "ValueError"
    assert parent(flows, "print(json.dumps(attempt('flows.main:nope', {})))")["type"] == "AttributeError"


def run(node, *arguments):
    return node.python("-m", "bifrost_cache", "run", *arguments)


def test_run_prints_json_on_stdout_and_nothing_else(flows):
    done = run(flows, "flows.main:add", "--kwargs", '{"a": 2, "b": 5}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"sum": 7})
    assert done.stderr == "adding\n"
    assert run(flows, "flows.main:later", "--kwargs", '{"x": "é"}').stdout == '"\\u00e9"\n'
    done = run(flows, "flows.main:starts_a_program")
    assert (json.loads(done.stdout), done.stderr) == (0, "by a program\nat the end\n")


def test_run_ends_with_1_and_the_traceback_on_stderr(flows):
    done = run(flows, "flows.main:builtin")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "KeyError: 'missing'"
    assert 'raise KeyError("missing")' in done.stderr and "bifrost_cache/" not in done.stderr


@pytest.mark.parametrize("function", ["unpicklable", "late_talk"])
def test_run_says_when_a_result_is_no_json_and_prints_nothing(flows, function):
    done = run(flows, f"flows.main:{function}")
    assert (done.returncode, done.stdout) == (1, "") and "JSON" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["flows.main"], ["flows.main:add", "--kwargs", "[1]"], ["flows.main:add", "--kwargs", "{"]]
)
def test_run_refuses_what_it_cannot_mean(flows, arguments):
    assert run(flows, *arguments).returncode == 2


@pytest.mark.parametrize("timeout, seconds", [("0.2", "0.2"), ("200ms", "0.2"), ("1s", "1"), (".005m", "0.3")])
def test_run_takes_a_timeout_with_a_unit(flows, timeout, seconds):
    done = run(flows, "flows.main:forever", "--timeout", timeout)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"TimeoutError: --timeout: not done after {seconds} s"


@pytest.mark.parametrize("timeout", ["", "s", "-1", "1 s", "1w", "nan", "1e3", "99999999d"])
def test_run_refuses_what_is_no_duration(flows, timeout):
    done = run(flows, "flows.main:forever", f"--timeout={timeout}")
    assert done.returncode == 2 and f"`{timeout}` is not a duration" in done.stderr


def test_run_takes_a_scope(flows):
    flows.put("_solutions/s1/m.py", "import shared.helper\ndef who():\n    return shared.helper.VALUE\n")
    assert run(flows, "m:who", "--solution-id", "s1").returncode == 1
    assert run(flows, "m:who", "--solution-id", "s1", "--global-repo-access").stdout == '"lazy"\n'
