"""bifrost-cachectl diff: the mirror against a real Redis."""

import json
import signal
import subprocess

import pytest
from harness import PATIENCE_S, Cachectl, eventually


@pytest.fixture
def store(redis_node):
    return lambda path, content: redis_node.put(path, content, f"hash of {path}")


@pytest.fixture
def ctl(segment_dir, redis_url):
    return Cachectl(segment_dir, redis_url)


def test_identical_is_0(ctl, stage, store):
    stage.publish({"a.py": "x = 1\n", "pkg/__init__.py": ""})
    store("a.py", "x = 1\n")
    store("pkg/__init__.py", "")
    report = ctl.json("diff")
    assert (report["identical"], report["compared"], report["differences"]) == (True, 2, [])
    assert ctl("diff").stdout.startswith(b"identical: 2 modules compared")


def test_each_kind_of_difference_is_named(ctl, stage, redis_client, store):
    stage.publish({"same.py": "", "extra.py": "", "content.py": "x = 1\n", "hash.py": "", "broken.py": ""})
    store("same.py", "")
    store("missing.py", "")
    store("content.py", "x = 22\n")
    redis_client.set("bifrost:module:hash.py", json.dumps({"content": "", "hash": "another"}))
    redis_client.set("bifrost:module:broken.py", "not JSON")
    report = ctl.json("diff", status=6)
    kinds = {d["path"]: d["kind"] for d in report["differences"]}
    assert kinds == {"missing.py": "missing", "extra.py": "extra", "content.py": "different", "hash.py": "different",
                     "broken.py": "different"}
    what = {d["path"]: d["what"] for d in report["differences"]}
    assert what["content.py"] == "content: 6 B here, 7 B in Redis"
    assert what["hash.py"] == "hash"
    assert [line.split()[-1] for line in ctl("diff", "--no-headers").stdout.decode().splitlines()] == sorted(kinds)


def test_a_user_who_may_not_read_modules_gets_an_error_and_no_differences(segment_dir, redis_client, redis_url, stage, store):
    stage.publish({"a.py": ""})
    store("a.py", "")
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+@all", "-get")
    result = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))("diff")
    assert (result.returncode, b"GET was refused: NOPERM" in result.stderr) == (1, True)


def test_what_is_kept_or_left_to_redis_on_purpose_is_no_difference(ctl, stage, redis_client):
    stage.publish({"kept.py": "x = 1\n"})
    stage.tell(retained="kept.py", commit=True)
    stage.tell(not_mirrored="big.py", reason="too big", commit=True)
    redis_client.set("bifrost:module:big.py", "not JSON")
    report = ctl.json("diff")
    assert (report["retained"], report["not_mirrored"], report["compared"]) == (1, 1, 0)


def test_prefix_limits_the_comparison(ctl, stage, store):
    stage.publish({"a/x.py": "", "b/x.py": ""})
    store("a/x.py", "")
    assert ctl("diff", "a/").returncode == 0
    assert ctl("diff", "b/").returncode == 6


def test_writes_during_a_diff_are_not_differences(ctl, agent, store):
    for i in range(300):
        store(f"m{i}.py", "x = 0\n")
    assert ctl("wait", "--fresh").returncode == 0
    for n in range(5):
        running = ctl.start("diff", "-o", "json")
        for i in range(0, 300, 3):
            store(f"m{i}.py", f"x = {n} + {i}\n")
        out, _ = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 0, out.decode()


def test_a_push_that_is_interrupted_leaves_whole_modules_and_says_so(ctl, redis_client, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for i in range(20_000):
        (source / f"m{i}.py").write_text(f"x = {i}\n")
    running = ctl.start("push", source, stderr=subprocess.PIPE)
    eventually(lambda: redis_client.scard("bifrost:module:index") > 0 or running.poll() is not None, "some are written")
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    assert b"interrupted" in err and b"push again" in err
    written = {m.decode() for m in redis_client.smembers("bifrost:module:index")}
    assert 0 < len(written) < 20_000
    assert all(redis_client.exists(f"bifrost:module:{m}") for m in list(written)[:200])
    assert ctl("push", source).returncode == 0
    assert redis_client.scard("bifrost:module:index") == 20_000


def test_a_retained_module_that_redis_has_is_compared(ctl, stage, store, redis_client):
    """With another Redis than the agent's, for example."""
    stage.publish({"a.py": "x = 1\n", "b.py": "x = 1\n"})
    for path in ("a.py", "b.py"):
        stage.tell(retained=path, commit=True)
        store(path, "x = 1\n")
    report = ctl.json("diff")
    assert (report["identical"], report["compared"], report["retained"]) == (True, 2, 0)
    store("b.py", "x = 2\n")
    assert [d["path"] for d in ctl.json("diff", status=6)["differences"]] == ["b.py"]
    redis_client.delete("bifrost:module:b.py")
    report = ctl.json("diff")
    assert (report["identical"], report["compared"], report["retained"]) == (True, 1, 1)


def test_a_module_whose_chunk_is_lost_differs(ctl, stage, store):
    stage.publish({"a.py": ""})
    store("a.py", "")
    for chunk in stage.directory.glob("chunk.*"):
        chunk.unlink()
    assert [d["what"] for d in ctl.json("diff", status=6)["differences"]] == ["the mirror's record is damaged"]
