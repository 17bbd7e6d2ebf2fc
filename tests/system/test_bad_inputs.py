"""Twenty-six kinds of bad or strange input, each among good modules that keep working, against one live node.

The rule: when in doubt a value is not mirrored, never answered differently. `mirrored` below is the content that the
segment must hold; NOT_MIRRORED that workers are sent to Redis; NOT_OURS that the key is no module to anybody.
"""

import json

import pytest
from harness import running_node

PREFIX = "bifrost:module:"
NOT_MIRRORED, NOT_OURS = object(), object()


def good(content, **fields):
    return json.dumps({"content": content, "path": "bad.py", "hash": "h", **fields}).encode()


def text(source):
    """A JSON value whose content is the JSON string literal `source`."""
    return b'{"content": "' + source + b'", "hash": "h"}'


# (row of the table, name, value, what the segment holds, path)
CASES = [
    (1, "trailing comma", b'{"content": "x",}', NOT_MIRRORED),
    (1, "single quotes", b"{'content': 'x'}", NOT_MIRRORED),
    (1, "extra data", b'{"content": "x"} {}', NOT_MIRRORED),
    (1, "bad escape", text(rb"\x41"), NOT_MIRRORED),
    (1, "short unicode escape", text(rb"\u12"), NOT_MIRRORED),
    (1, "leading zero", b'{"content": "x", "n": 01}', NOT_MIRRORED),
    (1, "raw control character", text(b"a\x01b"), NOT_MIRRORED),
    (1, "raw NUL", text(b"a\x00b"), NOT_MIRRORED),
    *[(2, f"top level {top!r}", top, NOT_MIRRORED) for top in (b"null", b"{}", b"[]", b"0", b'""', b"[1]", b"5", b'"abc"')],
    (3, "empty value", b"", NOT_MIRRORED),
    (4, "content missing", b'{"hash": "h"}', NOT_MIRRORED),
    (4, "content null", b'{"content": null}', NOT_MIRRORED),
    (4, "content a number", b'{"content": 7}', NOT_MIRRORED),
    (5, "empty content", good(""), ""),
    (6, "duplicate keys", b'{"content": "first", "content": "last", "hash": "h"}', "last"),
    (7, "NaN", b'{"content": "x", "n": NaN}', NOT_MIRRORED),
    (7, "Infinity", b'{"content": "x", "n": -Infinity}', NOT_MIRRORED),
    (7, "deep nesting", b'{"content": "x", "n": ' + b"[" * 5000 + b"]" * 5000 + b"}", NOT_MIRRORED),
    (8, "lone surrogate", text(rb"x = 1 # \ud800"), NOT_MIRRORED),
    (8, "reversed surrogates", text(rb"x = 1 # \ude00\ud83d"), NOT_MIRRORED),
    (9, "astral character", text(rb"x = 1 # \ud83d\ude00"), "x = 1 # \U0001f600"),
    (9, "escaped NUL", text(rb"a\u0000b"), "a\0b"),
    (10, "invalid UTF-8", text(b"\xff\xfe"), NOT_MIRRORED),
    (10, "surrogates as CESU-8", text(b"\xed\xa0\xbd\xed\xb8\x80"), NOT_MIRRORED),
    (11, "byte order mark before the JSON", b"\xef\xbb\xbf" + good("x"), NOT_MIRRORED),
    (12, "byte order mark in the source", text(rb"\ufeffx = 1"), "\ufeffx = 1"),
    (13, "coding cookie", good("# -*- coding: latin-1 -*-\nx = 'é'\n"), "# -*- coding: latin-1 -*-\nx = 'é'\n"),
    (14, "line ends and odd characters", good("a\r\nb\rc\f\u2028\x1a\td"), "a\r\nb\rc\f\u2028\x1a\td"),
    (15, "larger than the limit", good("#" * 3_000_000), NOT_MIRRORED),
    (16, "path of a space", good("space"), "space", " .py"),
    (16, "trailing slash", good("x"), NOT_OURS, "dir/"),
    (16, "empty path", good("x"), NOT_OURS, ""),
    (17, "mixed case", good("upper"), "upper", "A.PY.py"),
    (17, "another ending", good("x"), NOT_OURS, "notes.txt"),
    (18, "name that normalises to another", good("ligature"), "ligature", "\ufb01le.py"),
    *[(19, f"name {path!r}", good("x"), "x", path) for path in ("a\nb.py", "%s%n.py", "\x1b[31m.py", "*[?].py")],
    (22, "key without index entry", good("unlisted"), "unlisted", "unlisted.py"),
    (23, "path differs from the key", good("x", path="elsewhere.py"), "x"),
    (24, "hash empty", good("x", hash=""), "x"),
    (24, "hash not hex", good("x", hash="abc!"), "x"),
    (24, "hash missing", b'{"content": "x"}', "x"),
    (24, "hash a number", b'{"content": "x", "hash": 5}', NOT_MIRRORED),
]


@pytest.fixture(scope="module")
def node():
    with running_node() as it:
        for i in range(20):
            it.put(f"good{i}.py", f"X = {i}\n")
        it.start_agent("--max-module-bytes", "2M")
        it.reader = it.worker()
        yield it


def mirrored(node, path):
    """What the segment holds under `path`: a content, NOT_MIRRORED, or NOT_OURS."""
    node.wait("--fresh")
    for entry in json.loads(node.cachectl("list", "-o", "json").stdout):
        if entry["path"] == path:
            if "reason" in entry:
                return NOT_MIRRORED
            name = path if "\0" not in path else None  # no argument of a program can hold a NUL
            return node.cachectl("get", "--", name).stdout.decode() if name else "x"
    return NOT_OURS


def good_modules_work(node):
    status = node.status()
    assert status["lease_valid"] and status["complete"], status
    assert node.reader.do("e = bifrost_cache.begin_execution(timeout=10); import good0, good19; "
                          "answer = [good0.X, good19.X, e.source]") == [0, 19, "shm"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[1]}"[:40])
def test_it_is_mirrored_exactly_or_not_at_all(node, case):
    _, _, value, expected, path = (*case, "bad.py")[:5]
    client = node.redis.client()
    key = PREFIX.encode() + path.encode()
    try:
        client.set(key, value)
        if path != "unlisted.py":
            client.sadd(PREFIX + "index", path)
        assert mirrored(node, path) == expected
        good_modules_work(node)
    finally:
        client.delete(key)
        client.srem(PREFIX + "index", path)
    assert mirrored(node, path) is NOT_OURS
    assert node.agent.process.poll() is None


REFUSED = [
    *[(16, path) for path in ("../x.py", "a/../../x.py", "/abs.py", "a//b.py", "./a.py", "a/./b.py", ".py", "a/.py", "..py")],
    (19, "a\0b.py"), (19, b"a\xff.py"), (19, "n" * 1022 + ".py"), (19, "n" * 70_000 + ".py"),
]


def refusals(node):
    return json.loads(node.cachectl("stats", "-o", "json").stdout)["counters"]["bad_paths_total"]


@pytest.mark.parametrize(("row", "path"), REFUSED, ids=lambda v: repr(v)[:20])
def test_a_path_that_no_module_can_have_is_counted_named_once_and_nobodys(node, row, path):
    client = node.redis.client()
    raw = path if isinstance(path, bytes) else path.encode()
    before = refusals(node)
    try:
        for _ in range(2):
            client.set(PREFIX.encode() + raw, good("x"))
            client.sadd(PREFIX + "index", raw)
        node.wait("--fresh")
        assert node.cachectl("sync").returncode == 0
        node.wait("--ready")
        paths = [entry["path"] for entry in json.loads(node.cachectl("list", "-o", "json").stdout)]
        assert paths and all(p.startswith(("good", "flood", "hot", "giant")) for p in paths)
        assert refusals(node) > before
        verified = node.cachectl("verify")
        assert verified.returncode == 0, verified.stdout
        compared = node.cachectl("diff", "-o", "json")
        assert compared.returncode == 0, compared.stdout
        assert json.loads(compared.stdout)["refused"] == 1
        good_modules_work(node)
    finally:
        client.delete(PREFIX.encode() + raw)
        client.srem(PREFIX + "index", raw)
    lines = [line for line in node.agent.log.splitlines() if "event=path_refused" in line]
    assert len(lines) == len(set(lines)), "each is named once"
    assert lines and all(len(line) < 2000 for line in lines)


def test_20_a_key_of_another_type(node):
    client = node.redis.client()
    client.lpush(PREFIX + "bad.py", "x")
    client.sadd(PREFIX + "index", "bad.py")
    assert mirrored(node, "bad.py") is NOT_MIRRORED
    good_modules_work(node)
    client.delete(PREFIX + "bad.py")
    client.srem(PREFIX + "index", "bad.py")
    assert mirrored(node, "bad.py") is NOT_OURS


@pytest.mark.parametrize("spoil", ["wrong type", "missing"])
def test_21_an_unusable_index_deletes_nothing(node, spoil):
    client = node.redis.client()
    members = client.smembers(PREFIX + "index")
    client.delete(PREFIX + "index")
    if spoil == "wrong type":
        client.set(PREFIX + "index", "x")
    node.redis.let_expire(PREFIX + "good5.py")
    assert mirrored(node, "good5.py") == "X = 5\n"
    good_modules_work(node)
    client.delete(PREFIX + "index")
    client.sadd(PREFIX + "index", *members)
    node.put("good5.py", "X = 5\n")


def test_22_an_index_entry_without_a_key_is_no_module(node):
    node.redis.client().sadd(PREFIX + "index", "ghost.py")
    assert mirrored(node, "ghost.py") is NOT_OURS
    good_modules_work(node)
    node.redis.client().srem(PREFIX + "index", "ghost.py")


@pytest.mark.parametrize("ttl_ms", [20, None, 86_400_000])
def test_25_any_time_to_live(node, ttl_ms):
    client = node.redis.client()
    client.set(PREFIX + "bad.py", good("lives"), px=86_400_000)
    client.sadd(PREFIX + "index", "bad.py")
    assert mirrored(node, "bad.py") == "lives"
    client.persist(PREFIX + "bad.py") if ttl_ms is None else client.pexpire(PREFIX + "bad.py", ttl_ms)
    assert mirrored(node, "bad.py") == "lives", "expiry is not deletion"
    good_modules_work(node)
    client.delete(PREFIX + "bad.py")
    client.srem(PREFIX + "index", "bad.py")


def test_26_a_flood_of_keys_and_of_writes_to_one_key(node):
    client = node.redis.client()
    pipe = client.pipeline(transaction=False)
    for i in range(20_000):
        pipe.set(f"{PREFIX}flood/m{i}.py", good(f"X = {i}\n"))
        pipe.set(PREFIX + "hot.py", good(f"X = {i}\n"))
    pipe.sadd(PREFIX + "index", "hot.py", *[f"flood/m{i}.py" for i in range(20_000)])
    pipe.execute()
    assert mirrored(node, "hot.py") == "X = 19999\n"
    assert node.status()["modules"] >= 20_020
    good_modules_work(node)


def test_15_many_giants_at_once_do_not_stop_the_fences(node):
    client = node.redis.client()
    pipe = client.pipeline(transaction=False)
    for i in range(40):
        pipe.set(f"{PREFIX}giant{i}.py", good("#" * 1_900_000))
        pipe.sadd(PREFIX + "index", f"giant{i}.py")
    pipe.execute()
    assert len(mirrored(node, "giant39.py")) == 1_900_000
    good_modules_work(node)
    status = open(f"/proc/{node.agent.process.pid}/status").read()
    anonymous_kb = int(status.split("RssAnon:")[1].split()[0])
    assert anonymous_kb < 100_000, "values are read in bounded batches"
