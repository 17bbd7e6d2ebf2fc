"""Sets one workload up in every place that its modules can come from, and says what a worker of a variant must know."""

import contextlib
import json
import marshal
import os
import pathlib
import py_compile
import shutil
import sys
import tempfile
import zipfile

import redis
from generated import module_name
from harness import Failed, Node
from peers import MarshalHook
from workloads import DIST_PACKAGES

PYTHON = "/usr/bin/python3"
COMPILE_DEADLINE_S = 600
WORKSPACE = "/tmp/bifrost-bench/workspace"  # the prefix of every __file__; it never exists
# An even second: zip files know no others, and a .pyc names its source's time.
MTIME = 1_600_000_000


class Stage:
    """Leaving its `with` block removes everything, and shows the logs when a step Failed in it.

    `segment`: {variant: bytes of segment used by this workload}.
    """

    def __init__(self, build, workload, keys):
        self.build = build
        self.workload = workload
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bifrost-bench-files-"))
        self.nodes = {}
        self.segment = {}
        self.beforehand = []
        self._undo = contextlib.ExitStack()
        self._undo.callback(shutil.rmtree, self.home, ignore_errors=True)
        try:
            self._lay_out_files()
            self._fill_redis()
            for key in keys:
                if key == "agent-source":
                    self._start_agent(key)
                elif key == "agent-code":
                    self._start_agent(key, PYTHON)
        except BaseException:
            self.close()
            raise

    def close(self):
        self._undo.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, _error, _traceback):
        try:
            if kind is not None and issubclass(kind, Failed):
                for key, node in self.nodes.items():
                    print(f"  {key}:", node.log_tail(), sep="\n", file=sys.stderr)
        finally:
            self.close()

    def _lay_out_files(self):
        """py/: sources. pyc/: the same with __pycache__. modules.zip. blobs: what the dict variants hold."""
        rest = self.home / "rest"
        rest.mkdir()
        served = self.workload.served
        for entry in DIST_PACKAGES.iterdir():
            if entry.name.partition(".")[0] not in served:
                (rest / entry.name).symlink_to(entry)
        blobs = {}
        with zipfile.ZipFile(self.home / "modules.zip", "w", zipfile.ZIP_STORED) as archive:
            # zipimport takes a directory for a namespace only when it has an entry of its own.
            for directory in sorted({parent for path in self.workload.sources for parent in _directories(path)}):
                archive.writestr(f"{directory}/", b"")
            for path, source in self.workload.sources.items():
                for tree in ("py", "pyc"):
                    _write(self.home / tree / path, source)
                file = self.home / "pyc" / path
                cached = py_compile.compile(file, doraise=False, quiet=2)
                if cached is None:
                    continue  # a template or for another Python; nobody imports it
                archive.write(file, path)
                archive.write(cached, path + "c")
                blobs[path] = marshal.dumps(compile(source, f"/virtual/{path}", "exec", dont_inherit=True))
        self.blobs = blobs
        with open(self.home / "blobs", "wb") as file:
            marshal.dump(_import_names(blobs), file)

    def _fill_redis(self):
        self.origin = Node()  # its Redis is everybody's
        self._undo.callback(self.origin.close)
        client = self.origin.redis.start().client()
        for path, blob in self.blobs.items():
            client.set(MarshalHook.prefix + path, blob)
        client.sadd(MarshalHook.prefix + "index", *self.blobs)

    def _start_agent(self, key, python=None):
        node = Node(redis=self.origin.redis)
        self._undo.callback(node.close)
        self.nodes[key] = node
        node.start_agent("--size", "32M", "--workspace", WORKSPACE, *(["--python", python] if python else []))

    def fill(self):
        """Pushes the modules, waits for the agents, and learns what else the entries import."""
        empty = {key: node.status()["memory"]["used"] for key, node in self.nodes.items()}
        self.origin.cachectl.text("push", self.home / "py")
        for key, node in self.nodes.items():
            node.wait("--fresh")
            if key == "agent-code":
                node.wait_for_code(len(self.blobs), COMPILE_DEADLINE_S)
            self.segment[key] = node.status()["memory"]["used"] - empty[key]

    def order(self, variant):
        """The path of the file that tells a worker what to do."""
        order = {
            "place": variant.place,
            "entries": self.workload.entries,
            "beforehand": self.beforehand,
            "rest": str(self.home / "rest"),
            "path": str(self.home / ("modules.zip" if variant.key == "zip" else variant.key)),
            "blobs": str(self.home / "blobs"),
            "redis_socket": str(self.origin.redis.socket),
            "redis_py": os.path.dirname(os.path.dirname(redis.__file__)),
            "package": str(self.build / "python"),
        }
        if variant.is_node:
            order["settings"] = {"segment_dir": str(self.nodes[variant.key].segment_dir), "workspace": WORKSPACE,
                                 "redis_url": self.origin.redis.url}
        file = self.home / f"{variant.key}.json"
        file.write_text(json.dumps(order))
        return file


def _write(file, source):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8", newline="")
    os.utime(file, (MTIME, MTIME))


def _import_names(blobs):
    """{import name: (file, directory of a package, blob)}, directories without __init__.py included."""
    modules = {}
    for path, blob in blobs.items():
        file = f"/virtual/{path}"
        is_package = path.endswith("/__init__.py")
        modules[module_name(path)] = (file, os.path.dirname(file) if is_package else None, blob)
    for path in blobs:
        for directory in _directories(path):
            modules.setdefault(module_name(directory), (None, None, None))
    return modules


def _directories(path):
    """Every directory above `path`: a and a/b for a/b/c.py."""
    return [parent.as_posix() for parent in pathlib.PurePosixPath(path).parents][:-1]
