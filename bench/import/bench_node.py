"""A private Redis and agents for one workload, as deployed: the segment lies on tmpfs."""

import json
import pathlib
import shutil
import sys
import tempfile

import redis

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools/demo.d"))
from node import Failed, Node, expect, wait_until  # noqa: E402

__all__ = ["BenchNode", "Failed", "expect", "wait_until"]

SHARED_MEMORY = pathlib.Path("/dev/shm")
COMPILE_DEADLINE_S = 600


class BenchNode(Node):
    """An agent with its segment. The Redis is this node's own, or that of another node."""

    def __init__(self, build, redis_of=None):
        super().__init__(build)
        self.segment_dir = pathlib.Path(tempfile.mkdtemp(prefix="bifrost-bench-", dir=SHARED_MEMORY))
        if redis_of is not None:
            self.socket, self.redis_url = redis_of.socket, redis_of.redis_url

    @property
    def hook_settings(self):
        """The arguments of install_virtual_import_hook() for workers of this node."""
        return {"segment_dir": str(self.segment_dir), "redis_url": self.redis_url, "workspace": str(self.workspace)}

    def start_redis(self):
        super().start_redis()
        wait_until(self._redis_answers, 10, "redis-server does not answer")

    def _redis_answers(self):
        try:
            return redis.Redis(unix_socket_path=str(self.socket)).ping()
        except redis.exceptions.ConnectionError:
            return False

    def start_agent(self, python=None):
        compiling = ["--python", python] if python else []
        self.agent = self._start([self.programs / "bifrost-agent", "--redis-url", self.redis_url, "--segment-dir",
                                  self.segment_dir, "--workspace", self.workspace, *compiling], "agent.log")
        self.cachectl("wait", "--ready", "--timeout", "30s")

    def status(self):
        try:
            return json.loads(self.cachectl("status", "-o", "json"))
        except Failed:
            # On a busy machine the lease may lapse for a moment: status 5, with the same figures.
            return json.loads(self.cachectl("status", "-o", "json", status=5))

    def wait_for_modules(self):
        """Waits until every module that was pushed before this call is in the segment."""
        self.cachectl("wait", "--fresh", "--timeout", "60s")

    def wait_for_code(self, modules):
        """Waits until the code of `modules` modules is in the segment."""
        wait_until(lambda: sum(self.status()["code"].values()) >= modules, COMPILE_DEADLINE_S,
                   f"the agent did not compile {modules} modules within {COMPILE_DEADLINE_S} s")

    def close(self):
        super().close()
        shutil.rmtree(self.segment_dir, ignore_errors=True)
