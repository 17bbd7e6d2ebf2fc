"""Exceptions that are for whoever imports, as with files: of signal handlers, such as time limits, and of other finders."""

import pytest

LIMIT = """
import os, signal, threading, warnings

class TimeLimit(RuntimeError):  # as the standard library's own exceptions are
    pass

def strike(*_):
    raise TimeLimit

signal.signal(signal.SIGUSR1, strike)

def raised(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
"""


def test_a_time_limit_that_strikes_while_the_store_is_asked_reaches_the_module_that_imports(node):
    out = node.script(LIMIT + """
from bifrost_cache.fallback import Module

class Store:
    asked = 0

    def resolve(self, name, scope):
        self.asked += 1
        if self.asked == 1:
            os.kill(os.getpid(), signal.SIGUSR1)  # whose handler runs in the thread that waits
            threading.Event().wait()
        return Module("X = 1")

b.install_virtual_import_hook(complete=False, fallback=Store())
b.begin_execution()

def optional():
    try:
        import fast
    except ImportError:
        return None

out.update(first=raised(optional), then=raised(lambda: __import__("fast")))
""")
    assert out == {"first": "TimeLimit", "then": None}


def test_a_time_limit_that_strikes_while_another_threads_question_is_waited_for_leaves_importlibs_lock_as_it_was(node):
    out = node.script(LIMIT + """
import _imp, importlib.util, time
from bifrost_cache.fallback import Module

def frames_of(thread):
    frame = sys._current_frames()[thread.ident]
    while frame:
        yield frame.f_code.co_name
        frame = frame.f_back

class Store:
    def resolve(self, name, scope):
        while "_find_spec" not in frames_of(threading.main_thread()):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGUSR1)  # whose handler runs when the main thread has its answer
        return Module("X = 1")

b.install_virtual_import_hook(complete=False, fallback=Store())
b.begin_execution()
asks = threading.Thread(target=importlib.util.find_spec, args=("m",))
asks.start()
out["first"] = raised(lambda: __import__("m"))
asks.join(20)
imports = threading.Thread(target=__import__, args=("colorsys",), daemon=True)
imports.start()
imports.join(20)
out.update(held=_imp.lock_held(), hangs=imports.is_alive())
""")
    assert out == {"first": "TimeLimit", "held": False, "hangs": False}


@pytest.fixture
def alone(node):
    """A node whose agent has gone."""
    node.put("m.py", "X = 1\n")
    node.wait("--fresh")
    node.agent.stop()
    return node


@pytest.fixture
def stale(alone):
    alone.redis.stop()
    return alone


@pytest.mark.parametrize("action", ["b.begin_execution()", "__import__('m')"])
def test_ctrl_c_while_a_warning_is_shown_is_not_lost(stale, action):
    out = stale.script(LIMIT + f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
warnings.simplefilter("always")
warnings.showwarning = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
b.install_virtual_import_hook()
try:
    {action}
except KeyboardInterrupt:
    out["first"] = "interrupted"
out["then"] = raised(lambda: __import__("m"))
""")
    assert out == {"first": "interrupted", "then": None}


@pytest.mark.parametrize("action", ["b.begin_execution()", "__import__('m')"])
def test_a_time_limit_that_has_struck_before_a_warning_is_written_is_not_lost(alone, action):
    """Where nobody has imported warnings, CPython writes it itself, and drops what a handler raises meanwhile."""
    alone.redis.pause()
    try:
        out = alone.script(LIMIT.replace("threading, warnings", "threading") + f"""
signal.signal(signal.SIGALRM, strike)
b.install_virtual_import_hook()
out["first"] = raised(lambda: signal.setitimer(signal.ITIMER_REAL, 0.02) and {action})
""")
    finally:
        alone.redis.resume()
    assert out == {"first": "TimeLimit"}
    assert "stale" in alone.last_stderr


@pytest.mark.parametrize("trouble", ["warnings.simplefilter('error')", "sys.stderr = open('/dev/null', 'w'); sys.stderr.close()"])
@pytest.mark.parametrize("action", ["b.begin_execution()", "__import__('m')"])
def test_a_warning_that_cannot_be_shown_breaks_nothing(stale, action, trouble):
    assert stale.script(LIMIT + f"""
b.install_virtual_import_hook()
{trouble}
answer = [raised(lambda: {action})]
""") == [None]


def test_a_warning_that_is_made_an_error_is_told_where_nothing_can_be_raised(stale):
    stale.script(LIMIT + """
b.install_virtual_import_hook()
warnings.simplefilter("error")
b.begin_execution()
""")
    assert "RuntimeWarning: bifrost: this execution imports from a stale mirror" in stale.last_stderr


# A store that lets a signal strike while it is asked; then it does not answer that question.
STRIKING_STORE = """
from bifrost_cache.fallback import Module

class Store:
    strikes = False

    def resolve(self, name, scope):
        if self.strikes:
            self.strikes = False
            os.kill(os.getpid(), signal.SIGUSR1)
            threading.Event().wait()
        return Module("X = 1") if name == "asked" else None

store = Store()
b.install_virtual_import_hook(complete=False, fallback=store)
"""


def test_an_execution_whose_begin_is_interrupted_has_not_begun(node):
    node.put("changed.py", "V = 1\n")
    node.put("other.py", "V = 1\n")
    node.wait("--fresh")
    worker = node.worker()
    worker.do(LIMIT + STRIKING_STORE + "\nbefore = b.begin_execution()\nimport changed, asked")
    node.put("changed.py", "V = 2\n")
    node.put("other.py", "V = 2\n")
    node.wait("--fresh")
    worker.do("store.strikes = True")
    assert worker.ask("raised(b.begin_execution)") == "TimeLimit"
    worker.do("import other")
    assert worker.ask("[b.current_execution() is before, changed.V, other.V]") == [True, 1, 1]
    assert set(worker.ask("b.begin_execution().evicted")) >= {"changed", "other"}


def test_an_eviction_that_is_interrupted_leaves_no_module_of_another_tenant_behind(node):
    for tenant in "ab":
        node.put(f"_solutions/{tenant}/whose.py", f"WHOSE = '{tenant}'\n")
    node.wait("--fresh")
    out = node.script(LIMIT + STRIKING_STORE + """
import importlib.util
begin = lambda tenant: b.begin_execution(solution_id=tenant, global_repo_access=False)
begin("a")
import whose
spec = importlib.util.find_spec("asked")
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = sys.modules["asked"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lazy)
store.strikes = True
out["first"] = raised(lambda: begin("b"))
out["evicted"] = begin("b").evicted
import whose
out["whose"] = whose.WHOSE
""")
    assert out["first"] == "TimeLimit" and "whose" in out["evicted"] and out["whose"] == "b"


@pytest.mark.parametrize("store", ["", "complete=False, fallback=Store()"])
def test_a_search_of_the_disk_that_fails_is_no_proof_that_a_package_is_not_installed(node, tmp_path, store):
    """Neither a directory of the workspace nor the platform's store may answer for it, then or later."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/__init__.py").write_text("WHO = 'installed'\n")
    node.put("installed/m.py", "")
    out = node.script(LIMIT + f"""
from bifrost_cache.fallback import Module

class Store:
    def resolve(self, name, scope):
        return Module("WHO = 'store'")

class Finder:
    def __init__(self, entry):
        if entry != "/broken":
            raise ImportError

    def find_spec(self, name, target=None):
        if name == "installed" and not failures:
            failures.append(name)
            raise OSError(5, "Input/output error")

failures = []
sys.path_hooks.insert(0, Finder)
sys.path[:0] = ["/broken", {str(tmp_path)!r}]
b.install_virtual_import_hook({store})
b.begin_execution()
out["first"] = raised(lambda: __import__("installed"))
import installed
out["then"] = getattr(installed, "WHO", "workspace")
""")
    assert out == {"first": "OSError", "then": "installed"}


@pytest.mark.parametrize("finder", [
    "def find_module(self, name, path=None): return None",
    "def find_spec(self, name, path, target): return None",
    "def find_spec(self, name, path=None, target=None): raise ModuleNotFoundError(f'pip install {name}', name=name)",
])
def test_a_finder_that_importlib_accepts_hides_nothing_of_the_store(node, finder):
    assert node.script(f"""
from bifrost_cache.fallback import Module

class Store:
    def resolve(self, name, scope):
        return Module("X = 1")

class Finder:
    {finder}

b.install_virtual_import_hook(complete=False, fallback=Store())
sys.meta_path.append(Finder())
b.begin_execution()
import m
answer = m.X
""") == 1
