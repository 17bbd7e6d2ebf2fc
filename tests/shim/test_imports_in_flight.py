"""Executions that begin while a module runs, in another thread or by its own doing; and those that overlap."""

import pytest
from harness import PATIENCE_S, eventually

THREAD = f"""
import threading
at, go = threading.Event(), threading.Event()
def meanwhile():
    at.set()
    assert go.wait({PATIENCE_S})
sys.meanwhile = meanwhile
thread = threading.Thread(target=__import__, args=("a",))
thread.start()
assert at.wait({PATIENCE_S})
"""
ITSELF = """
def meanwhile():
    global execution
    sys.meanwhile = lambda: None
    execution = b.begin_execution(**scope)
sys.meanwhile = meanwhile
try:
    import a
except ValueError:
    pass
"""
HOW = pytest.mark.parametrize("how", ["another thread", "the module itself"])


def put_taker(node, then=""):
    """`a`, which takes V from `dep` and runs `then`."""
    node.put("dep.py", "V = 1\n")
    node.put("a.py", f"from dep import V\n{then}")


def begin_within(talk, how, change, **scope):
    """`execution` begins while the module `a` calls sys.meanwhile(), after `change`."""
    talk.do(f"scope = {scope}")
    if how == "the module itself":
        change()
        talk.do(ITSELF)
        return
    talk.do(THREAD)
    change()
    talk.do("execution = b.begin_execution(**scope); sys.meanwhile = lambda: None; go.set(); thread.join()")


@HOW
def test_a_module_that_ran_while_an_execution_began_is_not_kept_by_the_next(node, talk, how):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    talk.begin()
    talk.do("import warnings; caught = []; warnings.showwarning = lambda m, c, *a: caught.append(str(m))")
    begin_within(talk, how, lambda: node.put("dep.py", "V = 2\n"))
    talk.do("import a, dep")
    assert talk.ask("[a.V, dep.V, execution.intact, execution.source]") == [1, 2, False, "shm"]
    said = "bifrost: the import of module 'a' had begun when this execution did, and may have taken what has changed since"
    assert talk.ask("len(caught)") == 1 and talk.ask("caught[0]").startswith(said + ": it goes on with generation ")
    assert talk.begin()["evicted"] == ["a", "dep"]
    talk.do("import a")
    assert talk.ask("[a.V, execution.intact]") == [2, True]
    assert talk.begin()["evicted"] == []


@HOW
def test_a_module_that_ran_while_another_scope_began_is_not_kept_there(node, talk, how):
    for solution in ("one", "two"):
        node.put(f"_solutions/{solution}/dep.py", f"V = {solution!r}\n")
    node.put("a.py", "import sys\nfrom dep import V\nsys.meanwhile()\n")
    talk.begin(solution_id="one", global_repo_access=True)
    two = {"solution_id": "two", "global_repo_access": True}
    begin_within(talk, how, lambda: None, **two)
    assert talk.ask("execution.intact") is False
    assert "a" in talk.begin(**two)["evicted"]
    talk.do("import a")
    assert talk.ask("[a.V, execution.intact]") == ["two", True]


ASKS = {
    "an absent module": (None, "try: import opt\nexcept ImportError: W = 1\nelse: W = 2\n"),
    "a module that raises": ("raise ValueError\n", "try: import opt\nexcept ValueError: W = 1\nelse: W = 2\n"),
    "a source": ("V = 1\n", "import bifrost_cache\nW = int(bifrost_cache.source_of('opt.py').source[4:])\n"),
}


@HOW
@pytest.mark.parametrize("what", ASKS)
def test_what_a_module_asked_before_an_execution_began_counts(node, talk, how, what):
    before, asks = ASKS[what]
    if before is not None:
        node.put("opt.py", before)
    node.put("a.py", asks + "import sys\nsys.meanwhile()\n")
    talk.begin()
    begin_within(talk, how, lambda: None)
    assert talk.ask("[execution.evicted, execution.intact]") == [[], True]
    assert talk.begin()["evicted"] == []
    node.put("opt.py", "V = 2\n")
    assert "a" in talk.begin()["evicted"]
    talk.do("import a")
    assert talk.ask("a.W") == 2


@HOW
def test_what_a_module_imported_that_failed_after_an_execution_began_is_not_kept_by_the_next(node, talk, how):
    node.put("dep.py", "V = 1\n")
    node.put("a/__init__.py", "import sys\nfrom dep import V\nsys.meanwhile()\nfrom . import sub\nraise ValueError\n")
    node.put("a/sub.py", "from . import V\n")
    talk.do("import threading; threading.excepthook = lambda *_: None")
    talk.begin()
    begin_within(talk, how, lambda: node.put("dep.py", "V = 2\n"))
    assert talk.ask("[sys.modules['a.sub'].V, execution.intact]") == [1, False]
    node.put("a/__init__.py", "V = 'mended'\n")
    assert "a.sub" in talk.begin()["evicted"]
    talk.do("import a.sub")
    assert talk.ask("a.sub.V") == "mended"


def test_a_module_that_outlived_a_change_stays_until_no_module_runs(node, talk):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    node.put("other.py", "import sys\nsys.meanwhile()\n")
    talk.begin()
    begin_within(talk, "another thread", lambda: node.put("dep.py", "V = 2\n"))
    talk.do(THREAD.replace('"a"', '"other"'))
    talk.do("first = b.begin_execution(); import a; second = b.begin_execution()")
    assert talk.ask("[first.evicted, first.intact, second.evicted, second.intact, a.V]") == [[], False, [], False, 1]
    talk.do("sys.meanwhile = lambda: None; go.set(); thread.join()")
    assert talk.begin()["evicted"] == ["a", "other"]
    talk.do("import a, other")
    assert talk.ask("[a.V, execution.intact]") == [2, True]
    assert talk.begin()["evicted"] == []


def test_a_module_that_outlived_a_change_goes_in_the_end_though_another_module_runs_all_the_time(node, talk):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    node.put("other.py", "import sys\nsys.meanwhile()\n")
    talk.begin()
    begin_within(talk, "another thread", lambda: node.put("dep.py", "V = 2\n"))
    talk.do(THREAD.replace('"a"', '"other"'))
    # Before `other` gives up waiting.
    eventually(lambda: talk.begin()["evicted"] == ["a"], "what outlived the change is evicted", PATIENCE_S / 2)
    talk.do("go.set(); thread.join()")


STORE = f"""
import threading
from bifrost_cache.fallback import Module
asked, go = threading.Event(), threading.Event()
class Store:
    timeout = {PATIENCE_S}
    version = 1
    def resolve(self, name, scope):
        if name != "x":
            return None
        version = self.version
        asked.set()
        assert go.wait({PATIENCE_S})
        return Module(f"V = {{version}}") if version else None
b.install_virtual_import_hook(fallback=Store(), complete=False)
"""


def test_what_a_store_was_asked_before_an_execution_began_makes_that_one_mixed(node, talk):
    node.put("y.py", "V = 2\n")
    talk.do(STORE)
    talk.begin()
    talk.do(f"thread = threading.Thread(target=__import__, args=('x',)); thread.start(); assert asked.wait({PATIENCE_S})")
    talk.do("Store.version = 2; execution = b.begin_execution(); go.set(); thread.join(); import x, y")
    assert talk.ask("[x.V, y.V, execution.intact]") == [1, 2, False]
    assert talk.begin()["evicted"] == ["x", "y"]
    talk.do("import x")
    assert talk.ask("x.V") == 2


PUT_BACK = """
def put_back(frame, event, argument):
    global execution
    between = event == "c_return" and getattr(argument, "__name__", "") == "pop"
    if between and frame.f_code.co_name == "_load_unlocked" and frame.f_locals["spec"].name == "a":
        sys.setprofile(None)
        execution = b.begin_execution()
sys.setprofile(put_back)
import a
sys.setprofile(None)
"""


def test_a_module_that_importlib_was_about_to_put_back_is_not_kept_by_the_next(node, talk):
    put_taker(node)
    talk.begin()
    node.put("dep.py", "V = 2\n")
    talk.do(PUT_BACK)
    assert talk.ask("[execution.evicted, a.V, execution.intact]") == [["dep"], 1, False]
    assert talk.begin()["evicted"] == ["a"]
    talk.do("import a")
    assert talk.ask("a.V") == 2
    assert talk.begin()["evicted"] == []


def test_an_object_that_importlib_was_about_to_put_back_is_not_kept_by_the_next(node, talk):
    node.put("dep.py", "V = 1\n")
    node.put("a.py", "import sys, types\nfrom dep import V\nsys.modules[__name__] = types.SimpleNamespace(V=V)\n")
    talk.begin()
    node.put("dep.py", "V = 2\n")
    talk.do(PUT_BACK)
    assert talk.begin()["evicted"] == ["a"]
    talk.do("import a")
    assert talk.ask("a.V") == 2


def test_an_execution_beside_a_module_that_importlib_put_back_is_not_intact_whoever_asks(node, talk):
    put_taker(node)
    talk.begin()
    node.put("dep.py", "V = 2\n")
    talk.do(PUT_BACK)
    talk.do("later = b.begin_execution()")
    assert talk.ask("[execution.intact, later.intact, later.evicted]") == [False, True, ["a"]]


def test_a_module_that_fails_when_it_is_run_again_leaves_nothing_behind(node, talk):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    talk.begin()
    talk.do("sys.meanwhile = lambda: None; import a, importlib")
    node.put("dep.py", "V = 2\n")
    talk.do("""
    def meanwhile():
        global execution
        execution = b.begin_execution()
        raise ValueError
    sys.meanwhile = meanwhile
    try:
        importlib.reload(a)
    except ValueError:
        pass
    sys.meanwhile = lambda: None
    """)
    assert talk.ask("[sys.modules['a'] is a, a.V, execution.intact]") == [True, 1, False]
    assert talk.begin()["evicted"] == ["a"]
    talk.do("import a")
    assert talk.ask("a.V") == 2


@pytest.mark.parametrize("what", ["None", "sys", "lazy"])
def test_what_a_host_puts_in_the_place_of_a_module_that_it_took_out_is_its_own_affair(node, talk, what):
    put_taker(node)
    talk.begin()
    talk.do("import a, importlib.util; del sys.modules['a']")
    node.put("dep.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["dep"]
    talk.do("""
    spec = importlib.util.find_spec("a")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lazy)
    """)
    talk.do(f"sys.modules['a'] = {what}")
    assert talk.ask("execution.intact") is True
    assert talk.begin()["evicted"] == []
    assert talk.ask(f"sys.modules['a'] is {what}") is True


def test_a_module_that_somebody_took_out_of_sys_modules_costs_no_eviction(node, talk):
    put_taker(node)
    talk.begin()
    talk.do("import a; del sys.modules['a']")
    node.put("dep.py", "V = 2\n")
    assert talk.begin()["evicted"] == ["dep"]
    talk.do("import a")
    assert talk.begin()["evicted"] == []
    talk.do("del sys.modules['a']; import a; del sys.modules['a']")
    assert talk.begin()["evicted"] == []


def test_a_package_that_is_running_gives_what_is_new(node, talk):
    node.put("pkg/util.py", "V = 1\n")
    node.put("pkg/job.py", "from . import util\n")
    node.put("pkg/__init__.py", "import sys\nfrom . import util\nsys.meanwhile()\nfrom .job import util as job\n")
    talk.begin()
    node.put("pkg/util.py", "V = 2\n")
    talk.do("scope = {}" + ITSELF.replace("import a", "import pkg"))
    assert talk.ask("[execution.evicted, pkg.job.V, execution.intact]") == [["pkg.util"], 2, False]


def test_an_execution_that_begins_beside_what_ran_before_it_says_so_at_once(node, talk):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    talk.do("""
def meanwhile():
    global during
    executions = [b.begin_execution() for _ in range(2)]
    during = [[execution.evicted, execution.intact] for execution in executions]
sys.meanwhile = meanwhile
""")
    talk.begin()
    node.put("dep.py", "V = 2\n")
    talk.do("import a")
    assert talk.ask("during") == [[["dep"], False], [[], False]]


def test_a_module_that_its_host_takes_out_and_runs_again_is_left_alone(node, talk):
    node.put("other.py", "V = 1\n")
    node.put("a.py", "import sys, other\nsys.meanwhile()\n")
    talk.do("""
def meanwhile():
    global during
    during = [b.current_execution().intact, b.begin_execution().evicted]
sys.meanwhile = meanwhile
""")
    for change in range(3):
        talk.begin()
        talk.do("import a; del sys.modules['a']")
        assert talk.ask("[*during, b.current_execution().intact]") == [True, [], True]
        node.put("other.py", f"V = {change + 2}\n")


def test_a_child_that_is_forked_while_another_thread_imports_runs_none_of_that(node, talk):
    put_taker(node, "import sys\nsys.meanwhile()\n")
    talk.begin()
    talk.do(THREAD)
    node.put("dep.py", "V = 2\n")
    intact = talk.do("""
import os
pid = os.fork()
if pid == 0:
    executions = [b.begin_execution(), b.begin_execution()]
    os._exit(int(executions[1].intact))
answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
""")
    talk.do("go.set(); thread.join()")
    assert intact == 1


def test_an_execution_that_another_one_takes_further_says_that_it_may_be_mixed(node, talk):
    for name in "xyz":
        node.put(f"{name}.py", "V = 1\n")
    talk.do("with_outer = b.begin_execution(); outer = with_outer.__enter__(); import x")
    node.put("y.py", "V = 2\n")
    talk.do("inner = b.begin_execution().__enter__(); import y; inner.__exit__(None, None, None)")
    assert talk.ask("[x.V, y.V, outer.intact, inner.intact]") == [1, 2, True, True]  # nothing of the outer's has changed
    node.put("x.py", "V = 3\n")
    talk.do("inner = b.begin_execution(); import z")
    assert talk.ask("[outer.intact, inner.intact, inner.evicted]") == [False, True, ["x", "y"]]


def test_an_execution_that_has_only_asked_and_is_taken_further_says_that_it_may_be_mixed(node, talk):
    talk.do("outer = b.begin_execution().__enter__()")
    assert "No module named 'x'" in talk.error_of("import x")
    node.put("x.py", "V = 1\n")
    talk.do("inner = b.begin_execution(); import x")
    assert talk.ask("[outer.intact, inner.intact]") == [False, True]


def test_executions_that_overlap_beside_a_store_stay_intact_where_nothing_changes(node, talk):
    node.put("y.py")
    talk.do(STORE)
    talk.do("Store.version = None; go.set(); outer = b.begin_execution().__enter__(); import y")
    assert "No module named 'x'" in talk.error_of("import x")
    talk.do("go.clear(); asked.clear(); thread = threading.Thread(target=b.begin_execution); thread.start()")
    talk.do(f"assert asked.wait({PATIENCE_S}); answer = outer.intact; outer.__exit__()")
    talk.do("go.set(); thread.join()")
    assert talk.ask("outer.intact") is True


def test_a_child_that_is_forked_within_an_execution_may_begin_one_of_another_scope(node, talk):
    status = talk.do("""
import os
with b.begin_execution():
    pid = os.fork()
    if pid == 0:
        os._exit(3 if b.begin_execution(solution_id="other").source == "shm" else 4)
answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
""")
    assert status == 3


@pytest.mark.parametrize("ends", [False, True])
def test_an_execution_shares_what_becomes_of_the_one_that_took_it_further_until_it_ends(redis_node, ends):
    node = redis_node
    node.start_agent("--max-module-bytes", "64K")
    node.put("x.py", "V = 1\n")
    node.put("big.py", f"V = 1{' ' * 70_000}\n")  # Redis is asked for it
    talk = node.worker()
    talk.do("outer = b.begin_execution().__enter__(); import x; inner = b.begin_execution()")
    if ends:
        talk.do("outer.__exit__(None, None, None)")
    talk.do("import big")
    assert talk.ask("[big.V, inner.intact, outer.intact]") == [1, False, ends]


def test_an_execution_that_ends_while_another_one_compares_says_that_it_may_be_mixed(node, talk):
    talk.do(STORE)
    node.put("y.py")
    talk.do("Store.version = None; go.set(); outer = b.begin_execution().__enter__(); import y")
    assert "No module named 'x'" in talk.error_of("import x")
    assert talk.do("go.clear(); asked.clear(); Store.version = 1; answer = outer.intact") is True
    talk.do("thread = threading.Thread(target=b.begin_execution); thread.start()")
    talk.do(f"assert asked.wait({PATIENCE_S}); outer.__exit__()")  # the store is asked about x
    talk.do("go.set(); thread.join()")
    assert talk.ask("outer.intact") is False


def test_an_execution_that_is_no_longer_the_present_one_when_it_is_entered_says_that_it_may_be_mixed(node, talk):
    node.put("x.py", "V = 1\n")
    talk.do("one = b.begin_execution(); two = b.begin_execution(); one.__enter__(); two.__enter__()")
    assert talk.ask("[one.intact, two.intact]") == [True, True]  # of the same generation
    node.put("y.py", "V = 1\n")
    talk.do("one.__exit__(); two.__exit__(); one = b.begin_execution()")
    node.put("y.py", "V = 2\n")
    talk.do("two = b.begin_execution(); one.__enter__(); two.__enter__()")
    assert talk.ask("[one.intact, two.intact]") == [False, True]


def test_executions_that_overlap_on_the_same_stale_mirror_stay_intact(node, talk):
    node.put("x.py", "V = 1\n")
    node.cachectl("wait", "--fresh")
    talk.do("import x")
    node.agent.kill()
    node.redis.stop()
    talk.do("outer = b.begin_execution().__enter__(); inner = b.begin_execution().__enter__(); import x")
    assert talk.ask("[outer.source, inner.source, outer.intact, inner.intact]") == ["stale", "stale", True, True]


def test_an_execution_that_goes_on_with_what_redis_holds_says_that_it_may_be_mixed(node, talk):
    node.put("x.py", "V = 1\n")
    talk.do("outer = b.begin_execution().__enter__(); import x")
    node.agent.kill()
    node.put("y.py", "V = 1\n")
    talk.do("inner = b.begin_execution()")
    assert talk.ask("[outer.source, inner.source, outer.intact]") == ["shm", "redis", False]
