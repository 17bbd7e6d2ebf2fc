"""Agent and workers in pods of one node: a directory is shared, users and clocks are not."""

import os
import shutil
import subprocess
import sys

import pytest
from harness import AGENT, PATIENCE_S, Cachectl, eventually
from harness.places import PACKAGE, directory_for_everybody

ONE, OTHER = 100_000, 200_000  # the users of the node that are root in the one and in the other pod
DAYS_AHEAD = ["--time", "--boottime", str(10 * 86_400)]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the users of two pods")

WORKER = """
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
execution = bifrost_cache.begin_execution()
import a
print(execution.source, a.VALUE, execution.intact)
"""


class Pods:
    """Processes in user namespaces of their own, whose root is `user` outside; and in clocks of their own."""

    def __init__(self, node, image):
        self._node, self._image = node, image

    def command(self, user, *command, clock=()):
        namespaces = ["unshare", "--user", "--map-root-user", "--fork", "--kill-child", *clock]
        return ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *namespaces, *map(str, command)]

    def run(self, user, *command, clock=()):
        environment = self._node.environment(PYTHONPATH=str(self._image / PACKAGE.name))
        return subprocess.run(self.command(user, *command, clock=clock), capture_output=True, text=True, env=environment,
                              cwd="/", timeout=PATIENCE_S)

    def start_agent(self, user):
        program = self._image / f"agent-of-{user}"
        program.write_text("#!/bin/sh\nexec " + " ".join(self.command(user, self._image / AGENT.name, '"$@"')) + "\n")
        program.chmod(0o755)
        return self._node.start_agent(program=program, ready=False)

    def tool(self, user, *arguments, clock=()):
        return self.run(user, self._image / Cachectl.program.name, *arguments, clock=clock)

    def worker(self, user, clock=()):
        """What a worker says: where its modules come from, the value of one, and whether they are of one state."""
        ended = self.run(user, sys.executable, "-c", WORKER, clock=clock)
        assert ended.returncode == 0, ended
        return ended.stdout.split()


@pytest.fixture
def pods(node):
    with directory_for_everybody(AGENT, Cachectl.program, PACKAGE) as image:
        pods = Pods(node, image)
        tried = pods.run(ONE, "true", clock=DAYS_AHEAD)
        if tried.returncode != 0:
            pytest.skip("no user and time namespaces can be made here: " + tried.stderr.strip())
        node.directory.chmod(0o711)
        node.redis.socket.chmod(0o777)
        node.segment_dir.mkdir()
        shutil.chown(node.segment_dir, ONE)
        node.put("a.py", "VALUE = 1\n")
        pods.start_agent(ONE)
        eventually(lambda: pods.tool(ONE, "wait", "--ready", "--timeout", "1s").returncode == 0, "the agent is ready")
        yield pods


def test_a_pod_of_the_same_user_shares_what_the_agent_holds(pods):
    assert pods.worker(ONE) == ["shm", "1", "True"]


def test_a_pod_of_another_user_runs_none_of_it_and_asks_redis(node, pods):
    for path in node.segment_dir.iterdir():
        path.chmod(0o666)  # not even where an operator has opened everything
    assert pods.worker(OTHER) == ["redis", "1", "False"]
    listed = pods.tool(OTHER, "list")
    assert listed.returncode == 7 and "belongs to uid" in listed.stderr


def test_a_pod_with_another_clock_reads_what_is_acknowledged(node, pods):
    node.put("a.py", "VALUE = 2\n")
    assert pods.worker(ONE, clock=DAYS_AHEAD) == ["redis", "2", "False"]
    assert pods.tool(ONE, "status", clock=DAYS_AHEAD).returncode == 5


def test_a_pod_with_another_clock_flags_what_nobody_can_vouch_for(node, pods):
    node.redis.stop()
    node.agent.kill()
    assert pods.worker(ONE, clock=DAYS_AHEAD)[:2] == ["stale", "1"]


def test_the_agent_of_another_pod_leaves_the_directory_to_the_first(node, pods):
    first = node.agent
    second = pods.start_agent(OTHER)
    node.agent = first
    assert second.process.wait(PATIENCE_S) != 0
    assert str(node.segment_dir) in second.log
    node.put("a.py", "VALUE = 3\n")
    assert pods.worker(ONE)[:2] == ["shm", "3"]
