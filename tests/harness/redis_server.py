"""A private redis-server on a Unix socket, configured as the platform's."""

import contextlib
import pathlib
import random
import signal
import socket
import subprocess

import redis

from harness import processes
from harness.waiting import PATIENCE_S, Failed, eventually, expect

SOON_MS = 20


def free_port():
    """Below the range that the kernel gives to outgoing connections: none of another test's takes it in the meantime."""
    end = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(end // 2, end), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise Failed(f"no port between {end // 2} and {end} is free")


class RedisServer:
    def __init__(self, directory, *arguments, program="redis-server"):
        self.program = program
        self.directory = pathlib.Path(directory)
        self.socket = self.directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.arguments = arguments
        self.process = None

    def start(self):
        self.process = processes.start(
            [self.program, "--port", "0", "--unixsocket", self.socket, "--dir", self.directory,
             "--save", "", "--appendonly", "yes", "--loglevel", "warning", "--logfile", self.directory / "redis.log", *self.arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._answers, "redis-server answers")
        return self

    def _answers(self):
        expect(self.process.poll() is None, "redis-server ended at once")
        try:
            return self.client().ping()
        except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
            return False

    def client(self, **options):
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=PATIENCE_S, **options)

    def let_expire(self, *keys):
        """Their time runs out in a moment. Redis takes 1 ms now and then for a time that is over, and deletes instead."""
        pipe = self.client().pipeline(transaction=False)
        for key in keys:
            pipe.pexpire(key, SOON_MS)
        pipe.execute()

    def stop(self):
        if self.process:
            processes.end(self.process)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
