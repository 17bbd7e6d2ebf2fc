"""The platform's own store behind an HTTP API: what is read through it is put into Redis, as the platform does."""

import hashlib
import json
import random
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def what_is(files, root, name):
    """("package" or "module", path), ("namespace", None) or ("absent", None) for a name in one root, from {path: source}."""
    base = root + name.replace(".", "/")
    for kind, path in (("package", base + "/__init__.py"), ("module", base + ".py")):
        if path in files:
            return kind, path
    is_directory = any(path.startswith(base + "/") for path in files)
    return ("namespace" if is_directory else "absent"), None


class StoreApi:
    """`files` is the whole truth. A module that is asked for goes into the node's Redis, with `chance`."""

    def __init__(self, node, chance=1.0, seed=0):
        self.node, self.files, self.asked, self.broken = node, {}, [], False
        self._random, self._chance, self._lock = random.Random(seed), chance, threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, keep_blank_values=True))
                status, answer = api._answer(query["root"], query["name"])
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def write(self, path, content, cached):
        """As the platform's editor does: the store first; Redis has the new content or none."""
        with self._lock:
            self.files[path] = content
        if cached:
            self.node.put(path, content)
        else:
            self.node.delete(path)

    def remove(self, path):
        with self._lock:
            del self.files[path]
        self.node.delete(path)

    def take_questions(self):
        with self._lock:
            asked, self.asked = self.asked, []
        return asked

    def _answer(self, root, name):
        with self._lock:
            self.asked.append((root, name))
            if self.broken:
                return 503, {}
            kind, path = what_is(self.files, root, name)
            content = self.files.get(path)
            cache = path is not None and self._random.random() < self._chance
        if cache:
            self.node.put(path, content)
        hash_ = "" if path is None else hashlib.sha256(content.encode()).hexdigest()
        return 200, {"kind": kind, "path": path, "content": content, "hash": hash_}
