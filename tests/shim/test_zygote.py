"""bifrost_cache.zygote: executions forked from templates, and templates of the platform's own."""

import json

import pytest
from harness import WorkerRaised
from zygote_parent import warmed

FLOW = """
import os, sys, time
import shared.helper


def add(a, b=1):
    return a + b + shared.helper.VALUE


async def later(x):
    return x


def fail():
    raise KeyError("missing")


def lazily():
    from shared.late import VALUE
    return VALUE


def ids():
    return [id(shared.helper), id(add.__code__), os.getpid(), os.getppid()]


def names():
    return sorted(n for n in sys.modules if n.partition(".")[0] in ("flows", "shared"))


def length(text):
    return len(text)


def big(n):
    return len("x" * n), "y" * n
"""


@pytest.fixture
def flows(node):
    node.put("flows/main.py", FLOW)
    node.put("shared/helper.py", "VALUE = 100\n")
    node.put("shared/late.py", "VALUE = 'late'\n")
    return node


def test_an_execution_runs_in_a_process_of_its_own_and_its_result_comes_back(zygote):
    parent = zygote()
    assert parent.ask("z.execute('flows.main:add', {'a': 2})") == 103
    assert parent.ask("z.execute('flows.main:later', {'x': [1]}, timeout=30)") == [1]
    first, second = parent.ask("[z.execute('flows.main:ids') for _ in range(2)]")
    assert first[2] != second[2]
    assert parent.ask("[stats()[k] for k in ('executions', 'spawned')]") == [4, 0]


def test_what_executions_import_is_imported_in_advance(zygote):
    parent = zygote()
    assert parent.ask("z.execute('flows.main:add', {'a': 2})") == 103
    warmed(parent, "flows.main", "shared.helper")
    first, second = parent.ask("[z.execute('flows.main:ids') for _ in range(2)]")
    assert first[0] == second[0] and first[1] == second[1]  # one object, copied by two forks
    assert first[3] == second[3] == parent.ask("stats()['processes']['modules']")
    assert parent.ask("z.execute('flows.main:lazily')") == "late"
    warmed(parent, "shared.late")
    assert parent.ask("z.execute('flows.main:names')") == ["flows", "flows.main", "shared", "shared.helper", "shared.late"]


def test_an_execution_runs_what_was_written_before_it_and_the_templates_follow(flows, zygote):
    parent = zygote()
    parent.do("z.execute('flows.main:add', {'a': 1})")
    warmed(parent, "flows.main")
    for n in range(20):
        flows.put("shared/helper.py", f"VALUE = {n}\n")
        assert parent.ask("z.execute('flows.main:add', {'a': 0, 'b': 0})") == n
    renewed = parent.ask("settled(lambda s: s['renewals'] > 1)")
    assert renewed["spawned"] == 0 and renewed["changed"] >= 1
    assert parent.ask("z.execute('flows.main:add', {'a': 0, 'b': 0})") == 19
    assert parent.ask("stats()['changed']") == renewed["changed"]


def test_executions_and_templates_that_were_out_of_date_are_reported(flows, zygote):
    def reported():
        workers = json.loads(flows.cachectl("stats", "-o", "json").stdout)["workers"]
        return workers["template_executions"], workers["template_outdated"]

    parent = zygote()
    parent.do("z.execute('flows.main:add', {'a': 1})")
    warmed(parent, "flows.main")
    parent.do("z.execute('flows.main:add', {'a': 1})")
    assert reported() == (2, 0)
    flows.put("shared/helper.py", "VALUE = 2\n")
    parent.do("z.execute('flows.main:add', {'a': 1})")
    assert reported() == (3, 1)


def test_with_code_warm_each_child_executes_its_modules_from_code_held_ready(zygote):
    parent = zygote(warm="code")
    parent.do("z.execute('flows.main:ids')")
    parent.do("settled(lambda s: 'hold' in s['processes'])")
    first, second = parent.ask("[z.execute('flows.main:ids') for _ in range(2)]")
    assert first[1] == second[1]  # the same code object
    assert first[3] == parent.ask("stats()['processes']['hold']")
    assert parent.ask("[stats()[k] for k in ('warm', 'skipped')]") == [["flows.main", "shared.helper"], {}]


PATTERNS = r"""
import re, warnings
BEFORE = [key[1] for key in re._cache]
re.compile("an import (compiles )?this")
re.compile(b"and\x00this", re.DOTALL)
re.compile("x" * 3000)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    re.compile("[[a]bc")
HEARD = len(heard)


def known():
    re.compile("its run compiles this")
    patterns = ("an import (compiles )?this", b"and\x00this", "x" * 3000, "[[a]bc", "its run compiles this")
    return [pattern in BEFORE for pattern in patterns], HEARD
"""


def test_with_code_warm_what_imports_compile_is_compiled_in_advance_and_nothing_else(flows, zygote):
    flows.put("flows/patterns.py", PATTERNS)
    parent = zygote(warm="code")
    assert parent.ask("z.execute('flows.patterns:known')") == [[False] * 5, 1]
    parent.do("settled(lambda s: 'hold' in s['processes'])")
    # Not what is too long, what each execution is to be warned of, or what an execution may have made of its data.
    for _ in range(2):
        assert parent.ask("z.execute('flows.patterns:known')") == [[True, True, False, False, False], 1]


LOOK = """
import os
import shared.helper


def look():
    return [os.getpid(), shared.helper.VALUE]
"""


def test_with_code_warm_a_process_forked_in_advance_runs_the_next_execution_as_things_are_then(flows, zygote):
    flows.put("flows/spare.py", LOOK)
    parent = zygote(warm="code")
    assert parent.ask("z.execute('flows.spare:look')")[1] == 100
    spare = parent.ask("settled(lambda s: 'spare' in s['processes'])")["processes"]["spare"]
    flows.put("shared/helper.py", "VALUE = 200\n")
    assert parent.ask("z.execute('flows.spare:look')") == [spare, 200]

    # One that is killed meanwhile is missed by nobody.
    killed = parent.ask(f"settled(lambda s: s['processes'].get('spare', {spare}) != {spare})")["processes"]["spare"]
    parent.do(f"os.kill({killed}, signal.SIGKILL); eventually(lambda: not alive([{killed}]))")
    pid, value = parent.ask("z.execute('flows.spare:look')")
    assert pid != killed and value == 200
    parent.do(f"settled(lambda s: s['processes'].get('spare', {killed}) != {killed})")
    assert parent.ask("stats()['spawned']") == 0

    below = parent.ask("processes(os.getpid())")
    parent.do("z.close()")
    assert parent.ask(f"alive({below})") == []


STRANGE = """
import enum, re

class Flag(enum.IntFlag):
    I = 2

def flag():
    class Local(int): pass
    return Local(2)

re.compile("strange", Flag.I)
re.compile("stranger", flag())
re.compile("usual")
BEFORE = list(re._cache)


def f():
    return sorted({"strange", "stranger", "usual"} & {key[1] for key in BEFORE})
"""


def test_flags_of_a_class_that_a_module_has_made_stay_in_its_execution(flows, zygote):
    flows.put("flows/strange.py", STRANGE)
    for warm in ("code", "modules"):
        parent = zygote(warm=warm)
        assert parent.ask("z.execute('flows.strange:f')") == ["strange", "stranger", "usual"]
        warmed(parent, "flows.strange")
        assert parent.ask("z.execute('flows.strange:f')") == ["strange", "stranger", "usual"]
        assert parent.ask("[stats()['spawned'], 'flows.strange' in __import__('sys').modules]") == [0, False]


def test_an_execution_whose_modules_make_re_forget_everything_is_none_the_worse(flows, zygote):
    flows.put("flows/purge.py", "import re\nre.compile('a')\nre.purge()\nre._cache = None\n\n\ndef f():\n    return 1\n")
    parent = zygote(warm="code")
    assert [parent.ask("z.execute('flows.purge:f')") for _ in range(2)] == [1, 1]


COLLECTIONS = """
import gc
MADE = [[[]] for _ in range(20_000)]
class Base: pass
def replaced(): return [type("Replaced", (Base,), {})]
replaced()
MORE = [[[]] for _ in range(5_000)]


def seen():
    looks = [stats["collections"] for stats in gc.get_stats()]
    kept = [[] for _ in range(5_000)]
    older = [now["collections"] - then for now, then in zip(gc.get_stats(), looks)]
    gc.collect()
    return older[0] > 0, older[1], len(Base.__subclasses__()), len(gc.get_referrers(MADE)) > 0, gc.get_threshold()
"""


def test_after_imports_the_collector_leaves_what_they_made_alone_for_a_while_and_forgets_nothing(flows, zygote):
    flows.put("flows/usual.py", COLLECTIONS)
    flows.put("flows/own.py", COLLECTIONS + "gc.set_threshold(1234, 5, 6)\n")
    parent = zygote(warm="code")
    new, older, oldest = parent.ask("__import__('gc').get_threshold()")
    young, looks, replaced, found, thresholds = parent.ask("z.execute('flows.usual:seen')")
    assert (young, looks, replaced, found) == (True, 0, 0, True)
    assert thresholds[0] == new and thresholds[1] > older and thresholds[2] == oldest
    assert parent.ask("z.execute('flows.own:seen')")[4] == [1234, 5, 6]


def test_with_none_warm_only_what_is_preloaded_is_there(zygote):
    parent = zygote(warm="none", preload=["decimal"])
    assert parent.ask("[z.execute('flows.main:add', {'a': 1}) for _ in range(3)]") == [102] * 3
    assert list(parent.ask("stats()['processes']")) == ["root"]


def test_exceptions_carry_the_traceback_of_the_child(zygote):
    error = zygote().ask("attempt('flows.main:fail')")
    assert error["type"] == "KeyError" and 'raise KeyError("missing")' in error["cause"]
    assert "bifrost_cache/" not in error["cause"]


def test_large_arguments_and_results_come_over_whole(zygote):
    parent = zygote()
    parent.do("n, text = z.execute('flows.main:big', {'n': 20_000_000})")
    assert parent.ask("[n, len(text)]") == [20_000_000] * 2
    for size in (0, 16_000, 17_000, 40_000, 3_000_000):  # some fit into a packet
        assert parent.ask(f"z.execute('flows.main:length', {{'text': 'x' * {size}}})") == size
    assert parent.ask("stats()['spawned']") == 0


def test_options_that_make_no_sense_are_refused(zygote):
    parent = zygote()
    for options in ("warm='hot'", "preload='json'", "cold='a.*'", "max_templates=0", "start_timeout=0",
                    "start_timeout=float('nan')"):
        assert parent.error_of(f"Zygote({options})").startswith("ValueError: ")
    assert parent.error_of("z.execute('flows.main')").startswith("ValueError: ")
    for timeout in ("-1", "float('nan')"):
        assert parent.error_of(f"z.execute('flows.main:add', timeout={timeout})").startswith("ValueError: timeout")


# --- warm() --------------------------------------------------------------------------------------------------

TEMPLATE = """
import json, os
from bifrost_cache.zygote import warm

def fork(body):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            execution = b.begin_execution()
            names = {'execution': execution, 'sys': sys}
            exec(body, names)
            os.write(writer, json.dumps([execution.evicted, names['answer']]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)

def show(warmed):
    return [list(warmed.modules), warmed.skipped, warmed.renewed]
"""


CYCLES = """
import weakref
class Cycle:
    def __init__(self):
        self.itself = self
def forgotten():
    return weakref.ref(Cycle())
"""


@pytest.mark.parametrize("begun", ["", "b.begin_execution(); "], ids=["by warm", "begun before"])
def test_a_platforms_own_template_frees_what_was_replaced_and_what_was_garbage(flows, talk, begun):
    """gc.freeze() keeps whatever is there for good."""
    flows.put("large.py", CYCLES)
    talk.do(TEMPLATE + CYCLES)
    talk.do("warm(['large']); import large; before = large.forgotten(), weakref.ref(large.Cycle)")
    flows.put("large.py", CYCLES + "# edited\n")
    talk.do(f"del large; {begun}renewed = warm().renewed")
    assert talk.ask("[renewed, *(ref() is None for ref in before)]") == [True, True, True]
    talk.do("garbage = forgotten(); renewed = warm().renewed")
    assert talk.ask("[renewed, garbage() is None]") == [False, True]


def test_what_a_template_has_evicted_itself_is_warm_again(flows, talk):
    flows.put("other.py", "")
    talk.do(TEMPLATE + "warm(['shared.helper'])\nimport other")
    flows.put("other.py", "A = 1\n")
    assert "shared.helper" in talk.ask("b.begin_execution().evicted")
    assert talk.ask("show(warm())") == [["shared.helper"], {}, True]
    assert talk.ask("'shared.helper' in sys.modules")
    again = "from bifrost_cache.zygote import warm\nanswer = [warm().renewed, 'shared.helper' in sys.modules]"
    assert talk.ask(f"fork({again!r})[1]") == [False, True], "a fork begins with what its parent has"
    flows.put("shared/helper.py", "VALUE = 6\n")
    assert talk.ask(f"fork({again!r})[1]") == [True, True]


def test_a_platforms_own_template_keeps_modules_warm(flows, talk):
    talk.do(TEMPLATE)
    modules, skipped, renewed = talk.ask("show(warm(['flows.main']))")
    assert (modules, skipped, renewed) == (["flows.main", "shared.helper"], {}, True)
    assert talk.ask("show(warm())") == [modules, {}, False]
    body = "from flows.main import add, ids\\nanswer = [add(1), ids()[:2]]"
    evicted, answer = talk.ask(f"fork('{body}')")
    assert (evicted, answer[0]) == ([], 102)
    assert talk.ask(f"fork('{body}')") == [[], answer]
    flows.put("shared/helper.py", "VALUE = 5\n")
    evicted, changed = talk.ask(f"fork('{body}')")
    assert (evicted, changed[0]) == (["flows", "flows.main", "shared", "shared.helper"], 7)
    assert changed[1][1] == answer[1][1]  # of the module that is the same, the code that is held ready
    assert talk.ask("show(warm())") == [modules, {}, True]
    assert talk.ask(f"fork('{body}')")[0] == []


def test_a_template_of_code_runs_nothing_itself(flows, talk):
    talk.do(TEMPLATE)
    assert talk.ask("show(warm(['flows.main'], kind='code'))") == [["flows.main", "shared.helper"], {}, True]
    assert talk.ask("'flows.main' in sys.modules") is False
    body = "from flows.main import ids\\nanswer = ids()[1]"
    assert talk.ask(f"fork('{body}')") == talk.ask(f"fork('{body}')")
    flows.put("flows/patterns.py", PATTERNS)
    talk.do("warm(['flows.main', 'flows.patterns'], kind='code')")
    body = "from flows.patterns import known\\nanswer = known()[0]"
    assert talk.ask(f"fork('{body}')")[1] == [True, True, False, False, False]
    talk.do("warm(['flows.main'], kind='code')")
    flows.put("other.py")
    assert talk.ask("show(warm(kind='code'))")[2] is False
    flows.put("shared/helper.py", "VALUE = 5\n")
    assert talk.ask("show(warm(kind='code'))")[2] is True


def test_warm_takes_no_name_for_a_sequence_of_letters(flows, talk):
    talk.do(TEMPLATE)
    with pytest.raises(WorkerRaised, match="sequence of names, not one name"):
        talk.do("warm('flows.main')")


def test_warm_leaves_no_connection_and_no_thread(flows, talk):
    talk.do(TEMPLATE)
    count = "[len(os.listdir('/proc/self/fd')), len(os.listdir('/proc/self/task'))]"
    talk.do("import os")
    before = talk.ask(count)
    talk.do("warm(['flows.main'])")
    assert talk.ask(count) == before


def test_what_warm_must_not_import_is_skipped_with_a_reason(flows, talk):
    flows.put("bad.py", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")
    flows.put("user.py", "import shared.helper, bad\n")
    talk.do(TEMPLATE)
    modules, skipped, _ = talk.ask("show(warm(['user', 'flows.main']))")
    assert modules == ["shared.helper", "flows.main"]
    assert skipped == {"bad": "its import starts a thread", "user": "it imports bad, which is left out"}
    assert talk.ask("len(os.listdir('/proc/self/task'))") == 1


def test_a_template_of_code_says_what_is_missing(flows, talk):
    talk.do(TEMPLATE)
    modules, skipped, _ = talk.ask("show(warm(['shared.helper', 'late'], kind='code'))")
    assert modules == ["shared.helper"] and "No module named 'late'" in skipped["late"]


def test_a_child_of_the_template_that_ends_meanwhile_is_no_process_that_an_import_started(flows, talk):
    flows.put("reaper.py", """
import os
os.kill(int(os.environ["CHILD"]), 9)
try:
    os.waitpid(int(os.environ["CHILD"]), 0)
except ChildProcessError:
    pass  # in the fork that tries it
""")
    talk.do(TEMPLATE)
    talk.do("import subprocess; child = subprocess.Popen(['sleep', '600']); os.environ['CHILD'] = str(child.pid)")
    assert talk.ask("show(warm(['reaper']))") == [["reaper"], {}, True]


def test_a_trial_that_cannot_begin_ends_alone(flows, talk):
    talk.do(TEMPLATE)
    talk.do("""
    os.setpgid(0, 0)  # of all that this test could end
    from bifrost_cache.zygote import _warm
    class Broken:
        def __getattr__(self, name):
            return getattr(b._shim, name)
        def end_with_parent(self, process):
            raise OSError('no room')
    _warm._shim = Broken()
    """)
    assert talk.ask("show(warm(['flows.main']))[:2]") == [[], {"flows.main": "it ended before it was ready"}]
    talk.do("_warm._shim = b._shim")
    assert talk.ask("show(warm(['shared.helper']))") == [["shared.helper"], {}, True]
