"""Threads that write versions of their keys and note down when Redis acknowledged each."""

import contextlib
import json
import random
import threading
import time

import redis

from nemesis.history import Write, content_of, line_of, now

PREFIX = "bifrost:module:"
INDEX = PREFIX + "index"
TTL_S = 86400


def path_of(key):
    return f"{key}.py"


class History:
    """The file that all writers share."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "w")
        self.lock = threading.Lock()

    def add(self, record):
        with self.lock:
            self.file.write(line_of(record))

    def close(self):
        self.file.close()


class Writer(threading.Thread):
    """The only writer of its keys. Single writes, deletions, and all of `group` in one MULTI. Hold `gate` to pause it."""

    def __init__(self, connect, history, keys, group=(), seed=0, pause_s=0.005, deletes=True, long_keys=()):
        super().__init__(daemon=True)
        self.connect, self.history, self.keys, self.group = connect, history, list(keys), list(group)
        self.random = random.Random(seed)
        self.pause_s = pause_s
        self.deletes = deletes
        self.long_keys = set(long_keys)
        self.gate = threading.RLock()
        self.versions = dict.fromkeys([*keys, *group], 0)
        self.alive = dict.fromkeys([*keys, *group], False)
        self.client = None  # set to None to connect anew
        self.stopping = False
        self.writes = 0

    def stop(self):
        self.stopping = True
        self.join(30)

    def run(self):
        while not self.stopping:
            with self.gate:
                try:
                    self.client = self.client or self.connect()
                    self.write_something(self.client)
                    self.writes += 1
                except redis.exceptions.RedisError:
                    self.client = None
            if self.pause_s:
                time.sleep(self.random.uniform(0, 2 * self.pause_s))

    def write_something(self, client):
        dice = self.random.random()
        if self.group and (dice < 0.3 or not self.keys):
            return self.put(client, self.group, group="group")
        key = self.random.choice(self.keys)
        if self.deletes and dice < 0.4 and self.alive[key]:
            return self.delete(client, key)
        return self.put(client, [key])

    def next_version(self, key):
        self.versions[key] += 1
        return self.versions[key]

    @contextlib.contextmanager
    def noted(self, writes):
        """Notes the writes down with the time that the block takes; as unknown when it raises."""
        begun = now()
        known = False
        try:
            yield
            known = True
        finally:
            ended = now()
            for w in writes:
                w.begun, w.ended, w.known = begun, ended, known
                self.alive[w.key] = w.alive
                self.history.add(w)

    def put(self, client, keys, group="", **more):
        # Keys of a group carry one version, so that a reader can tell whether they belong together.
        version = max(self.versions[k] for k in keys) + 1
        writes = [Write(k, version, 0, 0, group=group, **more) for k in keys]
        self.versions.update(dict.fromkeys(keys, version))
        with self.noted(writes):
            pipe = client.pipeline(transaction=True) if group else client.pipeline(transaction=False)
            for k in keys:
                self.queue(pipe, k, version)
            pipe.execute()

    def queue(self, pipe, key, version):
        pipe.setex(PREFIX + path_of(key), TTL_S, json.dumps(
            {"content": content_of(key, version, self.fill_of(key)), "path": path_of(key), "hash": str(version)}))
        pipe.sadd(INDEX, path_of(key))

    def fill_of(self, key):
        # Long values that grow are measured before they are read: other keys of a group are read earlier.
        return self.random.choice([3000, 4500, 7000, 10000]) if key in self.long_keys else self.random.choice([0, 3, 40, 400])

    def delete(self, client, key):
        with self.noted([Write(key, self.next_version(key), 0, 0, alive=False)]):
            pipe = client.pipeline(transaction=False)
            pipe.delete(PREFIX + path_of(key))
            pipe.srem(INDEX, path_of(key))
            pipe.execute()
