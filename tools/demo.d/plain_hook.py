"""The hook that platforms use today, for comparison: per module GET, json.loads, compile, exec. Pure Python,
redis-py."""

import importlib.machinery
import json
import sys


class PlainHook:
    """Finder and loader in one. Namespaces come from the index, read once."""

    prefix = "bifrost:module:"

    def __init__(self, client):
        self.client = client
        self.index = {path.decode() for path in client.smembers(f"{self.prefix}index")}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.stdlib_module_names:
            return None
        base = name.replace(".", "/")
        for candidate, is_package in ((f"{base}.py", False), (f"{base}/__init__.py", True)):
            value = self.client.get(self.prefix + candidate)
            if value is not None:
                spec = importlib.machinery.ModuleSpec(name, self, origin=f"/plain/{candidate}", is_package=is_package)
                spec.loader_state = value
                spec.has_location = True
                return spec
        if any(path.startswith(f"{base}/") for path in self.index):
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code_of(module.__spec__), module.__dict__)

    def code_of(self, spec):
        return compile(json.loads(spec.loader_state)["content"], spec.origin, "exec", dont_inherit=True)


def _child(pipe, redis_socket, redis_py, target, kwargs):
    sys.path.insert(0, redis_py)
    import redis

    sys.path.remove(redis_py)
    client = redis.Redis(unix_socket_path=redis_socket)
    sys.meta_path.insert(0, PlainHook(client))
    module, _, function = target.partition(":")
    workflow = importlib.import_module(module)
    pipe.send(getattr(workflow, function)(**kwargs))


def execute(target, kwargs, *, redis_socket, redis_py, timeout):
    """Runs `target` in a spawned worker with the plain hook; `redis_py` is the directory that holds redis-py."""
    import multiprocessing  # here: who only wants the hook need not pay for it

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, redis_socket, redis_py, target, kwargs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(timeout):
            raise TimeoutError(f"the plain worker did not finish within {timeout} s")
        return ours.recv()
    finally:
        process.join(1)
        if process.exitcode is None:
            process.kill()
            process.join()
        ours.close()
