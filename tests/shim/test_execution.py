"""begin_execution: what it pins, what it evicts, and what happens when agent or Redis are not there."""

import subprocess
import sys

import pytest
from harness.namespaces import IN_MOUNT_NAMESPACE


def test_an_acknowledged_write_is_what_the_execution_runs(node, talk):
    for n in range(300):
        node.put("now.py", f"N = {n}\n")
        assert talk.begin()["source"] == "shm"
        talk.do("import now")
        assert talk.ask("now.N") == n


def test_a_delete_ends_in_module_not_found(node, talk):
    node.put("stays.py")
    node.put("gone.py", "X = 1\n")
    talk.begin()
    talk.do("import gone")
    node.delete("gone.py")
    assert talk.begin()["evicted"] == ["gone"]
    assert talk.error_of("import gone").startswith("ModuleNotFoundError: No module named 'gone' (not in the mirror")


def test_lazy_imports_come_from_the_pinned_generation(node, talk):
    node.put("flow.py", "def late():\n    import helper\n    return helper.V\n")
    node.put("helper.py", "V = 1\n")
    talk.begin()
    talk.do("import flow")
    node.put("helper.py", "V = 2\n")
    talk.do("b.wait_fresh(5)")
    assert talk.ask("flow.late()") == 1
    talk.begin()
    talk.do("import flow")
    assert talk.ask("flow.late()") == 2


def test_invalidate_module_index_moves_to_the_newest_snapshot(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    node.put("m.py", "X = 2\n")
    talk.do("b.wait_fresh(5); b.invalidate_module_index(); import m")
    assert talk.ask("m.X") == 2


def test_moving_to_the_newest_does_not_go_back_to_a_mirror_from_before_the_execution(node, talk):
    """Its agent hangs, and the lease is good for a moment."""
    node.put("m.py", "X = 1\n")
    node.wait("--fresh")
    node.agent.pause()
    node.put("m.py", "X = 2\n")
    talk.do("e = b.begin_execution(timeout=0.25); b.invalidate_module_index(); import m")
    assert talk.ask("[m.X, e.source]") == [2, "redis"]
    node.agent.resume()
    node.wait("--fresh")
    talk.do("b.invalidate_module_index()")
    assert talk.ask("[e.source, b.stats()['source']]") == ["redis", "shm"]


def test_without_an_agent_a_module_that_has_become_a_directory_is_one(redis_node):
    """Though this execution has read the index before."""
    redis_node.put("ns/a.py", "A = 1\n")
    redis_node.put("tools.py", "V = 1\n")
    worker = redis_node.worker()
    worker.do("b.begin_execution(); import ns.a")
    redis_node.put("tools/m.py", "M = 2\n")
    redis_node.delete("tools.py")
    assert worker.do("import tools.m; answer = tools.m.M") == 2


def test_wait_fresh_names_the_generation_or_times_out(node, talk):
    node.put("m.py", "X = 1\n")
    generation = talk.ask("b.wait_fresh(5)")
    assert generation == talk.begin()["generation"] > 0
    node.agent.stop()
    assert talk.error_of("b.wait_fresh(0.1)").startswith("TimeoutError: ")


def test_loaded_tells_path_hash_generation_and_source(node, talk):
    node.put("pkg/__init__.py", "", hash="h0")
    node.put("pkg/m.py", "X = 1\n", hash="h1")
    generation = talk.begin()["generation"]
    talk.do("import pkg.m, json")
    rows = talk.ask("{n: [l.path, l.hash, l.generation, l.source] for n, l in b.loaded().items()}")
    assert rows == {
        "pkg": ["pkg/__init__.py", "h0", generation, "source"],
        "pkg.m": ["pkg/m.py", "h1", generation, "source"],
    }
    talk.do("del sys.modules['pkg.m']")
    assert talk.ask("list(b.loaded())") == ["pkg"]


def test_a_running_execution_outlives_agent_and_redis(node, talk):
    node.put("a.py", "X = 1\n")
    node.put("b_late.py", "X = 2\n")
    talk.begin()
    talk.do("import a")
    node.agent.kill()
    node.redis.stop()
    talk.do("import b_late")
    assert talk.ask("b_late.X") == 2


def test_without_agent_new_executions_use_redis(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    node.agent.kill()
    node.put("m.py", "X = 2\n")
    assert talk.begin()["source"] == "redis"
    talk.do("import m")
    assert talk.ask("[m.X, b.loaded()['m'].source]") == [2, "redis"]


def test_an_execution_that_imports_from_redis_says_that_it_may_be_mixed(node, talk):
    """What Redis has is as new as each import: two of them may be of different states."""
    node.put("first.py", "VERSION = 1\n")
    node.put("second.py", "VERSION = 1\n")
    node.agent.kill()
    assert talk.begin()["source"] == "redis"
    assert talk.ask("execution.intact")
    assert talk.do("import first; answer = first.VERSION") == 1
    node.put("first.py", "VERSION = 2\n")
    node.put("second.py", "VERSION = 2\n")
    assert talk.do("import second; answer = second.VERSION") == 2
    assert not talk.ask("execution.intact")


def test_code_can_ask_for_the_execution_that_it_runs_in(node, talk):
    assert talk.ask("b.current_execution()") is None
    node.put("m.py", "X = 1\n")
    talk.begin()
    assert talk.ask("b.current_execution() is execution")
    talk.do("b.install_virtual_import_hook(workspace='/elsewhere')")
    assert talk.ask("b.current_execution() is execution")
    talk.do("b.remove_virtual_import_hook(); b.install_virtual_import_hook()")
    assert talk.ask("b.current_execution()") is None


def test_loaders_from_before_other_settings_are_of_the_same_execution(node, talk):
    """What they read goes by the state before: the execution is not intact any more when the new one has moved."""
    node.put("pk/__init__.py", "")
    node.put("pk/d.py", "D = 1\n")
    node.put("y.py", "Y = 1\n")
    talk.begin()
    talk.do("import pk; b.install_virtual_import_hook(on_stale='error')")
    assert talk.ask("execution.intact")
    node.put_many([("pk/d.py", "D = 2\n"), ("y.py", "Y = 2\n")])
    node.wait("--fresh")
    talk.do("b.invalidate_module_index()")
    assert talk.do("import y; answer = y.Y") == 2
    assert talk.ask("execution.intact")
    assert talk.ask("pk.__loader__.get_data(pk.__path__[0] + '/d.py').decode()") == "D = 1\n"
    assert not talk.ask("execution.intact")


@pytest.mark.parametrize("runner", ["worker", "Zygote(warm='modules')", "Zygote(warm='code')"])
def test_what_runs_under_a_runner_knows_whether_it_is_of_one_generation(node, runner):
    node.put("large.py", f"#{'x' * 100_000}\n")
    node.put("flow.py", """
import importlib
import bifrost_cache

def state(wanted):
    importlib.import_module(wanted)
    execution = bifrost_cache.current_execution()
    return execution.source, execution.intact
""")
    node.agent.stop()
    node.start_agent("--max-module-bytes", "64K")
    node.wait("--fresh")
    parent = node.worker()
    parent.do(f"from bifrost_cache import worker; from bifrost_cache.zygote import Zygote; runner = {runner}")
    for wanted, intact in [("json", True), ("large", False), ("json", True)]:
        assert parent.ask(f"runner.execute('flow:state', {{'wanted': {wanted!r}}})") == ["shm", intact]
    parent.do("getattr(runner, 'close', int)()")


def test_an_execution_that_runs_what_a_callable_gave_says_so(node):
    out = node.script("""
        b.install_virtual_import_hook(fallback=lambda path: "VALUE = 1\\n" if path == "given.py" else None)
        execution = b.begin_execution()
        import given
        out.update(value=given.VALUE, intact=execution.intact)
    """)
    assert out == {"value": 1, "intact": False}


def test_a_restarted_agent_takes_over_without_restarting_workers(node, talk):
    node.put("m.py", "X = 1\n")
    before = talk.begin()["generation"]
    node.agent.kill()
    node.put("m.py", "X = 2\n")
    node.start_agent()
    after = talk.begin()
    assert after["source"] == "shm" and after["generation"] > before
    talk.do("import m")
    assert talk.ask("[m.X, b.loaded()['m'].source]") == [2, "source"]


def test_without_agent_and_redis_the_last_known_good_is_served_and_flagged_once(node, talk):
    node.put("m.py", "X = 1\n")
    talk.begin()
    node.agent.kill()
    node.redis.stop()
    talk.do("import warnings; caught = []; warnings.showwarning = lambda m, c, *a: caught.append([c.__name__, str(m)])")
    talk.do("warnings.simplefilter('always')")
    assert talk.begin()["source"] == "stale"
    assert talk.begin()["source"] == "stale"
    talk.do("import m")
    assert talk.ask("m.X") == 1
    assert talk.ask("b.stats()['stale_serves']") == 1
    (warning,) = talk.ask("caught")
    assert warning[0] == "RuntimeWarning" and "stale mirror" in warning[1] and "Redis unreachable" in warning[1]


def test_an_execution_says_why_it_does_not_import_from_the_mirror(node):
    def where_and_why():
        return node.run("answer = [execution.source, execution.reason, repr(execution)]")

    source, reason, shown = where_and_why()
    assert (source, reason, "reason" in shown) == ("shm", "", False)
    node.agent.stop()
    source, reason, shown = where_and_why()
    assert source == "redis"
    assert "agent" in reason and f"source='redis', reason={reason!r}" in shown
    node.redis.stop()
    source, reason, _ = where_and_why()
    assert source == "stale"
    assert "agent" in reason and "; Redis unreachable: " in reason
    assert "BIFROST_DISABLE=1" in node.run("answer = execution.reason", BIFROST_DISABLE="1")
    assert node.run("answer = execution.intact", BIFROST_DISABLE="1") is False


def test_an_execution_without_proc_says_that_it_cannot_trust_the_mirrors_times(node):
    code = "import bifrost_cache as b; b.install_virtual_import_hook(); print(b.begin_execution(fresh=False).reason)"
    without_proc = [*IN_MOUNT_NAMESPACE, "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*without_proc, "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    ended = subprocess.run([*without_proc, sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                           env=node.environment())
    assert "cannot read /proc" in ended.stdout, ended.stderr


def test_on_stale_error_refuses_and_says_why(node):
    node.put("m.py", "X = 1\n")
    node.execute("import m")
    node.agent.stop()
    node.redis.stop()
    out = node.execute(
        """
        try:
            import m
        except ImportError as error:
            out.update(text=str(error), name=error.name, source=execution.source)
        import colorsys
        """,
        env={"BIFROST_ON_STALE": "error", "PYTHONWARNINGS": "error"},
    )
    assert out["name"] == "m" and out["source"] == "stale"
    assert "stale" in out["text"] and "Redis unreachable" in out["text"] and "BIFROST_ON_STALE=error" in out["text"]


def test_with_neither_agent_nor_redis_ever_seen_the_error_names_both_causes(bare_node):
    out = bare_node.execute(
        """
        import redis  # installed packages are not our affair
        try:
            import shared.halopsa
        except ModuleNotFoundError as error:
            out.update(text=str(error), name=error.name, source=execution.source, generation=execution.generation)
        """
    )
    assert out["name"] == "shared" and out["source"] == "redis" and out["generation"] == 0
    assert "there is no mirror" in out["text"] and "Redis unreachable" in out["text"] and "\n" not in out["text"]


@pytest.mark.parametrize("who", ["agent", "redis", "both"])
def test_nothing_hangs_when_somebody_is_stopped_without_dying(node, talk, who):
    node.put("m.py", "X = 1\n")
    talk.begin()
    talk.do("import m, time")
    if who in ("agent", "both"):
        node.agent.pause()
    if who in ("redis", "both"):
        node.redis.pause()
    talk.do("start = time.monotonic()")
    source = talk.begin(timeout=0.25)["source"]
    talk.do("took = time.monotonic() - start")
    assert source == ("redis" if who == "agent" else "stale")
    assert talk.ask("took") < 1.5
    talk.do("import m")
    assert talk.ask("m.X") == 1


def test_imports_outside_an_execution_fall_back_within_a_bound(redis_node):
    redis_node.put("m.py", "X = 1\n")
    redis_node.redis.pause()
    out = redis_node.script(
        """
        import time
        b.install_virtual_import_hook()
        out["took"] = []
        for name in ("m", "n", "o"):
            start = time.monotonic()
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                out["text"] = str(error)
            out["took"].append(time.monotonic() - start)
        """
    )
    assert out["took"][0] < 2.5
    assert max(out["took"][1:]) < 0.2, "the breaker is open"
    assert "Redis unreachable" in out["text"]


def test_outside_executions_a_process_reads_the_newest_and_never_backwards(node, talk):
    node.put("m.py", "X = 1\n")
    talk.do("b.wait_fresh(5); import m, importlib")
    node.agent.pause()  # its lease runs out, and with it the mirror's word
    node.put("m.py", "X = 2\n")
    talk.do(
        """
        import time
        end = time.monotonic() + 15
        while m.X != 2 and time.monotonic() < end:
            importlib.reload(m)
        """
    )
    assert talk.ask("[m.X, b.loaded()['m'].source]") == [2, "redis"]
    node.agent.resume()
    for _ in range(200):
        talk.do("importlib.reload(m)")
        assert talk.ask("m.X") == 2


def test_values_that_cannot_be_used_are_refused_by_key_and_harm_nobody_else(node):
    node.put_raw("malformed.py", "{'content': 1}")
    node.put_raw("no_content.py", '{"hash": "h"}')
    node.put_raw("surrogate.py", '{"content": "x = \'\\ud800\'"}')
    node.put_raw("not_utf8.py", b'{"content": "x = \'\xff\'"}')
    node.redis.client().lpush("bifrost:module:wrong_type.py", "x")
    node.redis.client().sadd("bifrost:module:index", "wrong_type.py")
    node.put("good.py", "X = 1\n")
    out = node.execute(
        """
        import good
        for name in ("malformed", "no_content", "surrogate", "not_utf8", "wrong_type"):
            try:
                __import__(name)
                out[name] = "imported"
            except ImportError as error:
                out[name] = [type(error).__name__, str(error), error.name]
        """
    )
    for name, (kind, text, error_name) in out.items():
        assert kind == "ImportError" and error_name == name
        assert f"bifrost:module:{name}.py" in text


def test_an_untrustworthy_segment_is_refused_and_redis_serves(node, talk):
    node.put("m.py", "X = 1\n")
    node.agent.stop()
    (node.segment_dir / "segment").chmod(0o666)
    assert talk.begin()["source"] == "redis"
    talk.do("import m")
    assert talk.ask("[m.X, b.stats()['attach_errors'] > 0]") == [1, True]


def test_forked_children_begin_executions_of_their_own(node):
    node.put("m.py", "X = 1\n")
    out = node.execute(
        """
        import os, redis
        import m
        r, w = os.pipe()
        child = os.fork()
        if child == 0:
            execution = b.begin_execution()
            os.write(w, f"{execution.source} {len(execution.evicted)} {m.X}".encode())
            os._exit(0)
        os.waitpid(child, 0)
        out["child"] = os.read(r, 100).decode()
        """
    )
    assert out == {"child": "shm 0 1"}


def test_threads_import_at_the_same_time(node):
    for i in range(60):
        node.put(f"pkg{i}/m.py", f"import shared_by_all\nX = {i}\n")
    node.put("shared_by_all.py", "import time\ntime.sleep(0.01)\nREADY = True\n")
    out = node.execute(
        """
        import importlib, threading
        wrong = []
        def work(first):
            for i in range(60):
                n = (i + first) % 60
                if importlib.import_module(f"pkg{n}.m").X != n:
                    wrong.append(n)
        threads = [threading.Thread(target=work, args=(k * 7,)) for k in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        out.update(wrong=wrong, loaded=len(b.loaded()))
        """
    )
    assert out == {"wrong": [], "loaded": 61}


@pytest.mark.parametrize("solution_id", ["a/b", "/", "..", ".", "a\0b", "../../x", "n" * 1100])
def test_a_solution_that_can_be_none_is_refused(node, solution_id):
    out = node.execute(
        f"""
        try:
            b.begin_execution(solution_id={solution_id!r})
        except ValueError as error:
            out["error"] = str(error)
        """
    )
    assert "solution_id must be a single path component" in out["error"]


def test_an_empty_solution_is_none(node):
    node.put("shared.py", "X = 1")
    out = node.execute("b.begin_execution(solution_id=''); import shared; out['x'] = shared.X")
    assert out == {"x": 1}


CANNOT_MAP = """
import resource, warnings
import bifrost_cache as b
b.install_virtual_import_hook()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    with b.begin_execution() as execution:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            import late
        except ImportError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
        print(execution.intact, b.stats()["snapshot_lost"], [str(w.message) for w in said if "ulimit" in str(w.message)])
"""


@pytest.mark.parametrize("on_stale", ["serve", "error"])
def test_an_execution_that_cannot_map_what_it_pinned_is_not_silent(node, on_stale):
    node.put("late.py", "X = 1\n")
    node.wait("--fresh")
    done = node.python(code=CANNOT_MAP, env={"BIFROST_ON_STALE": on_stale})
    assert done.returncode == 0, done.stderr
    refusal, flags = done.stdout.splitlines()
    assert "ulimit -n" in refusal
    assert ("BIFROST_ON_STALE=error forbids" in refusal) == (on_stale == "error")
    warnings = flags.partition("[")[2]
    assert flags.startswith("False 1 [") and ("it goes on with what Redis holds" in warnings) == (on_stale == "serve")


def test_settings_that_change_within_an_execution_leave_it_as_it_is(node):
    node.put("both.py", "WHOSE = 'shared'\n")
    node.put("shared.py", "")
    node.put("_solutions/x/both.py", "WHOSE = 'x'\n")
    node.wait("--fresh")
    out = node.script(
        """
        b.install_virtual_import_hook()
        with b.begin_execution(solution_id="x") as execution:
            b.install_virtual_import_hook(on_stale="error", complete=True)
            import both
            try:
                import shared
            except ModuleNotFoundError:
                out["shared"] = "not found"
            try:
                b.begin_execution()
            except RuntimeError:
                out["another"] = "kept out"
            out.update(whose=both.WHOSE, generation=b.loaded()["both"].generation <= execution.generation)
        b.begin_execution()
        out["after"] = "began"
        """
    )
    assert out == {"whose": "x", "shared": "not found", "another": "kept out", "generation": True, "after": "began"}
