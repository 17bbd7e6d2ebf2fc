"""A directory whose .py files can only be had from the mirror.

CPython's tests write files and import them. Here they write below the workspace, and what is new there is published
before anybody looks for a module. On disk stays a link that leads nowhere: tests may remove it, move it and write
through it as if the file were there; whoever opens it finds nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import bifrost_cache
import redis

FRESH_WITHIN_S = 20.0
CODE_WITHIN_S = 20.0


# Set where the agent shares code: then a module is there when its code is.
CACHECTL = os.environ.get("CACHECTL_FOR_CODE")


def compiles(content):
    try:
        compile(content.removeprefix("\ufeff"), "content", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def wait_for_code(paths):
    deadline = time.monotonic() + CODE_WITHIN_S
    while missing := paths - paths_with_code():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no code for {sorted(missing)} within {CODE_WITHIN_S} s")


def paths_with_code():
    listed = subprocess.run([CACHECTL, "list", "-o", "json"], check=True, capture_output=True, timeout=FRESH_WITHIN_S)
    return {entry["path"] for entry in json.loads(listed.stdout) if entry["code"]}


def put(client, path, content):
    """Writes one module in the form of the Redis contract."""
    client.setex(f"bifrost:module:{path}", 86400, json.dumps({"content": content, "path": path, "hash": "h"}))
    client.sadd("bifrost:module:index", path)


def remove(client, path):
    client.delete(f"bifrost:module:{path}")
    client.srem("bifrost:module:index", path)


class PublishedTree:
    def __init__(self, root, redis_url):
        self.root = root
        self._client = redis.Redis.from_url(redis_url)
        self._client.ping()  # whatever redis-py imports late is imported now
        self._nowhere = tempfile.mkdtemp(dir=os.path.dirname(root))
        self._content_of = {}  # where a link leads to -> the content that was there
        self._published = {}  # file -> content
        self._busy = threading.local()

    # The tree of this process.
    current = None

    def install(self):
        """Publishes before finders are asked for a name, and before a path is looked at for the first time."""
        PublishedTree.current = self
        sys.meta_path.insert(0, self)
        sys.path_hooks.insert(0, self)

    def find_spec(self, fullname, path=None, target=None):
        self.publish()
        return None

    def __call__(self, entry):
        self.publish()
        raise ImportError

    def invalidate_caches(self):
        self.publish()

    def publish(self):
        if getattr(self._busy, "here", False):
            return
        self._busy.here = True
        try:
            present = self._take_in()
            if present != self._published:
                self._send(present)
        finally:
            self._busy.here = False

    def _take_in(self):
        contents = {}
        for directory, _, names in os.walk(self.root):
            # A file named `.py` can be no module: where Redis holds one, it is refused (docs/redis-contract.md section 1).
            for file in (os.path.join(directory, name) for name in names if name.endswith(".py") and name != ".py"):
                contents[file] = self._content(file)
        return contents

    def _content(self, file):
        if not os.path.islink(file):
            link = os.path.join(self._nowhere, str(len(self._content_of)))
            os.rename(file, link)
            os.symlink(link, file)
        link = os.readlink(file)
        if os.path.exists(link):
            with open(link, encoding="utf-8", newline="") as stream:
                self._content_of[link] = stream.read()
            os.unlink(link)
        return self._content_of[link]

    def _send(self, present):
        with self._client.pipeline(transaction=True) as pipeline:
            for file, content in present.items():
                if self._published.get(file) != content:
                    put(pipeline, os.path.relpath(file, self.root), content)
            for file in self._published.keys() - present.keys():
                remove(pipeline, os.path.relpath(file, self.root))
            pipeline.execute()
        self._published = present
        bifrost_cache.wait_fresh(FRESH_WITHIN_S)
        if CACHECTL:
            wait_for_code({os.path.relpath(file, self.root) for file, text in present.items() if compiles(text)})
