"""A bifrost-agent, with its log in a file."""

import signal
import subprocess
import time

from harness import processes
from harness.places import AGENT
from harness.waiting import PATIENCE_S


class Agent:
    def __init__(self, directory, redis_url, segment_dir, *arguments, environment, program=AGENT):
        """Started when this returns, and not yet ready. The log lies in `directory`."""
        self.log_path = directory / f"agent-{time.monotonic_ns()}.log"
        with open(self.log_path, "wb") as log:
            self.process = processes.start(
                [program, "--redis-url", redis_url, "--segment-dir", segment_dir, "--size", "8M", *arguments],
                stdout=subprocess.DEVNULL, stderr=log, env=environment)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self):
        """The exit code after SIGTERM."""
        return processes.end(self.process)
