"""bifrost-cachectl list, show, get, exists, verify: what is in the mirror, whatever its bytes."""

import json

import pytest
from harness.segment_image import SegmentImage, flip, write

LIST_KEYS = {"path", "name", "kind", "bytes", "hash", "generation", "code"}
HOSTILE_PATHS = ["a\x1b[31mred.py", "new\nline.py", "tab\t.py", "bell\x07.py", "quote\".py", "back\\slash.py",
                 "\u202egpj.py", "-o.py", "--help.py", "{json}.py", "[x].py", "%n%s.py",
                 "sp ace.py", "日本語.py", "\U0001f600.py", "status", "x" * 1000 + ".py"]
HOSTILE_PATHS = [p if p.endswith(".py") else p + ".py" for p in HOSTILE_PATHS]


def hexed(data):
    return data.hex()


# --- list -----------------------------------------------------------------------------------------------------------


def test_list_json_has_every_promised_key_and_the_truth(cachectl, stage):
    stage.publish({"shared/halopsa.py": "x = 1\n", "pkg/__init__.py": "", "_solutions/7c/pkg/mod.py": "é"})
    entries = {entry["path"]: entry for entry in cachectl.json("list")}
    assert all(LIST_KEYS <= entry.keys() for entry in entries.values())
    assert list(entries) == ["_solutions/7c/pkg/mod.py", "pkg/__init__.py", "shared/halopsa.py"]
    halopsa = entries["shared/halopsa.py"]
    assert (halopsa["name"], halopsa["kind"], halopsa["bytes"]) == ("shared.halopsa", "module", 6)
    assert (halopsa["hash"], halopsa["generation"], halopsa["code"]) == ("hash of shared/halopsa.py", 1, [])
    assert (entries["pkg/__init__.py"]["name"], entries["pkg/__init__.py"]["kind"]) == ("pkg", "package")
    assert entries["pkg/__init__.py"]["bytes"] == 0
    assert (entries["_solutions/7c/pkg/mod.py"]["name"], entries["_solutions/7c/pkg/mod.py"]["bytes"]) == ("pkg.mod", 2)


def test_list_takes_a_prefix(cachectl, stage):
    stage.publish({"shared/a.py": "", "shared/b.py": "", "modules/c.py": ""})
    assert [e["path"] for e in cachectl.json("list", "shared/")] == ["shared/a.py", "shared/b.py"]
    assert cachectl.json("list", "status") == []  # a prefix, not the verb


def test_list_of_an_empty_mirror_is_an_empty_array(cachectl, stage):
    stage.publish({})
    assert cachectl.json("list") == []
    assert cachectl("list").returncode == 0


def test_list_shows_the_generation_of_each_version_and_leaves_out_what_was_deleted(cachectl, stage):
    stage.publish({"a.py": "1", "b.py": "1", "c.py": "1"})
    stage.tell(put="b.py", content="2", hash="new")
    stage.tell(remove="c.py")
    stage.tell(commit=True)
    assert [(e["path"], e["generation"]) for e in cachectl.json("list")] == [("a.py", 1), ("b.py", 2)]


def test_list_shows_what_is_not_mirrored_and_what_is_retained(cachectl, stage):
    stage.publish({"kept.py": "1"})
    stage.tell(retained="kept.py")
    stage.tell(not_mirrored="bad.py", reason="not JSON: \x1b[31m")
    stage.tell(commit=True)
    bad, kept = cachectl.json("list")
    assert (bad["kind"], bad["bytes"], bad["reason"]) == ("not_mirrored", 0, "not JSON: \x1b[31m")
    assert (kept["kind"], kept["retained"]) == ("module", True)
    wide = cachectl("list", "-o", "wide").stdout.decode()
    assert "not JSON: \\x1b[31m" in wide
    assert "retained" in wide
    assert "1 module is not mirrored" in cachectl("status").stdout.decode()


def test_list_of_many_modules_is_whole(cachectl, stage):
    stage.publish({f"d{i % 50}/m{i}.py": str(i) for i in range(5000)})
    assert len(cachectl.json("list")) == 5000
    assert len(cachectl("list").stdout.splitlines()) == 5001


# --- show, get, exists ----------------------------------------------------------------------------------------------


def test_show_tells_what_is_known(cachectl, stage):
    stage.publish({"shared/a.py": "x = 1"})
    shown = cachectl.json("show", "shared/a.py")
    assert shown.pop("visible_since").endswith("Z")
    assert shown == {"schema": 1, **cachectl.json("list")[0]}
    text = cachectl("show", "shared/a.py").stdout.decode()
    assert "name        shared.a\n" in text
    assert "size        5 B\n" in text


def test_show_says_why_a_module_is_not_mirrored(cachectl, stage):
    stage.publish({})
    stage.tell(not_mirrored="bad.py", reason="`content` is missing", commit=True)
    assert cachectl.json("show", "bad.py")["reason"] == "`content` is missing"
    assert "reason      `content` is missing" in cachectl("show", "bad.py").stdout.decode()


@pytest.mark.parametrize("content", [
    b"", b"\n", b"x = 1", b"x = 1\r\n\r\n", b"\x00\x01\x02", "\ufeffx = 'é日\U0001f600'".encode(), b"x" * 100_000,
    b"\xff\xfe not utf-8", bytes(range(256)) * 17])
def test_get_writes_the_exact_bytes(cachectl, stage, content):
    stage.tell(put=hexed(b"a.py"), content=hexed(content), hex=True)
    stage.publish({})
    result = cachectl("get", "a.py")
    assert (result.returncode, result.stdout, result.stderr) == (0, content, b"")


def test_get_of_a_4_mb_module(cachectl, stage):
    source = "".join(f"class C{i}: pass\n" for i in range(250_000))
    stage.publish({"sdk.py": source})
    assert cachectl("get", "sdk.py").stdout == source.encode()


@pytest.mark.parametrize("verb", ["show", "get", "exists"])
def test_an_absent_module_is_4(cachectl, stage, verb):
    stage.publish({"a.py": ""})
    result = cachectl(verb, "b.py")
    assert (result.returncode, result.stdout) == (4, b"")


@pytest.mark.parametrize("verb", ["show", "get", "exists"])
def test_a_deleted_module_is_4(cachectl, stage, verb):
    stage.publish({"a.py": ""})
    stage.tell(remove="a.py")
    stage.tell(commit=True)
    assert cachectl(verb, "a.py").returncode == 4


def test_an_import_name_gets_a_hint(cachectl, stage):
    stage.publish({"shared/a.py": ""})
    assert b"try shared/a.py or shared/a/__init__.py" in cachectl("get", "shared.a").stderr


@pytest.mark.parametrize("verb", ["show", "get", "exists"])
def test_a_miss_in_a_mirror_that_is_not_complete_is_no_answer(cachectl, stage, verb):
    stage.publish({"a.py": ""})
    stage.tell(state="degraded", complete=False)
    result = cachectl(verb, "b.py")
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"b.py is not mirrored, and the mirror is not complete at generation 1" in result.stderr
    assert cachectl(verb, "a.py").returncode == 0
    stage.tell(state="live", complete=True)
    assert cachectl(verb, "b.py").returncode == 4


def test_exists_as_json_does_not_know_what_an_incomplete_mirror_lacks(cachectl, stage):
    stage.publish({})
    assert cachectl.json("exists", "b.py", status=4)["exists"] is False
    stage.tell(state="degraded", complete=False)
    assert cachectl.json("exists", "b.py", status=1) == {"schema": 1, "path": "b.py", "exists": None, "mirrored": False}


def test_a_module_that_only_redis_has_exists_but_cannot_be_got(cachectl, stage):
    stage.publish({})
    stage.tell(not_mirrored="bad.py", reason="too big", commit=True)
    assert cachectl("exists", "bad.py").returncode == 0
    result = cachectl("get", "bad.py")
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"not mirrored: too big" in result.stderr


@pytest.mark.parametrize("verb", ["show", "get", "exists"])
@pytest.mark.parametrize(("path", "why"), [
    ("../x.py", "one of its parts is `.` or `..`"), ("/x.py", "it begins with a slash"),
    ("a//b.py", "one of its parts is empty"), (".py", "nothing, `.` or `..` stands before .py"),
    ("x/", "it ends in a slash"), (b"\xff.py", "it is not UTF-8"), ("", "it does not end in .py"),
    ("index:x.py", "reserved"), pytest.param("x" * 2000 + ".py", "it is longer than 1024 bytes", id="long")])
def test_a_path_that_no_module_can_have_is_4_and_says_why(cachectl, stage, verb, path, why):
    stage.publish({"x.py": ""})
    result = cachectl(verb, path)
    assert (result.returncode, result.stdout) == (4, b"")
    assert b"no module can have the path " in result.stderr and why.encode() in result.stderr
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("prefix", ["../", "/", "a//", "index:"])
def test_a_prefix_that_no_path_begins_with_is_a_usage_error(cachectl, stage, prefix):
    stage.publish({"a.py": ""})
    for verb in ("list", "diff"):
        result = cachectl(verb, prefix)
        assert (result.returncode, result.stdout) == (2, b"")
        assert b"no path begins like this" in result.stderr
    assert cachectl("list", "..").returncode == 0, "`..a.py` begins like this"


def test_answers_of_a_stale_mirror_come_with_a_word_on_stderr(cachectl, stage):
    stage.publish({"a.py": "x = 1"})
    stage.tell(lease_ms=-1)
    stage.tell(state="stopped", complete=False)
    result = cachectl("get", "a.py")
    assert (result.returncode, result.stdout) == (0, b"x = 1")
    assert result.stderr == b"bifrost-cachectl: this may not be current: the agent was stopped\n"


# --- hostile names --------------------------------------------------------------------------------------------------


def test_no_name_reaches_the_terminal_raw(cachectl, stage):
    stage.publish({path: path for path in HOSTILE_PATHS})
    for form in ("table", "wide"):
        lines = cachectl("list", "-o", form).stdout.decode().splitlines()
        assert len(lines) == len(HOSTILE_PATHS) + 1
        assert not any(c in line for line in lines for c in "\x1b\x07\t\r\u202e")
    for path in HOSTILE_PATHS:
        out = cachectl("show", "--", path).stdout.decode()
        assert out.splitlines()[0].startswith("path        ")
        assert not any(c in out for c in "\x1b\x07\t\r\u202e")
        absent = cachectl("show", "--", path + "?")
        assert absent.returncode == 4
        assert absent.stderr.count(b"\n") == 1
        assert b"\x1b" not in absent.stderr


def test_every_name_can_be_asked_for(cachectl, stage):
    stage.publish({path: f"source of {path}" for path in HOSTILE_PATHS})
    assert sorted(entry["path"] for entry in cachectl.json("list")) == sorted(HOSTILE_PATHS)
    for path in HOSTILE_PATHS:
        assert cachectl("exists", "--", path).returncode == 0
        assert cachectl("get", "--", path).stdout == f"source of {path}".encode()


def test_names_that_an_older_agent_took_over_still_give_valid_json_and_are_no_modules(cachectl, stage):
    path = b"a\xff\xfe\xc3.py"
    stage.tell(put=hexed(path), content=hexed(b"\xff"), hex=True)
    stage.publish({})
    entry, = cachectl.json("list")
    assert entry["path"] == "a\ufffd\ufffd\ufffd.py"
    assert "a\\xff\\xfe\\xc3.py" in cachectl("list").stdout.decode()
    assert cachectl("get", path).returncode == 4
    assert b"no module can have this path: it is not UTF-8" in cachectl("verify").stdout


def test_a_hostile_hash_is_shown_harmlessly(cachectl, stage):
    stage.tell(put="a.py", content="", hash="\x1b[2J\nfake line")
    stage.publish({})
    assert cachectl.json("show", "a.py")["hash"] == "\x1b[2J\nfake line"
    for verb in (["show", "a.py"], ["list", "-o", "wide"]):
        assert b"\x1b" not in cachectl(*verb).stdout


# --- verify ---------------------------------------------------------------------------------------------------------

WORKSPACE = {"shared/a.py": "x = 1", "shared/b.py": "", "pkg/__init__.py": "", "pkg/sub/m.py": "y = 2", "top.py": "z",
             "pkg.py": "shadowed by the package", "odd name.py": "", "_solutions/1/shared/a.py": "other"}


def test_verify_takes_a_directory_beside_a_module_of_its_name_for_sound(redis_node):
    """To Python it is none."""
    redis_node.put_many([("utils.py", ""), ("utils/script.py", ""), ("utils/deep/er.py", "")])
    redis_node.start_agent()
    assert redis_node.cachectl.json("verify")["findings"] == []


def test_verify_finds_nothing_in_a_sound_segment(cachectl, stage):
    stage.publish(WORKSPACE)
    stage.tell(remove="top.py")
    stage.tell(put="shared/a.py", content="x = 3", hash="")
    stage.tell(not_mirrored="shared/bad.py", reason="why", commit=True)
    report = cachectl.json("verify")
    assert (report["sound"], report["contradictions"], report["findings"]) == (True, 0, [])
    assert (report["modules"], report["generation"]) == (len(WORKSPACE), 2)
    assert report["names"] > report["modules"]
    assert cachectl("verify").stdout.startswith(b"sound: generation 2, ")


def test_verify_of_a_grown_segment(cachectl, stage):
    stage.publish({f"d{i % 9}/m{i}.py": "x" * 500 for i in range(9000)})
    assert cachectl.json("status")["memory"]["size"] > 1 << 20
    assert cachectl.json("verify")["modules"] == 9000


def test_verify_finds_a_flipped_bit_in_a_source_and_is_6(cachectl, stage):
    stage.publish({"shared/a.py": "x = 'needle'", "b.py": ""})
    flip(*SegmentImage(stage.directory).find(b"needle"))
    report = cachectl.json("verify", status=6)
    assert {"key": "shared/a.py", "what": report["findings"][0]["what"]} in report["findings"]
    assert "checksum mismatch" in report["findings"][0]["what"]
    result = cachectl("verify")
    assert (result.returncode, result.stdout.startswith(b"shared/a.py: checksum mismatch")) == (6, True)
    got = cachectl("get", "shared/a.py")
    assert (got.returncode, got.stdout) == (6, b"")
    assert cachectl("get", "b.py").returncode == 0


# Beyond what its chunk uses; into a chunk that there is not.
@pytest.mark.parametrize("address", [(1 << 24) + 0xffffff, (0xffff << 24) + 0x200])
def test_verify_finds_a_slot_that_leads_nowhere(cachectl, stage, address):
    stage.publish({"a.py": "1", "b.py": "2"})
    write(stage.segment, SegmentImage(stage.directory).used_slots()[0], address.to_bytes(6, "little"))
    report = cachectl.json("verify", status=6)
    assert any(f["what"].startswith("leads to ") for f in report["findings"])
    result = cachectl("list", "-o", "json")
    assert result.returncode in (0, 6)  # the slot may have been an import name's
    json.loads(result.stdout)


def test_verify_survives_any_single_flipped_byte(cachectl, stage):
    stage.publish(WORKSPACE)
    image = SegmentImage(stage.directory)
    places = list(image.used_places(step=sum(1 for _ in image.used_places(step=1)) // 60))
    places += [(stage.segment, slot + i % 8) for i, slot in enumerate(image.used_slots())]
    statuses = set()
    for place in places:
        flip(*place)
        result = cachectl("verify", "-o", "json", timeout=20)
        statuses.add(result.returncode)
        json.loads(result.stdout)
        flip(*place)
    assert statuses <= {0, 6}
    assert 6 in statuses
    assert cachectl("verify").returncode == 0


# --- lost memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["missing", "truncated"])
@pytest.mark.parametrize("verb", ["show", "get", "exists", "log"])
def test_a_module_whose_chunk_is_lost_is_damaged(cachectl, stage, verb, harm):
    stage.publish({"a.py": "x = 1"})
    for chunk in stage.directory.glob("chunk.*"):
        chunk.unlink() if harm == "missing" else chunk.write_bytes(b"")
    result = cachectl(verb, "a.py")
    assert (result.returncode, result.stdout) == (6, b""), result.stderr.decode()
    assert b"the record of a.py is damaged" in result.stderr
