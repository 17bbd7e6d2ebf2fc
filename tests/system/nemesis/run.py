"""One run: a node behind fault proxies, writers and readers at work, a list of faults, then the checker's verdict."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import redis
from harness import BUILD, REPOSITORY, Node, RedisServer, eventually

from nemesis.checker import Checker, Violation, told
from nemesis.history import load, now
from nemesis.proxy import FaultProxy
from nemesis.writers import History, Writer

SINGLE_KEYS = [f"single{i}" for i in range(10)]
HOT_KEYS = ["hot0", "hot1"]
SLACK_S = 0.05  # between a clock reading here and the one that it is compared with


class Run:
    def __init__(self, seed, lease_s=0.4, agent_arguments=(), agent_program=None, package=None,
                 writer_pause_s=0.004, hot_pause_s=0.0, long_values=False, redis_arguments=()):
        """`hot_pause_s`: of the writers of the hot keys and of the group, which do not pause by themselves."""
        self.random = random.Random(seed)
        self.seed, self.lease_s, self.agent_arguments = seed, lease_s, agent_arguments
        self.agent_program, self.package = agent_program, package
        self.marks = "tracking" not in agent_arguments and not redis_arguments
        self.node = Node("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", "--appendfsync", "always",
                         *redis_arguments)
        self.redis = self.node.redis.start()
        self.agent_proxy = FaultProxy(self.redis.socket)
        self.worker_proxy = FaultProxy(self.redis.socket)
        self.group = [f"group{i}" for i in range(6)]
        self.history = History(self.node.directory / "writes.jsonl")
        self.read_histories = []
        self.writers = [Writer(self.client, self.history, SINGLE_KEYS, seed=self.random.random(), pause_s=writer_pause_s),
                        Writer(self.client, self.history, HOT_KEYS, seed=self.random.random(), deletes=False,
                               pause_s=hot_pause_s),
                        Writer(self.client, self.history, [], self.group, seed=self.random.random(), pause_s=hot_pause_s,
                               long_keys=self.group[::2] if long_values else ())]
        self.readers = []
        self.others = []
        self.faults_done = []
        self.fault_times = []  # for people
        self.group_giveups = 0

    # --- Parts ---------------------------------------------------------------------------------------------------

    def client(self, db=0):
        return redis.Redis(unix_socket_path=str(self.redis.socket), db=db, socket_timeout=2.0)

    def start(self):
        for writer in self.writers:
            for key in writer.keys:
                writer.put(self.client(), [key])
            if writer.group:
                writer.put(self.client(), writer.group, group="group")
        self.node.agent_url = self.agent_proxy.url
        self.start_agent()
        self.node.wait("--ready")
        for i, mode in enumerate(["execution", "execution", "outside"]):
            self.readers.append(self.start_reader(f"{mode}{i}", mode))
        self.readers.append(self.start_reader("zygote", "execution", "nemesis.zygote_reader"))
        for writer in self.writers:
            writer.start()

    def start_agent(self):
        self.group_giveups += self.giveups_of_agent()
        self.node.start_agent("--lease", f"{round(self.lease_s * 1000)}ms", *self.agent_arguments, ready=False,
                              program=self.agent_program)

    def giveups_of_agent(self):
        """From the segment, which outlives an agent that was killed."""
        stats = self.node.cachectl("stats", "-o", "json").stdout if self.node.agent else b""
        return json.loads(stats)["counters"]["group_giveups_total"] if stats else 0

    def start_reader(self, name, mode, program="nemesis.reader"):
        path = self.node.directory / f"reads-{name}.jsonl"
        self.read_histories.append(path)
        package = self.package or BUILD / "python"
        environment = self.node.environment(BIFROST_REDIS_URL=self.worker_proxy.url,
                                            PYTHONPATH=f"{package}:{REPOSITORY / 'tests' / 'system'}")
        return subprocess.Popen(
            [sys.executable, "-B", "-m", program, name, str(path), mode, str(self.random.randrange(1 << 30)),
             *SINGLE_KEYS, *HOT_KEYS, *self.group], stdin=subprocess.PIPE, env=environment)

    def close(self):
        for writer in self.writers:
            writer.stopping = True
        for reader in self.readers:
            reader.kill()
            reader.wait(10)
        self.agent_proxy.close()
        self.worker_proxy.close()
        for server in self.others:
            server.stop()
        self.node.close()

    # --- What faults use -----------------------------------------------------------------------------------------

    def let_pass(self, seconds):
        """The fault is on meanwhile; nothing is waited for."""
        time.sleep(seconds)

    @contextlib.contextmanager
    def writers_paused(self):
        with contextlib.ExitStack() as gates:
            for writer in self.writers:
                gates.enter_context(writer.gate)
            yield self.client()

    @contextlib.contextmanager
    def everything_seen(self):
        """Writers are paused, and the agent has seen all that they wrote."""
        with self.writers_paused() as client:
            self.wait_until_seen()
            yield client

    def wait_until_seen(self):
        self.node.wait("--ready")
        self.node.wait("--fresh")

    def rewrite_all(self, client):
        for writer in self.writers:
            for key in writer.keys:
                writer.put(client, [key])
            if writer.group:
                writer.put(client, writer.group, group="group")

    def forget_alive(self):
        """What Redis has lost cannot be deleted there: DEL and SREM of nothing are not announced."""
        for writer in self.writers:
            writer.alive = dict.fromkeys(writer.alive, False)

    def forget_data(self):
        shutil.rmtree(self.redis.directory / "appendonlydir", ignore_errors=True)

    def promote_replica(self):
        directory = self.node.directory / f"replica{len(self.others)}"
        directory.mkdir()
        # A replica finds its master by TCP only.
        gate = FaultProxy(self.redis.socket)
        replica = RedisServer(directory, "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0",
                              "--appendfsync", "always").start()
        with self.writers_paused() as client:
            marker = f"marker:{self.random.random()}"
            client.set(marker, "1")
            copy = replica.client()
            # Not as an argument: a restart after the promotion would make it a replica again, of a master that is gone.
            copy.replicaof("127.0.0.1", gate.port)
            eventually(lambda: self.quietly(lambda: copy.exists(marker)), "the replica has everything")
            copy.replicaof("NO", "ONE")
            old, self.redis = self.redis, replica
            self.node.redis = replica
            for writer in self.writers:
                writer.client = None
            self.agent_proxy.switch(replica.socket)
            self.worker_proxy.switch(replica.socket)
        gate.close()
        self.others += [old, replica]

    @staticmethod
    def quietly(ask):
        try:
            return ask()
        except redis.exceptions.RedisError:
            return None

    # --- The whole -------------------------------------------------------------------------------------------------

    def play(self, faults):
        for fault in faults:
            self.faults_done.append(fault.__name__)
            begun = now()
            fault(self)
            self.fault_times.append(f"{begun} {now()} {fault.__name__}")
            self.let_pass(self.random.uniform(0.05, 0.2))
        self.recover()

    def recover(self):
        self.agent_proxy.heal()
        self.worker_proxy.heal()
        self.node.wait("--ready")
        self.let_pass(self.lease_s)

    def finish(self):
        """Stops everybody and returns (violations, records)."""
        for writer in self.writers:
            writer.stop()
        for reader in self.readers:
            reader.stdin.close()
            assert reader.wait(30) == 0, "a reader raised"
        self.history.close()
        records = list(load(self.history.path, *self.read_histories))
        violations = Checker(int(self.lease_s * 1e9), int(SLACK_S * 1e9)).check(records)
        self.group_giveups += self.giveups_of_agent()
        if self.marks and self.group_giveups:
            violations.append(Violation("D-10", f"{self.group_giveups} generations were committed as they were"))
        if violations:
            print(*(told(v, records) for v in violations[:3]), sep="\n")
            self.keep_evidence()
        return violations, records

    def keep_evidence(self):
        """What was noted down and logged, for who has to explain a violation: in the folder BIFROST_EVIDENCE."""
        if folder := os.environ.get("BIFROST_EVIDENCE"):
            kept = pathlib.Path(folder) / f"seed{self.seed}-{time.monotonic_ns()}"
            kept.mkdir(parents=True)
            for file in [*self.node.directory.glob("*.jsonl"), *self.node.directory.glob("agent-*.log")]:
                shutil.copy(file, kept)
            (kept / "faults.txt").write_text("\n".join(self.fault_times) + "\n")
