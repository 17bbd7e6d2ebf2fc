"""Whose segment is executed, and who may read it: other users, groups, and namespaces where one number stands for many."""

import os
import subprocess

import pytest
from harness import AGENT, PATIENCE_S, Stage, directory_for_everybody, eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to act as another user")
USER, GROUP = 12345, 23456
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


@as_root
def test_a_chunk_that_may_not_be_shared_is_a_problem_until_somebody_shares_it(node):
    """An agent that is no member of its directory's group cannot give that group a chunk which it had before."""
    with directory_for_everybody(AGENT) as programs:
        program = programs / "agent-as-user"
        program.write_text(f'#!/bin/sh\nexec setpriv --reuid {USER} --regid {USER} --clear-groups {programs / AGENT.name} "$@"\n')
        program.chmod(0o755)
        node.directory.chmod(0o711)
        node.redis.socket.chmod(0o777)
        node.segment_dir.mkdir()
        os.chown(node.segment_dir, USER, USER)
        node.put("a.py", "x = 1\n")

        def problems():
            return [problem["name"] for problem in node.cachectl.json("--agent-uid", str(USER), "status")["problems"]]

        def start():
            node.start_agent(program=program, ready=False)
            ready = ["--agent-uid", str(USER), "wait", "--ready", "--timeout", "1s"]
            eventually(lambda: node.cachectl(*ready).returncode == 0, "the agent is ready")

        start()
        assert problems() == []
        node.agent.stop()
        os.chown(node.segment_dir, USER, GROUP)
        node.segment_dir.chmod(0o2755)
        start()
        assert problems() == ["chunk_not_shared"]
        for chunk in node.segment_dir.glob("chunk.*"):
            os.chown(chunk, USER, GROUP)
        assert problems() == []
