"""A store that Redis does not hold all of: what is missing there is asked of the platform before another root answers."""

import textwrap

import pytest

# A platform's store in the process itself: {path: source}, what has been asked, and what goes wrong.
STORE = """
from bifrost_cache.fallback import Module, Namespace, Package
import os, threading, time

class Store:
    timeout = 20

    def __init__(self, files):
        self.files, self.asked = files, []

    def resolve(self, name, scope):
        self.asked.append((scope.root, name))
        base = scope.root + name.replace(".", "/")
        for kind, path in ((Package, base + "/__init__.py"), (Module, base + ".py")):
            if path in self.files:
                return kind(self.files[path], path=path, hash="of the store")
        return Namespace() if any(path.startswith(base + "/") for path in self.files) else None

def why(statement):
    try:
        exec(statement, {})
    except ImportError as error:
        return [type(error).__name__, str(error), repr(error.__cause__)]
"""


@pytest.fixture
def with_store(node):
    def run(files, code, begin="", install="", **options):
        prologue = f"store = Store({files!r})\nb.install_virtual_import_hook(complete=False, fallback=store{install})\n"
        return node.script(STORE + prologue + f"execution = b.begin_execution({begin})\n" + textwrap.dedent(code), **options)

    return run


SCOPE = "solution_id='s', global_repo_access=True"


def test_the_scopes_own_module_runs_although_only_the_platform_has_it(node, with_store):
    node.put("modules/deep/er/util.py", "WHOSE = 'shared'\n")
    out = with_store(
        {"_solutions/s/modules/deep/er/util.py": "WHOSE = 'own'\n", "modules/deep/er/util.py": "WHOSE = 'shared'\n"},
        """
        from modules.deep.er import util
        from modules.deep.er import util
        out.update(whose=util.WHOSE, file=util.__file__, hash=util.__content_hash__, asked=store.asked,
                   source=b.loaded()["modules.deep.er.util"].source, intact=execution.intact)
        """,
        SCOPE,
    )
    assert out["whose"] == "own" and out["source"] == "fallback" and not out["intact"]
    assert out["file"].endswith("/_solutions/s/modules/deep/er/util.py") and out["hash"] == "of the store"
    assert len({tuple(q) for q in out["asked"]}) == len(out["asked"]), "once per name and root"


def test_nothing_is_asked_about_what_the_mirror_has(node, with_store):
    node.put("_solutions/s/pkg/__init__.py", "import pkg.m\n")
    node.put("_solutions/s/pkg/m.py", "")
    node.put("pkg/__init__.py", "1/0")
    assert with_store({}, "import pkg.m\nout['asked'] = store.asked", SCOPE) == {"asked": []}


def test_a_miss_is_settled_before_the_next_root_answers(node, with_store):
    node.put("shared_only.py", "X = 1\n")
    out = with_store({}, "import shared_only\nout.update(x=shared_only.X, asked=store.asked)", SCOPE)
    assert out == {"x": 1, "asked": [["_solutions/s/", "shared_only"]]}


def test_a_directory_in_redis_may_be_a_package_of_the_store(node, with_store):
    node.put("_solutions/s/lib/m.py", "X = 'own'\n")
    node.put("lib/n.py", "X = 'shared'\n")
    out = with_store(
        {"_solutions/s/lib/__init__.py": "INIT = True\n", "_solutions/s/lib/m.py": "X = 'own'\n"},
        "import lib.m\nout.update(init=lib.INIT, x=lib.m.X, n=why('import lib.n'))",
        SCOPE,
    )
    assert out["init"] and out["x"] == "own" and out["n"][0] == "ModuleNotFoundError"


def test_an_empty_redis_is_filled_from_the_platform(with_store):
    out = with_store(
        {"features/billing/run.py": "from shared.util import X\n", "shared/util.py": "X = 7\n"},
        "import features.billing.run as run\nout.update(x=run.X, asked=store.asked)",
    )
    assert out["x"] == 7
    assert out["asked"] == [["", n] for n in ("features", "features.billing", "features.billing.run", "shared", "shared.util")]


def test_an_answer_is_kept_for_the_execution_and_asked_anew_in_the_next(with_store):
    out = with_store(
        {"ns/m.py": "X = 1\n"},
        """
        import importlib, sys
        import ns.m
        out["missing"] = [why("import nothing")[0] for _ in range(2)]
        importlib.reload(ns.m)
        out["first"] = list(store.asked)
        store.files["ns/m.py"] = "X = 2\\n"
        importlib.reload(ns.m)
        out["same"] = ns.m.X
        out["evicted"] = b.begin_execution().evicted
        import ns.m
        out["next"] = ns.m.X
        out["unchanged"] = b.begin_execution().evicted
        store.files["nothing.py"] = ""
        out["appeared"] = b.begin_execution().evicted
        """,
    )
    assert out["missing"] == ["ModuleNotFoundError"] * 2
    assert out["first"] == [["", "ns"], ["", "ns.m"], ["", "nothing"]]
    assert out["same"] == 1 and out["next"] == 2
    assert out["evicted"] == ["ns", "ns.m"] and out["unchanged"] == []
    assert out["appeared"] == [], "what was missing was noted by the execution before, and is forgotten with its modules"


def test_a_module_that_went_by_an_absence_in_the_store_does_not_outlive_it(with_store):
    out = with_store(
        {"m.py": "try:\n    import plugin\nexcept ImportError:\n    plugin = None\n"},
        """
        import m
        store.files["plugin.py"] = ""
        out["evicted"] = b.begin_execution().evicted
        import m
        out["plugin"] = m.plugin is not None
        """,
    )
    assert out == {"evicted": ["m"], "plugin": True}


def test_what_the_platform_puts_into_redis_meanwhile_is_the_same_module(node, with_store):
    out = with_store(
        {"m.py": "X = 1\n"},
        f"""
        import redis
        store.asked.clear()
        import m
        client = redis.Redis.from_url({node.redis.url!r})
        client.setex("bifrost:module:m.py", 100, {node.value("m.py", "X = 1" + chr(10), "another token")!r})
        client.sadd("bifrost:module:index", "m.py")
        out["evicted"] = b.begin_execution().evicted
        out["asked"] = [question for question in store.asked if question[1] == "m"]
        """,
    )
    assert out == {"evicted": [], "asked": [["", "m"]]}


def test_names_of_the_standard_library_and_of_installed_packages_are_never_asked(node, with_store, tmp_path):
    (tmp_path / "installed_one.py").write_text("X = 'installed'\n")
    (tmp_path / "bifrost").mkdir()
    (tmp_path / "bifrost" / "__init__.py").write_text("X = 'installed'\n")
    (tmp_path / "spanning").mkdir()
    (tmp_path / "spanning" / "part.py").write_text("")
    node.put("bifrost/x.py", "")
    node.put("spanning/ours.py", "")
    out = with_store(
        {},
        f"""
        sys.path.append({str(tmp_path)!r})
        import json.tool, colorsys, installed_one, bifrost, spanning.part, spanning.ours
        out.update(asked=store.asked, x=[installed_one.X, bifrost.X])
        """,
        SCOPE,
    )
    assert out["x"] == ["installed", "installed"]
    assert {name for _, name in out["asked"]} <= {"spanning", "spanning.ours"}


def test_finders_of_editable_installs_count_as_installed(with_store):
    out = with_store(
        {},
        """
        import importlib.machinery
        class Editable:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "edited":
                    return importlib.machinery.ModuleSpec(name, Editable)
            create_module = exec_module = staticmethod(lambda x: None)
        sys.meta_path.append(Editable)
        import edited
        out["asked"] = store.asked
        """,
    )
    assert out == {"asked": []}


def test_a_client_may_import_what_it_likes_and_is_not_asked_about_it(with_store):
    out = with_store(
        {"m.py": "X = 1\n"},
        """
        plain = store.resolve
        def resolve(name, scope):
            import wave, mailbox  # an HTTP client imports much when it is first used
            try:
                import not_installed_here
            except ImportError:
                pass
            return plain(name, scope)
        store.resolve = resolve
        b.install_virtual_import_hook(fallback=type("S", (), {"resolve": staticmethod(resolve)})())
        b.begin_execution()
        import m
        out["asked"] = store.asked
        """,
    )
    assert out == {"asked": [["", "m"]]}


def test_threads_share_one_question(with_store):
    out = with_store(
        {"m.py": "X = 1\n"},
        """
        asking, answer, plain = threading.Event(), threading.Event(), store.resolve
        def slow(name, scope):
            asking.set()
            answer.wait(20)
            import wave
            return plain(name, scope)
        b.install_virtual_import_hook(fallback=type("S", (), {"resolve": staticmethod(slow), "timeout": 30})())
        b.begin_execution()
        import importlib.util
        found, ask = [], importlib.util.find_spec
        threads = [threading.Thread(target=lambda: found.append(ask("m").origin)) for _ in range(8)]
        for thread in threads:
            thread.start()
        asking.wait(20)
        answer.set()
        for thread in threads:
            thread.join()
        out.update(asked=store.asked, found=len(found), same=len(set(found)))
        """,
    )
    assert out == {"asked": [["", "m"]], "found": 8, "same": 1}


def test_what_the_fallback_raises_is_the_cause_and_never_not_found(node, with_store):
    node.put("m.py", "WHOSE = 'shared'\n")
    out = with_store(
        {},
        """
        def resolve(name, scope):
            raise ConnectionError("the platform is down")
        b.install_virtual_import_hook(fallback=type("S", (), {"resolve": staticmethod(resolve)})())
        b.begin_execution(solution_id="s", global_repo_access=True)
        out["why"] = why("import m")
        out["found_by_question"] = why("import importlib.util; importlib.util.find_spec('m')")[0]
        """,
    )
    kind, text, cause = out["why"]
    assert kind == "ImportError" and cause == "ConnectionError('the platform is down')"
    assert text == "module 'm' cannot be imported: the fallback failed: ConnectionError: the platform is down"
    assert out["found_by_question"] == "ImportError"


def test_a_question_that_gets_no_answer_is_given_up_and_the_next_is_not_put(with_store):
    out = with_store(
        {},
        """
        never, asked = threading.Event(), []
        def resolve(name, scope):
            asked.append(name)
            never.wait()
        b.install_virtual_import_hook(fallback=type("S", (), {"resolve": staticmethod(resolve), "timeout": 0.2})())
        b.begin_execution()
        out.update(first=why("import a"), second=why("import c"), asked=asked)
        """,
    )
    assert out["first"][0] == out["second"][0] == "ImportError"
    assert out["first"][1].endswith("the fallback failed: no answer about a within 0.2 s")
    assert out["second"][1].endswith("no answer about a within 0.2 s (not asked again yet)") and out["asked"] == ["a"]


@pytest.mark.parametrize(
    "answer, why",
    [
        ("Module('', path='m.py')", "which lies at '_solutions/s/m.py' in the scope"),
        ("'text'", "returned str for m: expected Module"),
        ("Module(7)", "neither text nor UTF-8"),
        ("Module(b'\\xff')", "neither text nor UTF-8"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(node, with_store, answer, why):
    node.put("m.py", "")
    out = with_store(
        {},
        f"""
        store_of = type("S", (), {{"resolve": staticmethod(lambda name, scope: {answer})}})
        b.install_virtual_import_hook(fallback=store_of())
        b.begin_execution(solution_id="s", global_repo_access=True)
        out["why"] = why("import m")
        """,
    )
    assert out["why"][0] == "ImportError" and why in out["why"][1]


def test_without_anybody_to_ask_the_next_root_does_not_answer(node):
    node.put("m.py", "WHOSE = 'shared'\n")
    out = node.script(
        STORE + "b.install_virtual_import_hook(complete=False)\n"
        "b.begin_execution(solution_id='s', global_repo_access=True)\nimport redis\nout['why'] = why('import m')"
    )
    assert out["why"][0] == "ModuleNotFoundError" and "no fallback.resolve to ask" in out["why"][1]


def test_with_a_complete_redis_a_resolver_is_asked_last(node):
    node.put("m.py", "WHOSE = 'shared'\n")
    out = node.script(
        STORE + textwrap.dedent(
            """
            store = Store({"_solutions/s/m.py": "WHOSE = 'own'\\n", "extra/m.py": "X = 1\\n"})
            b.install_virtual_import_hook(fallback=store)
            b.begin_execution(solution_id="s", global_repo_access=True)
            import m, extra.m
            out.update(whose=m.WHOSE, x=extra.m.X, roots=sorted({root for root, _ in store.asked}),
                       names=sorted({name for _, name in store.asked}))
            """
        )
    )
    assert out["whose"] == "shared" and out["x"] == 1
    assert out["names"] == ["extra", "extra.m"] and out["roots"] == ["", "_solutions/s/"]


def test_installed_packages_first_are_not_asked_about_either(node, with_store, tmp_path):
    (tmp_path / "both.py").write_text("X = 'installed'\n")
    (tmp_path / "onlydir").mkdir()
    out = with_store(
        {"both.py": "X = 'workspace'\n", "m.py": "", "onlydir/m.py": "X = 'workspace'\n"},
        f"""
        sys.path.append({str(tmp_path)!r})
        import both, m, onlydir.m
        out.update(x=[both.X, onlydir.m.X], asked=[name for _, name in store.asked])
        """,
        install=", precedence='installed'",
    )
    assert out["x"] == ["installed", "workspace"] and "both" not in out["asked"]
    assert len(out["asked"]) == len(set(out["asked"]))


def test_a_fork_in_the_middle_of_an_execution_keeps_its_answers(with_store):
    out = with_store(
        {"m.py": "", "n.py": "X = 1\n"},
        """
        import m
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            import n, importlib
            importlib.reload(m)
            os.write(writer, repr(store.asked).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        out["child"] = os.read(reader, 1000).decode()
        """,
    )
    assert out["child"] == "[('', 'm'), ('', 'n')]"


def test_listings_tell_what_redis_has_and_ask_nobody(node, with_store):
    node.put("pkg/__init__.py", "")
    node.put("pkg/a.py", "")
    node.put("pkg/sub/__init__.py", "")
    node.put("pkg/sub/c.py", "")
    out = with_store(
        {"pkg/b.py": "X = 'of the store'\n", "own/__init__.py": "", "own/m.py": ""},
        """
        import pkg, pkgutil, sys
        def names(path):
            return [m.name for m in pkgutil.iter_modules(path)]
        out["top"], out["pkg"] = names(sys.path[:1]), names(pkg.__path__)
        out["walk"] = [m.name for m in pkgutil.walk_packages(pkg.__path__, "pkg.")]
        out["asked"] = [list(question) for question in store.asked]
        import pkg.b, own.m
        out["b"], out["after"], out["own"] = pkg.b.X, names(pkg.__path__), names(own.__path__)
        """,
    )
    assert (out["top"], out["pkg"]) == (["pkg"], ["a", "sub"])
    assert out["walk"] == ["pkg.a", "pkg.sub", "pkg.sub.c"]
    assert out["asked"] == []
    assert (out["b"], out["after"], out["own"]) == ("of the store", ["a", "sub"], [])


# --- importlib's lock, and threads ------------------------------------------------------------------------------------


def test_a_callable_may_wait_for_a_thread_that_imports(node):
    assert node.script("""
from concurrent.futures import ThreadPoolExecutor

def read(path):
    import colorsys
    return "X = 1"

with ThreadPoolExecutor(1) as pool:
    b.install_virtual_import_hook(fallback=lambda path: pool.submit(read, path).result(20))
    b.begin_execution()
    import m
answer = m.X
""") == 1


# A namespace whose parent's path has gained a directory, in which only the store has something.
GROWN = """
class Grown(Store):
    def resolve(self, name, scope):
        answer = super().resolve(name, scope)
        return self.about(answer) if name == "extra.ns.sub" else answer

store = Grown({"ns/sub/x.py": "", "extra/ns/sub/y.py": "", "extra/ns/sub/z.py": ""})
b.install_virtual_import_hook(complete=False, fallback=store)
b.begin_execution()
import ns.sub.x
ns.__path__.append(list(ns.__path__)[0].removesuffix("ns") + "extra/ns")
"""


def test_a_thread_that_imports_while_another_looks_at_a_new_portion_sees_it_too(node):
    out = node.script(STORE + GROWN + """
def about(answer):
    other.start()
    other.join(1)  # which is over at once when it does not wait for the answer
    return answer

other = threading.Thread(target=lambda: out.update(z=why("import ns.sub.z")))
store.about = about
out["y"] = why("import ns.sub.y")
other.join(20)
""")
    assert out == {"y": None, "z": None}


def test_a_new_portion_that_nobody_could_tell_of_is_asked_for_again(node):
    out = node.script(STORE + GROWN + """
def about(answer):
    store.about = lambda answer: answer
    raise OSError("down")

store.about = about
deadline = time.monotonic() + 20
while why("import ns.sub.y") and time.monotonic() < deadline:
    time.sleep(0.01)
out["then"] = why("import ns.sub.y")
""")
    assert out["then"] is None


def test_a_destructor_that_imports_at_the_very_end_is_told_that_nobody_can_be_asked(node, with_store):
    code = """
        import gc
        gc.disable()

        class Last:
            def __init__(self):
                self.myself = self

            def __del__(self):
                sys.stderr.write(why("import optional")[1])

        Last()
        gc.enable()  # the interpreter's own last collection finds it
        """
    with_store({}, code, patience=60)
    assert "'optional' cannot be imported" in node.last_stderr and "the interpreter is ending" in node.last_stderr
