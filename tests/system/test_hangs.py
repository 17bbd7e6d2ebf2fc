"""Executions and imports end in time, and right, while any one or two of those that they may ask hang."""

import contextlib
import itertools
import json
import socket

import pytest
from harness import PATIENCE_S, eventually
from harness.namespaces import HUNG_DISK, SILENT_NAME_SERVER, beside_hung_disk, beside_silent_name_server
from nemesis.proxy import FaultProxy

# What hangs, and how: processes are stopped, the name server takes questions and never answers, the control socket is one
# that somebody listens on without ever accepting, and the disk is a file system that nobody serves.
HANGING = ["agent", "redis", "control socket", "name server", "disk"]
CASES = [*((one,) for one in HANGING), *itertools.combinations(HANGING, 2)]

# docs/consistency.md section 4: begin_execution() has its `timeout`, a question to Redis one second, and after the first
# that is not answered none is asked for a second. Beyond that is what a loaded machine needs, well below the ten seconds
# after which the resolver, or the five after which Redis' own client gives up.
BOUND_S = 3.0

WORKER = """
import json, os, sys, time
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
took, found = {}, {}

def timed(what, call):
    begin = time.monotonic()
    try:
        found[what] = call()
    except ImportError as error:
        found[what] = type(error).__name__
    took[what] = time.monotonic() - begin

timed("begin", lambda: bifrost_cache.begin_execution(timeout=0.25).source)
timed("mirrored", lambda: __import__("mirrored").VALUE)
timed("missing in a package", lambda: __import__("package.nowhere_at_all"))
if os.path.abspath("disk") not in sys.path:  # Python itself looks there for a name that nobody knows, with files as with us
    timed("missing", lambda: __import__("nowhere_at_all"))
timed("begin again", lambda: bifrost_cache.begin_execution(timeout=0.25).source)
print(json.dumps([took, found]))
"""

@contextlib.contextmanager
def full_control_socket(node):
    """Stands in the place of the agent's, which is stopped so that it does not put its own back."""
    node.agent.pause()
    path = node.segment_dir / "control.sock"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as waiting:
        listener.bind(str(path))
        listener.listen(0)
        while True:  # until nobody more can connect
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(str(path))
            except BlockingIOError:
                break
        yield


def run_worker(node, hanging):
    code = (HUNG_DISK if "disk" in hanging else "") + WORKER
    if "name server" in hanging:
        environment = node.environment(BIFROST_REDIS_URL="redis://redis.example:6379")
        return beside_silent_name_server(SILENT_NAME_SERVER + code, node.directory, env=environment, timeout=PATIENCE_S).stdout
    if "disk" in hanging:
        return beside_hung_disk(code, node.directory, env=node.environment(), timeout=PATIENCE_S).stdout
    return node.python(code=code, patience=PATIENCE_S).stdout


@pytest.mark.parametrize("hanging", CASES, ids=" and ".join)
def test_whatever_hangs_executions_begin_and_imports_end(node, hanging):
    node.put("mirrored.py", "VALUE = 1\n")
    node.put("package/__init__.py", "")
    node.start_agent()
    with contextlib.ExitStack() as ends:
        if "agent" in hanging:
            node.agent.pause()
        if "control socket" in hanging:
            ends.enter_context(full_control_socket(node))
        if "redis" in hanging:
            node.redis.pause()
            ends.callback(node.redis.resume)
        took, found = json.loads(run_worker(node, hanging).splitlines()[-1])
    assert found["mirrored"] == 1
    missing = {kind for what, kind in found.items() if what.startswith("missing")}
    assert missing and missing <= {"ModuleNotFoundError", "ImportError"}
    assert {what: seconds for what, seconds in took.items() if seconds > BOUND_S} == {}


def test_a_hanging_redis_is_given_up_in_seconds_however_long_the_lease_is(node):
    node.start_agent("--lease", "1h")
    node.redis.pause()
    try:
        node.cachectl("wait", "--fresh", "--timeout", "1s")  # Redis owes an answer from here on
        eventually(lambda: "event=redis_lost" in node.agent.log, "the agent gives up")
    finally:
        node.redis.resume()


@pytest.mark.parametrize("connection", [1, 2], ids=["the connection for questions", "the subscription"])
def test_a_server_that_falls_silent_before_it_is_followed_is_given_up(node, connection):
    node.put("m.py", "X = 1\n")
    proxy = FaultProxy(node.redis.socket)
    proxy.silent_after = {connection: len("+PONG\r\n")}  # its handshake
    node.agent_url = proxy.url
    try:
        node.start_agent(ready=False)
        eventually(lambda: "has stopped answering before the mirror followed it" in node.agent.log, "the agent gives it up")
        node.wait("--ready")
        assert node.execute("import m; answer = [m.X, execution.source]") == [1, "shm"]
    finally:
        proxy.close()
