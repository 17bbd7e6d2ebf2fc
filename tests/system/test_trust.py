"""Whose segment is executed: user namespaces, where one number stands for many users."""

import os
import subprocess

import pytest
from harness import PATIENCE_S, Stage

IN_USER_NAMESPACE = ["unshare", "--user"]  # where nobody has a number: all are the overflow uid


@pytest.fixture
def stage(node):
    made = subprocess.run([*IN_USER_NAMESPACE, "id", "-u"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("no user namespace can be made here: " + made.stderr.strip())
    assert made.stdout.strip() != str(os.getuid())
    node.segment_dir.mkdir()
    stage = Stage(node.segment_dir)
    stage.publish({"a.py": "x = 1\n"})
    yield stage
    stage.close()


def test_the_overflow_uid_is_never_trusted_where_it_stands_for_many(node, stage):
    assert node.cachectl("list").returncode == 0
    command = [*IN_USER_NAMESPACE, node.cachectl.program, "list"]
    listed = subprocess.run(command, capture_output=True, env=node.environment(), timeout=PATIENCE_S)
    assert listed.returncode == 7, listed
    assert b"belongs to uid" in listed.stderr
