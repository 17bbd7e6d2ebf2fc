"""bifrost-cachectl log, and get and show of an earlier generation: what a real agent says of what it replaced."""

import re
import time

import pytest
from harness.waiting import eventually

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
OLD, NEW = "X = 'old'\n", "X = 'new'\n"


def change(node, path, content=None):
    """Writes one module, or deletes it, and returns the generation that shows it."""
    node.delete(path) if content is None else node.put(path, content)
    node.wait("--fresh")
    return node.status()["generation"]


def commits(node, *arguments):
    """{generation: {path: what happened to it}} of `log`."""
    answer = node.cachectl.json("log", *arguments)
    return {c["generation"]: {e["path"]: e["what"] for e in c["changed"]} for c in answer["commits"]}


def reasons(node, path):
    """What happened to a module, the newest first."""
    return [version["what"] for version in node.cachectl.json("log", path)["versions"]]


def expire(node, path):
    node.redis.let_expire(f"bifrost:module:{path}")


@pytest.fixture
def edited(redis_node):
    """A node on which a.py was written, changed and deleted, and b.py written: the generations in this order."""
    redis_node.start_agent()
    redis_node.made = [change(redis_node, "a.py", OLD), change(redis_node, "a.py", NEW), change(redis_node, "b.py", ""),
                       change(redis_node, "a.py")]
    return redis_node


# --- log ------------------------------------------------------------------------------------------------------------


def test_log_tells_what_each_generation_changed_the_newest_first(edited):
    written, changed, other, deleted = edited.made
    answer = edited.cachectl.json("log")
    numbers = [commit["generation"] for commit in answer["commits"]]
    assert numbers == sorted(numbers, reverse=True) and answer["kept_from"] <= written
    assert all(re.fullmatch(TIME, commit["time"]) and commit["changes"] >= 1 for commit in answer["commits"])
    told = commits(edited)
    assert [told[generation].get("a.py") for generation in edited.made] == ["source", "source", None, "deleted"]
    assert told[other]["b.py"] == "source"
    table = [line.split(None, 3) for line in edited.cachectl.text("log").splitlines()]
    assert table[0] == ["GENERATION", "TIME", "CHANGES", "WHAT"]
    lines = {int(line[0]): line for line in table[1:]}
    assert re.fullmatch(TIME, lines[deleted][1]) and "a.py (deleted)" in lines[deleted][3]
    assert re.search(r"a\.py(,|$)", lines[changed][3])


def test_log_of_a_path_lists_its_versions_only(edited):
    written, changed, _, deleted = edited.made
    versions = edited.cachectl.json("log", "a.py")["versions"]
    assert [(v["generation"], v["what"], v["bytes"]) for v in versions] == [
        (deleted, "deleted", 0), (changed, "source", len(NEW)), (written, "source", len(OLD))]
    times = {commit["generation"]: commit["time"] for commit in edited.cachectl.json("log")["commits"]}
    assert [v["time"] for v in versions] == [times[v["generation"]] for v in versions]
    assert versions[1]["hash"] != versions[2]["hash"]
    assert [line.split()[0] for line in edited.cachectl.text("log", "a.py").splitlines()] == [
        "GENERATION", str(deleted), str(changed), str(written)]
    none = edited.cachectl("log", "never.py")
    assert none.returncode == 4 and b"no version of never.py is kept" in none.stderr
    impossible = edited.cachectl("log", "a//b.py")
    assert impossible.returncode == 4 and b"one of its parts is empty" in impossible.stderr


def test_log_since_leaves_out_what_is_older(redis_node):
    redis_node.start_agent()
    old = change(redis_node, "a.py", OLD)
    eventually(lambda: commits(redis_node, "--since", "1s") == {}, "the first change is more than a second old")
    between = time.time()
    new = change(redis_node, "a.py", NEW)

    def since():
        # Half a second before `between`, whenever the tool comes to look: the first change stays outside.
        return "--since", f"{int((time.time() - between + 0.5) * 1000)}ms"

    eventually(lambda: set(commits(redis_node, *since())) == {new}, "only the later change is told")
    eventually(lambda: [v["generation"] for v in redis_node.cachectl.json("log", "a.py", *since())["versions"]] == [new],
               "only the later version is told")
    assert {old, new} <= set(commits(redis_node, "--since", "1h"))


@pytest.mark.parametrize("way", ["expired", "pruned"])
def test_log_tells_why_a_module_went(redis_node, way):
    redis_node.start_agent(*(["--on-expiry", "drop"] if way == "expired" else []))
    change(redis_node, "kept.py", "")
    change(redis_node, "gone.py", OLD)
    expire(redis_node, "gone.py")
    if way == "pruned":
        eventually(lambda: redis_node.status()["retained"] == 1, "the expiry is seen")
        assert reasons(redis_node, "gone.py")[-1] == "source"
        redis_node.cachectl.text("sync", "--prune", "--yes")
    eventually(lambda: redis_node.status()["modules"] == 1, "the module goes")
    assert reasons(redis_node, "gone.py")[0] == way
    assert commits(redis_node)[redis_node.cachectl.json("log", "gone.py")["versions"][0]["generation"]]["gone.py"] == way
    assert f"gone.py ({way})" in redis_node.cachectl.text("log")


# --- get and show of a generation -----------------------------------------------------------------------------------


def test_get_prints_the_source_as_it_was_at_a_generation(edited):
    written, changed, other, deleted = edited.made

    def at(generation):
        return edited.cachectl("get", "a.py", "--generation", str(generation))

    assert [at(g).stdout.decode() for g in (written, changed, other)] == [OLD, NEW, NEW]
    assert edited.cachectl.json("get", "a.py", "--generation", str(written))["source"] == OLD
    assert at(deleted).returncode == 4 and at(deleted).stdout == b""
    assert at(deleted + 100).returncode == 1, "nobody knows yet"


def test_show_tells_of_a_generation_and_when_the_module_became_visible(edited):
    written, _, other, _ = edited.made
    visible = {v["generation"]: v["time"] for v in edited.cachectl.json("log", "a.py")["versions"]}
    for generation in (written, other):
        shown = edited.cachectl.json("show", "a.py", "--generation", str(generation))
        assert shown["visible_since"] == visible[shown["generation"]]
        line = f"generation  {shown['generation']}, visible since {shown['visible_since']}"
        assert line in edited.cachectl.text("show", "a.py", "--generation", str(generation)).splitlines()
    assert edited.cachectl.json("show", "a.py", "--generation", str(written))["generation"] == written
    newest = edited.cachectl.json("show", "b.py")
    assert newest["generation"] == other and re.fullmatch(TIME, newest["visible_since"])


def test_status_says_how_far_back_history_reaches_when_its_age_is_the_limit(redis_node):
    redis_node.start_agent("--history", "10ms")
    first = change(redis_node, "a.py", OLD)
    change(redis_node, "a.py", NEW)
    eventually(lambda: redis_node.status()["history"]["kept_from"] > first, "the first version expires")
    assert redis_node.status()["history"]["limit"] == "age"
    assert re.search(r"^ *history +reaches back [\d.]+ (ms|s|min)$", redis_node.cachectl.text("status"), re.MULTILINE)
    for verb in ("get", "show", "exists"):
        assert redis_node.cachectl(verb, "a.py", "--generation", str(first)).returncode == 1, "nobody knows any more"
    assert redis_node.cachectl.json("exists", "a.py", "--generation", str(first), status=1)["exists"] is None
