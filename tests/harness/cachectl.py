"""Runs bifrost-cachectl, as operators do."""

import json
import os
import subprocess

from harness import processes
from harness.places import BUILD
from harness.waiting import expect


class Cachectl:
    program = BUILD / "bin" / "bifrost-cachectl"

    def __init__(self, segment_dir, redis_url="unix:///nonexistent/redis.sock", environment=None):
        """In an environment that holds nothing else than this, or in the one that is given."""
        self.env = environment or {"PATH": os.environ.get("PATH", ""), "BIFROST_SEGMENT_DIR": str(segment_dir),
                                   "BIFROST_REDIS_URL": redis_url}

    def __call__(self, *arguments, **options):
        options = {"capture_output": True, "timeout": 120, "env": self.env, **options}
        return subprocess.run([self.program, *arguments], **options)

    def start(self, *arguments, **options):
        """The same, without waiting for its end; stdout is a pipe."""
        return processes.start([self.program, *arguments], **{"stdout": subprocess.PIPE, "env": self.env, **options})

    def text(self, *arguments, status=0):
        """What a verb prints that must end with `status`."""
        result = self(*arguments)
        expect(result.returncode == status, f"bifrost-cachectl {' '.join(map(str, arguments))} ended with status "
               f"{result.returncode} instead of {status}: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout.decode()

    def json(self, *arguments, status=0):
        """The parsed answer of a verb that must end with `status`."""
        return json.loads(self.text(*arguments, "-o", "json", status=status))
