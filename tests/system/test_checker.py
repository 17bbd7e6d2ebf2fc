"""The history checker itself: one small history per rule that breaks it, and one that keeps all."""

import pytest
from nemesis.checker import MS, Checker
from nemesis.history import Loss, Read, Write, content_of, version_in

LEASE = 100 * MS


def write(version, begun, **more):
    return Write("k", version, begun * MS, (begun + 1) * MS, **more)


def read(version, begun, source="shm", reader="r", **more):
    return Read(reader, "k", version, begun * MS, (begun + 1) * MS, source, **more)


def broken(*records, **options):
    return {v.rule for v in Checker(LEASE, **options).check(records)}


GOOD = [write(1, 0), write(2, 10), read(1, 15), read(2, 50), read(2, 200, fresh=True), write(3, 300, alive=False),
        read(None, 302, fresh=True), write(4, 310), read(4, 320, "redis"), read(4, 500)]


def test_a_history_that_keeps_every_promise_is_found_so():
    assert broken(*GOOD) == set()


@pytest.mark.parametrize("rule, records", [
    ("D-1", [write(1, 0), read(7, 50)]),
    ("D-1", [write(1, 0), read(None, 50, text="half of this, half of that")]),
    ("D-1", [write(1, 0), write(2, 100), read(2, 50)]),
    ("D-2", [write(1, 0), write(2, 10), read(1, 200)]),
    ("D-3", [write(1, 0, ttl_ns=50 * MS), read(1, 200)]),
    ("D-4", [write(1, 0), write(2, 10), read(2, 20), read(1, 30)]),
    ("D-4", [write(1, 0), write(2, 10), read(2, 20, "redis"), read(1, 30)]),
    ("D-5", [write(1, 0), write(2, 10), read(1, 20, fresh=True)]),
    ("D-5", [write(1, 0), write(2, 10), read(1, 20, "redis")]),
    ("D-6", [write(1, 0), read(None, 200)]),
    ("D-6", [write(1, 0), write(2, 10, alive=False), write(3, 20), read(None, 200)]),
    ("D-8", [write(1, 0), Read("r", "k", 1, 0, 60_000 * MS, "stale")]),
])
def test_each_rule_is_seen_to_be_broken(rule, records):
    assert rule in broken(*records)


def test_half_a_group_is_noticed():
    records = [Write(k, v, v * MS, v * MS + 1, group="g") for k in ("a", "b") for v in (1, 2)]
    records += [Read("r", "a", 1, 5 * MS, 6 * MS, "shm", execution=1), Read("r", "b", 2, 5 * MS, 6 * MS, "shm", execution=1)]
    assert broken(*records) == {"D-10"}


def test_what_is_not_promised_is_not_demanded():
    unknown = write(2, 10, known=False)
    assert broken(write(1, 0), unknown, read(1, 500)) == set(), "Redis never answered: it may not have been executed"
    assert broken(write(1, 0), unknown, read(2, 500)) == set(), "or it may"
    assert broken(write(1, 0), write(2, 10), read(1, 500, "stale")) == set(), "flagged as stale"
    sweep = write(2, 10, sweep=True)
    assert broken(write(1, 0), sweep, read(1, 20, fresh=True)) == set(), "no message tells of it"
    assert broken(write(1, 0), sweep, read(1, 200)) == {"D-2"}, "a lease later the mirror knows"


LOST = [write(1, 0), Loss(10 * MS, 20 * MS), write(2, 30), write(3, 40, alive=False)]


def test_what_a_lost_index_had_listed_may_be_kept_until_the_mirror_has_followed():
    assert broken(*LOST, read(1, 500)) == set(), "written again and deleted unseen"
    assert broken(*LOST, read(1, 500, "retained")) == set()
    assert broken(*LOST, read(2, 35, reader="other"), read(1, 500)) == {"D-2"}, "the mirror had followed"
    assert broken(*LOST[:-1], read(1, 500)) == {"D-2"}, "nobody deleted the newer version"
    assert broken(*LOST[:-1], read(1, 500, "retained")) == {"D-5"}
    assert broken(LOST[0], *LOST[2:], read(1, 500)) == {"D-2"}, "nothing was lost"


def test_between_a_loss_and_the_agents_look_at_it_a_worker_may_take_it_for_a_deletion():
    assert broken(*LOST[:2], read(None, 15, "redis")) == set()
    assert broken(*LOST[:2], read(None, 25, "redis")) == {"D-6"}, "the agent knew by then"
    assert broken(*LOST[:2], read(None, 15, "shm")) == set(), "the write is younger than a lease"
    assert broken(*LOST[:2], read(None, 200, "shm")) == {"D-6"}


def test_values_say_which_version_they_are_and_whether_they_are_whole():
    content = content_of("k", 3, 5)
    assert version_in("k", content) == 3
    assert version_in("other", content) is None
    assert version_in("k", content[:-1]) is None
    assert version_in("k", content.replace("k 3 4", "k 2 4")) is None


EXPIRED = [write(1, 0), write(2, 10, ttl_ns=50 * MS)]


def test_what_expires_is_absent_in_the_version_that_expired():
    again = [write(3, 300), write(4, 302, alive=False)]
    assert broken(*EXPIRED, read(None, 100)) == set()
    assert broken(*EXPIRED, *again, read(None, 303), read(3, 305)) == set(), "the mirror follows within a lease"
    assert broken(*EXPIRED, read(None, 20, fresh=True)) == {"D-6"}, "its time is not over"
    assert broken(*EXPIRED, again[0], read(None, 500)) == {"D-6"}, "what was written after it does not expire"
    assert broken(*EXPIRED, again[0], read(3, 305), read(None, 310)) == {"D-6"}
