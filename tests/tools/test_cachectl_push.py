"""bifrost-cachectl push: exactly what the platform's writers put into Redis, from any directory."""

import hashlib
import json
import os
import re
import signal
import subprocess

import pytest
from harness import PATIENCE_S, REPOSITORY, Cachectl, end, eventually

INDEX = "bifrost:module:index"


@pytest.fixture
def cachectl(segment_dir, redis_url):
    return Cachectl(segment_dir, redis_url)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()

    def write(files):
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    write.root = root
    return write


def stored(redis_client):
    """{path: value} of all module keys, and the index."""
    keys = [k for k in redis_client.scan_iter("bifrost:module:*") if k != INDEX.encode()]
    return ({k.decode().removeprefix("bifrost:module:"): redis_client.get(k) for k in keys},
            {m.decode() for m in redis_client.smembers(INDEX)})


def reference(path, source):
    """What the platform's own writers store."""
    return json.dumps({"content": source.decode(), "path": path, "hash": hashlib.sha256(source).hexdigest()}).encode()


FILES = {
    "shared/halopsa.py": "x = 1\n",
    "shared/empty.py": "",
    "modules/deep/er/m.py": "y = 'é日\U0001f600 \x7f \x00 \\ \" \t'\r\n",
    "pkg/__init__.py": "\ufeff# byte order mark",
    "top level.py": "z = 3",
    "weird\x1b[31m\nname.py": "w = 4",
}


def test_push_stores_byte_for_byte_what_json_dumps_would(cachectl, redis_client, tree):
    result = cachectl("push", tree(FILES))
    assert result.returncode == 0, result.stderr.decode()
    values, index = stored(redis_client)
    assert values == {path: reference(path, source.encode()) for path, source in FILES.items()}
    assert index == set(FILES)


def test_push_sets_the_ttl_of_the_contract_or_the_one_given(cachectl, redis_client, tree):
    root = tree({"a.py": ""})
    assert cachectl("push", root).returncode == 0
    assert 86_390 <= redis_client.ttl("bifrost:module:a.py") <= 86_400
    assert cachectl("push", root, "--ttl", "60").returncode == 0
    assert 50 <= redis_client.ttl("bifrost:module:a.py") <= 60
    assert redis_client.ttl(INDEX) == -1


def test_push_reports_what_it_did(cachectl, tree):
    root = tree({"a.py": "12345", "b/c.py": ""})
    report = cachectl.json("push", root)
    assert (report["schema"], report["dry_run"], report["written"]) == (1, False, ["a.py", "b/c.py"])
    assert (report["deleted"], report["skipped"], report["bytes"]) == ([], [], 5)
    assert report["elapsed_ms"] > 0
    assert cachectl("push", root).stdout.startswith(b"written 2 modules (5 B) and deleted 0 in ")


def test_push_leaves_out_what_is_no_module(cachectl, redis_client, tree):
    root = tree({"a.py": "", "readme.md": "", "a.pyc": b"\xff", "__pycache__/a.cpython-311.py": "", ".git/hook.py": "",
                 ".hidden.py": "", "sub/.venv/lib/x.py": "", "sub/b.py": "", "py": "", ".py": ""})
    os.mkfifo(root / "pipe")
    assert cachectl("push", root).returncode == 0
    assert stored(redis_client)[1] == {"a.py", "sub/b.py"}


def test_push_follows_links_but_not_in_circles(cachectl, redis_client, tree, tmp_path):
    root = tree({"real/a.py": "1"})
    (root / "linked").symlink_to(root / "real")
    (root / "real" / "up").symlink_to(root)
    (root / "self").symlink_to(".")
    (root / "b.py").symlink_to(root / "real" / "a.py")
    assert cachectl("push", root, timeout=20).returncode == 0
    assert stored(redis_client)[1] == {"real/a.py", "linked/a.py", "b.py"}


@pytest.mark.parametrize(("path", "content", "reason"), [
    ("latin1.py", b"# caf\xe9", "not UTF-8"), ("surrogate.py", b"'\xed\xa0\x80'", "not UTF-8"),
    ("index:x.py", b"", "reserved"), ("resolution:x.py", b"", "reserved"),
    pytest.param("/".join(["d" * 200] * 5) + "/" + "n" * 100 + ".py", b"", "longer than 1024 bytes", id="long"),
    ("big.py", b"#" * 70_000, "longer than 64.0 KiB"),
    pytest.param("grows.py", "é".encode() * 20_000, "as JSON it is longer than 64.0 KiB", id="escapes"),
    pytest.param("just.py", b"#" * 65_500, "as JSON it is longer than 64.0 KiB", id="framed")])
def test_push_skips_what_cannot_be_a_module_writes_the_rest_and_is_1(cachectl, redis_client, tree, path, content, reason):
    root = tree({"good.py": "1", path: content})
    result = cachectl("push", root, "--max-module-bytes", "64K")
    assert result.returncode == 1
    assert f"skipped {path}: " in result.stderr.decode()
    assert reason in result.stderr.decode()
    assert stored(redis_client)[1] == {"good.py"}


def test_push_skips_names_that_are_not_utf8(cachectl, redis_client, tree):
    root = tree({"good.py": ""})
    with open(os.fsencode(root) + b"/bad\xff.py", "wb"):
        pass
    report = cachectl.json("push", root, status=1)
    assert report["written"] == ["good.py"]
    assert [s["reason"] for s in report["skipped"]] == ["no module can have this path: it is not UTF-8"]


def test_push_skips_fifos_and_dangling_links_without_hanging(cachectl, redis_client, tree):
    root = tree({"good.py": ""})
    os.mkfifo(root / "fifo.py")
    (root / "gone.py").symlink_to(root / "nowhere")
    result = cachectl("push", root, timeout=20)
    assert result.returncode == 1
    assert b"skipped fifo.py: not a regular file" in result.stderr
    assert b"skipped gone.py: a link that leads nowhere" in result.stderr


def test_push_delete_removes_what_the_directory_lacks_but_never_a_solutions_module(cachectl, redis_client, tree):
    for path in ("old.py", "sub/old.py", "_solutions/7c/shared/x.py", "_solutions/kept.py"):
        redis_client.setex(f"bifrost:module:{path}", 86400, reference(path, b"old"))
        redis_client.sadd(INDEX, path)
    redis_client.sadd(INDEX, "expired.py", "index", "not-a-module.txt", "resolution:-:0:modules.py")
    redis_client.set("bifrost:module:not-a-module.txt", "somebody else's")
    redis_client.set("unrelated", "1")
    report = cachectl.json("push", tree({"new.py": "1"}), "--delete", "--yes")
    assert report["deleted"] == ["expired.py", "old.py", "sub/old.py"]
    values, index = stored(redis_client)
    assert values.keys() == {"new.py", "_solutions/7c/shared/x.py", "_solutions/kept.py", "not-a-module.txt"}
    assert index == {"new.py", "_solutions/7c/shared/x.py", "_solutions/kept.py", "index", "not-a-module.txt",
                     "resolution:-:0:modules.py"}
    assert redis_client.get("unrelated") == b"1"


def test_push_without_delete_removes_nothing(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "old.py")
    assert cachectl("push", tree({"new.py": ""})).returncode == 0
    assert stored(redis_client)[1] == {"old.py", "new.py"}


def test_push_delete_keeps_the_stored_version_of_a_file_that_was_skipped(cachectl, redis_client, tree):
    redis_client.set("bifrost:module:bad.py", reference("bad.py", b"old"))
    redis_client.sadd(INDEX, "bad.py")
    report = cachectl.json("push", tree({"good.py": "", "bad.py": b"\xff"}), "--delete", "--yes", status=1)
    assert report["deleted"] == []
    assert stored(redis_client)[0].keys() == {"bad.py", "good.py"}


def test_push_delete_keeps_what_lies_below_a_link_that_leads_nowhere(cachectl, redis_client, tree):
    """A volume that is not mounted, or a release whose link is being switched."""
    redis_client.sadd(INDEX, "shared/util.py")
    root = tree({"good.py": ""})
    (root / "shared").symlink_to(root / "nowhere")
    (root / "turning").symlink_to("turning")
    report = cachectl.json("push", root, "--delete", "--yes", status=1)
    assert report["deleted"] == []
    reasons = {s["path"]: s["reason"] for s in report["skipped"]}
    assert reasons.keys() == {"shared", "turning"} and "leads nowhere" in reasons["shared"]


@pytest.mark.parametrize("call", ["newfstatat", "getdents64"])
def test_push_delete_keeps_what_lies_below_a_directory_that_cannot_be_looked_at(cachectl, redis_client, tree, call):
    redis_client.sadd(INDEX, "pkg/old.py")
    root = tree({"good.py": "", "pkg/new.py": ""})
    failing = ["strace", "-f", "-qq", "-o", os.devnull, "-P", root / "pkg", "-e", f"trace={call}", "-e", f"inject={call}:error=EIO"]
    pushed = subprocess.run([*failing, cachectl.program, "push", root, "--delete", "--yes", "-o", "json"],
                            capture_output=True, text=True, env=cachectl.env, timeout=PATIENCE_S)
    report = json.loads(pushed.stdout)
    assert pushed.returncode == 1, pushed.stderr
    assert [report["deleted"], report["written"]] == [[], ["good.py"]]
    assert [s["path"] for s in report["skipped"]] == ["pkg"] and "Input/output error" in report["skipped"][0]["reason"]


def test_push_delete_of_an_empty_directory_does_nothing_and_says_so(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "old.py")
    result = cachectl("push", tree.root, "--delete", "--yes")
    assert result.returncode == 1
    assert b"nothing was done" in result.stderr
    assert stored(redis_client)[1] == {"old.py"}
    assert cachectl("push", tree.root).returncode == 0


def test_push_dry_run_changes_nothing_and_names_everything(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "old.py")
    root = tree({"a.py": "", "b.py": ""})
    result = cachectl("push", root, "--dry-run", "--delete")
    assert result.returncode == 0
    assert result.stdout.decode().splitlines()[:3] == ["write   a.py", "write   b.py", "delete  old.py"]
    assert stored(redis_client) == ({}, {"old.py"})
    assert cachectl.json("push", root, "--dry-run")["dry_run"] is True


def test_push_dry_run_without_delete_needs_no_redis(segment_dir, tree):
    assert Cachectl(segment_dir)("push", tree({"a.py": ""}), "--dry-run").returncode == 0


def test_push_of_many_and_of_large_modules_goes_in_batches(cachectl, redis_client, tree):
    files = {f"d{i % 20}/m{i}.py": f"n = {i}" for i in range(1500)}
    files["sdk.py"] = "".join(f"class C{i}: pass\n" for i in range(250_000))
    assert cachectl("push", tree(files)).returncode == 0
    values, index = stored(redis_client)
    assert index == set(files)
    assert json.loads(values["sdk.py"])["content"] == files["sdk.py"]
    assert json.loads(values["d3/m3.py"])["content"] == "n = 3"


def test_push_to_a_redis_that_is_not_there_is_1_with_its_address(segment_dir, tree, tmp_path):
    result = Cachectl(segment_dir, f"unix://{tmp_path}/none.sock")("push", tree({"a.py": ""}))
    assert result.returncode == 1
    assert f"unix://{tmp_path}/none.sock" in result.stderr.decode()


def test_push_never_shows_a_password(segment_dir, tree):
    result = Cachectl(segment_dir, "redis://user:s3cret@localhost:1/0")("push", tree({"a.py": ""}))
    assert result.returncode == 1
    assert b"s3cret" not in result.stdout + result.stderr


def test_push_that_redis_refuses_is_1_with_its_words(cachectl, redis_client, tree):
    redis_client.config_set("maxmemory", "1")
    result = cachectl("push", tree({"a.py": ""}))
    assert result.returncode == 1
    assert b"OOM" in result.stderr
    redis_client.config_set("maxmemory", "0")
    redis_client.set(INDEX, "not a set")
    assert b"WRONGTYPE" in cachectl("push", tree.root).stderr


def test_push_from_what_is_no_directory_is_1(cachectl, tree):
    root = tree({"a.py": ""})
    for place in (root / "a.py", root / "nowhere"):
        result = cachectl("push", place)
        assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)


def test_a_pushed_module_is_mirrored_and_got_back_byte_for_byte(cachectl, agent, tree):
    assert cachectl("push", tree(FILES)).returncode == 0
    assert cachectl("wait", "--fresh").returncode == 0
    for path, source in FILES.items():
        assert cachectl("get", path).stdout == source.encode()
    assert {e["path"]: e["hash"] for e in cachectl.json("list")} == {
        path: hashlib.sha256(source.encode()).hexdigest() for path, source in FILES.items()}
    assert cachectl.json("verify")["sound"] is True


# --- what a directory means -------------------------------------------------------------------------------------------


def test_push_of_a_package_keeps_its_name_and_says_so(cachectl, redis_client, tree):
    root = tree({"pricing/__init__.py": "", "pricing/rates.py": "r = 1\n", "other.py": ""})
    result = cachectl("push", root / "pricing")
    assert result.returncode == 0
    assert b"is a package: its modules keep its name, pricing/" in result.stderr
    assert stored(redis_client)[1] == {"pricing/__init__.py", "pricing/rates.py"}
    assert cachectl.json("push", root / "pricing")["prefix"] == "pricing/"


@pytest.mark.parametrize(("prefix", "paths"), [("shared", {"shared/__init__.py", "shared/m.py"}),
                                               ("a/b/", {"a/b/__init__.py", "a/b/m.py"}), ("/", {"__init__.py", "m.py"})])
def test_push_puts_the_prefix_before_every_path(cachectl, redis_client, tree, prefix, paths):
    root = tree({"p/__init__.py": "", "p/m.py": ""})
    assert cachectl("push", root / "p", "--prefix", prefix).returncode == 0
    assert stored(redis_client)[1] == paths


def test_push_with_a_prefix_that_no_path_has_is_2(cachectl, tree):
    assert cachectl("push", tree({"a.py": ""}), "--prefix", "../x").returncode == 2


def test_push_delete_with_a_prefix_stays_below_it(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "shared/old.py", "old.py", "sharedother/old.py")
    report = cachectl.json("push", tree({"new.py": ""}), "--prefix", "shared", "--delete", "--yes")
    assert report["deleted"] == ["shared/old.py"]
    assert stored(redis_client)[1] == {"shared/new.py", "old.py", "sharedother/old.py"}


def test_push_delete_stays_out_of_solutions_unless_its_prefix_leads_there(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "_solutions/s1/old.py", "_solutions/s2/old.py", "old.py")
    assert cachectl.json("push", tree({"new.py": ""}), "--delete", "--yes")["deleted"] == ["old.py"]
    report = cachectl.json("push", tree({"new.py": ""}), "--prefix", "_solutions/s1", "--delete", "--yes")
    assert report["deleted"] == ["_solutions/s1/old.py"]
    assert stored(redis_client)[1] == {"_solutions/s1/new.py", "_solutions/s2/old.py", "new.py"}


def test_push_follows_no_link_out_of_the_directory(cachectl, redis_client, tree, tmp_path):
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret.py").write_text("s = 1\n")
    (outside / "deep" / "x.py").write_text("")
    root = tree({"good.py": ""})
    (root / "secret.py").symlink_to(outside / "secret.py")
    (root / "deep").symlink_to(outside / "deep")
    report = cachectl.json("push", root, status=1)
    assert report["written"] == ["good.py"]
    assert {s["path"] for s in report["skipped"]} == {"secret.py", "deep"}
    assert all("leads out of the directory" in s["reason"] for s in report["skipped"])
    assert stored(redis_client)[1] == {"good.py"}


def test_push_of_a_link_keeps_the_name_of_the_link(cachectl, redis_client, tree, tmp_path):
    release = tree({"__init__.py": "", "rates.py": ""})
    (tmp_path / "pricing").symlink_to(release)
    for name in ("pricing", "pricing/"):
        assert cachectl("push", f"{tmp_path}/{name}").returncode == 0
        assert stored(redis_client)[1] == {"pricing/__init__.py", "pricing/rates.py"}
    assert cachectl("push", ".", cwd=release).returncode == 0
    assert f"{release.name}/rates.py" in stored(redis_client)[1]


@pytest.mark.parametrize(("modules", "together"), [(128, True), (129, False)])
def test_a_push_is_one_transaction_up_to_128_modules(cachectl, redis_client, tree, modules, together):
    root = tree({f"m{n}.py": "" for n in range(modules)})
    before = redis_client.info("commandstats").get("cmdstat_watch", {"calls": 0})["calls"]
    assert cachectl("push", root).returncode == 0
    after = redis_client.info("commandstats").get("cmdstat_watch", {"calls": 0})["calls"]
    assert (after == before) == together
    assert len(stored(redis_client)[1]) == modules


def test_push_refuses_directories_that_links_make_very_many(cachectl, redis_client, tree):
    root = tree({"good.py": ""})
    for n in range(18):  # each in two ways: 2 ** 18 directories
        (root / f"d{n}").mkdir()
    for n in range(17):
        (root / f"d{n}" / "a").symlink_to(root / f"d{n + 1}")
        (root / f"d{n}" / "b").symlink_to(root / f"d{n + 1}")
    result = cachectl("push", root)
    assert result.returncode != 0 and b"more than 100000 directories" in result.stderr
    assert stored(redis_client)[1] == set()


def test_push_leaves_installed_code_out(cachectl, redis_client, tree):
    root = tree({"a.py": "", "venv/lib/x.py": "", "env/pyvenv.cfg": "", "env/lib/y.py": "", "web/node_modules/z.py": ""})
    result = cachectl("push", root)
    assert result.returncode == 0
    assert stored(redis_client)[1] == {"a.py"}
    assert cachectl.json("push", root)["left_out"] == ["env/", "venv/", "web/node_modules/"]
    assert b"left out venv/: installed code" in result.stderr


def test_push_delete_without_a_terminal_wants_yes_and_does_nothing_without(cachectl, redis_client, tree):
    redis_client.sadd(INDEX, "old.py")
    result = cachectl("push", tree({"new.py": ""}), "--delete")
    assert (result.returncode, b"wants --yes" in result.stderr) == (2, True)
    assert stored(redis_client) == ({}, {"old.py"})


def test_push_dry_run_tells_what_is_unchanged(cachectl, redis_client, tree):
    root = tree({"same.py": "1", "changed.py": "1"})
    assert cachectl("push", root).returncode == 0
    tree({"changed.py": "2", "new.py": "3"})
    lines = cachectl("push", root, "--dry-run").stdout.decode().splitlines()
    assert lines[:3] == ["write   changed.py", "write   new.py", "same    same.py"]
    assert "written 3 modules (3 B), 1 of them unchanged," in lines[3]
    assert cachectl.json("push", root, "--dry-run")["unchanged"] == ["same.py"]


@pytest.mark.parametrize(("ttl", "seconds"), [("1h", 3600), ("90s", 90), ("2d", 172_800), ("77", 77)])
def test_push_takes_a_ttl_with_a_unit(cachectl, redis_client, tree, ttl, seconds):
    assert cachectl("push", tree({"a.py": ""}), "--ttl", ttl).returncode == 0
    assert seconds - 10 <= redis_client.ttl("bifrost:module:a.py") <= seconds


# --- deploys ----------------------------------------------------------------------------------------------------------

DEPLOYING = "bifrost:module:deploying"
BATCH = 128  # modules


@pytest.fixture
def many(tree):
    """Two batches and a bit."""
    return tree({f"m{i:03}.py": "" for i in range(2 * BATCH + 1)})


@pytest.fixture
def stopped_push(cachectl, redis_client, tree):
    """A large push that stands still between its first batch and its last."""
    root = tree({f"m{i:04}.py": "#" * 4000 for i in range(4000)})
    process = cachectl.start("push", root, stderr=subprocess.PIPE)
    name = eventually(lambda: redis_client.get(DEPLOYING), "the push has begun")
    process.send_signal(signal.SIGSTOP)
    assert redis_client.exists("bifrost:module:m3999.py") == 0, "it has not ended"
    yield process, name
    process.send_signal(signal.SIGCONT)
    end(process)


def ended(process):
    """Exit status and stderr, once it goes on."""
    process.send_signal(signal.SIGCONT)
    return process.wait(PATIENCE_S), process.stderr.read().decode()


def test_a_push_of_more_than_one_batch_names_itself_and_ends_its_deploy(stopped_push, redis_client):
    process, name = stopped_push
    assert name.startswith(b"cachectl push ") and f" pid {process.pid} ".encode() in name
    assert 0 < redis_client.ttl(DEPLOYING) <= 60
    assert ended(process) == (0, "")
    assert redis_client.exists(DEPLOYING) == 0


def test_a_push_is_part_of_the_deploy_that_the_user_has_begun(cachectl, redis_client, many):
    redis_client.setex(DEPLOYING, 600, "release 2")
    result = cachectl("push", many)
    assert (result.returncode, len(stored(redis_client)[1])) == (0, 2 * BATCH + 1)
    assert result.stderr.decode().count("this push is part of that deploy and leaves its end to you") == 1
    assert redis_client.get(DEPLOYING) == b"release 2"
    assert redis_client.ttl(DEPLOYING) > 60


def test_a_deploy_is_the_users_whatever_the_type_of_the_key(cachectl, redis_client, many):
    redis_client.hset(DEPLOYING, "release", "2")
    assert cachectl("push", many).returncode == 0
    assert redis_client.hgetall(DEPLOYING) == {b"release": b"2"}


def test_a_deploy_that_began_in_the_middle_of_a_push_is_left_alone(stopped_push, redis_client):
    process, _ = stopped_push
    redis_client.setex(DEPLOYING, 600, "release 2")
    status, errors = ended(process)
    assert (status, "leaves its end to you" in errors) == (0, True)
    assert redis_client.get(DEPLOYING) == b"release 2"


@pytest.mark.parametrize("other", ["cachectl push", "cachectl push elsewhere pid 1 abc"])
def test_a_push_waits_for_the_end_of_another(cachectl, redis_client, many, other):
    redis_client.setex(DEPLOYING, 600, other)
    process = cachectl.start("push", many, stderr=subprocess.PIPE)
    assert process.stderr.readline().decode() == f"bifrost-cachectl: waiting for the end of another push ({other})\n"
    assert stored(redis_client)[1] == set()
    assert redis_client.get(DEPLOYING) == other.encode()
    redis_client.delete(DEPLOYING)
    assert ended(process) == (0, "")
    assert (redis_client.exists(DEPLOYING), len(stored(redis_client)[1])) == (0, 2 * BATCH + 1)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_push_that_waits_can_be_interrupted(cachectl, redis_client, many, sent):
    redis_client.setex(DEPLOYING, 600, "cachectl push elsewhere")
    process = cachectl.start("push", many, stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    process.stderr.readline()
    process.send_signal(sent)
    status, errors = ended(process)
    assert (status, "interrupted while another push was writing" in errors) == (1, True)
    assert redis_client.get(DEPLOYING) == b"cachectl push elsewhere"


def test_a_push_that_nohup_started_goes_on_without_its_terminal(cachectl, redis_client, many):
    redis_client.setex(DEPLOYING, 600, "cachectl push elsewhere")
    process = cachectl.start("push", many, stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stderr.readline()
    process.send_signal(signal.SIGHUP)
    redis_client.delete(DEPLOYING)
    assert ended(process) == (0, "")


def test_a_push_that_is_refused_midway_ends_its_deploy(segment_dir, redis_client, redis_url, tree):
    rules = "~bifrost:module:a* ~bifrost:module:index ~bifrost:module:deploying"
    redis_client.execute_command("ACL", "SETUSER", "half", "on", ">pw", *rules.split(), "+@all")
    half = Cachectl(segment_dir, redis_url.replace("unix://", "unix://half:pw@"))
    result = half("push", tree({f"{letter}{i:03}.py": "" for letter in "ab" for i in range(BATCH)}))
    assert (result.returncode, b"NOPERM" in result.stderr) == (1, True)
    assert redis_client.exists("bifrost:module:a000.py") == 1
    assert redis_client.exists(DEPLOYING) == 0


@pytest.mark.parametrize("files", [1, 2 * BATCH])
@pytest.mark.parametrize("denied", ["watch", "multi", "exec", "setex", "sadd"])
def test_a_push_that_lacks_a_right_leaves_neither_modules_nor_a_deploy(segment_dir, redis_client, redis_url, tree, files,
                                                                      denied):
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+@all", f"-{denied}")
    poor = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))
    result = poor("push", tree({f"m{i:03}.py": "" for i in range(files)}))
    needless = denied == "watch" and files == 1
    assert (result.returncode, b"NOPERM" in result.stderr) == ((0, False) if needless else (1, True))
    assert redis_client.exists(DEPLOYING) == 0
    # A deploy's batches are no transactions: what it has written before SADD stays, and is told by its keys.
    written = 1 if needless else BATCH if (denied, files) == ("sadd", 2 * BATCH) else 0
    assert len(redis_client.keys("bifrost:module:m*.py")) == written


def test_a_push_that_may_not_end_its_deploy_says_how_long_that_stays(segment_dir, redis_client, redis_url, tree):
    redis_client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "+@all", "-del")
    poor = Cachectl(segment_dir, redis_url.replace("unix://", "unix://poor:pw@"))
    result = poor("push", tree({f"m{i:03}.py": "" for i in range(2 * BATCH)}))
    assert result.returncode == 1
    assert re.search(rb"NOPERM.*; agents wait up to 60 s for the end of this deploy", result.stderr)


@pytest.mark.parametrize("verb", [["push", "--dry-run"], ["push"]], ids=" ".join)
def test_an_error_that_is_no_lack_of_rights_is_no_answer_about_a_module(cachectl, redis_client, tree, verb):
    root = tree({"a.py": ""})
    redis_client.execute_command("ACL", "SETUSER", "default", "resetpass", ">secret")
    try:
        result = cachectl(verb[0], root, *verb[1:])
    finally:
        redis_client.execute_command("ACL", "SETUSER", "default", "nopass")
    assert (result.returncode, b"NOAUTH" in result.stderr) == (1, True)


def test_a_dry_run_that_loses_redis_midway_is_no_answer(cachectl, redis_client, tree):
    root = tree({f"m{i:05}.py": "" for i in range(10_000)})
    process = cachectl.start("push", root, "--dry-run", stderr=subprocess.PIPE)
    try:
        eventually(lambda: "cmdstat_get" in redis_client.info("commandstats"), "the dry run has begun")
        process.send_signal(signal.SIGSTOP)
        redis_client.client_kill_filter(_type="normal", skipme=True)
        status, errors = ended(process)
        assert (status, "Redis has stopped answering" in errors) == (1, True)
    finally:
        end(process)


def test_a_push_that_loses_redis_midway_says_how_long_its_deploy_stays(stopped_push, redis_client):
    process, name = stopped_push
    redis_client.client_kill_filter(_type="normal", skipme=True)
    status, errors = ended(process)
    assert (status, "agents wait up to 60 s for the end of this deploy" in errors) == (1, True)
    assert redis_client.get(DEPLOYING) == name


def test_the_rights_of_a_push_in_the_contract_are_enough(segment_dir, redis_client, redis_url, many):
    contract = (REPOSITORY / "docs" / "redis-contract.md").read_text()
    (line,) = re.findall("^ACL SETUSER bifrost-push .*$", contract, re.MULTILINE)
    redis_client.execute_command(*line.split())
    push = Cachectl(segment_dir, redis_url.replace("unix://", "unix://bifrost-push:SECRET@"))
    redis_client.sadd(INDEX, "old.py")
    for arguments in ([], ["--delete", "--yes"], ["--dry-run"]):
        result = push("push", many, *arguments)
        assert result.returncode == 0, result.stderr.decode()
    assert redis_client.execute_command("ACL", "LOG") == []
