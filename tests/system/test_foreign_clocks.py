"""A lease counts only on the clock that it was given by: whose boot, whose time namespace, and no longer than a lease."""

import json
import struct
import time

import pytest
from harness import Cachectl, Stage
from harness.segment_image import write

BOOT_ID, TIME_NAMESPACE, LEASE_UNTIL, HEARTBEAT = 128, 144, 1224, 1232  # docs/shm-layout.md
DAY_NS = 86_400 * 10 ** 9


@pytest.fixture
def stage(node):
    node.segment_dir.mkdir()
    stage = Stage(node.segment_dir)
    stage.publish({"a.py": "x = 1\n"})
    yield stage
    stage.close()


def lease_of(node):
    return json.loads(Cachectl(node.segment_dir)("status", "-o", "json").stdout)["lease_valid"]


def test_a_lease_of_this_boot_counts(node, stage):
    assert lease_of(node) is True


@pytest.mark.parametrize(("offset", "word"), [
    (BOOT_ID, 12345), (TIME_NAMESPACE, 12345),
    (LEASE_UNTIL, time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 10 * DAY_NS)], ids=["boot", "time namespace", "ten days ahead"])
def test_a_lease_of_another_boot_clock_or_beyond_a_lease_does_not(node, stage, offset, word):
    write(stage.segment, offset, struct.pack("<Q", word))
    assert lease_of(node) is False
    told = Cachectl(node.segment_dir)("status", "-o", "json")
    assert told.returncode == 5
    if offset != LEASE_UNTIL:
        status = json.loads(told.stdout)
        assert [problem["name"] for problem in status["problems"]] == ["other_clock"]
        assert status["synced_age_ms"] is None
    assert node.run("import a\nanswer = execution.source", BIFROST_REDIS_URL="unix:///nonexistent") == "stale"
