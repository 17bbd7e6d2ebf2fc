"""A host name that stands for two addresses, of which Redis listens on one."""

import pathlib
import subprocess

import pytest
from harness import AGENT, PATIENCE_S, Cachectl, Node, eventually, free_port
from harness.namespaces import IN_MOUNT_NAMESPACE, SILENT_NAME_SERVER, beside_silent_name_server

ADDRESSES = ["127.0.0.1", "127.0.0.2"]


def in_own_hosts_file(node, program):
    """A script that runs `program` where /etc/hosts, of its mount namespace only, names both addresses `twofold`."""
    hosts = node.directory / "hosts"
    hosts.write_text("".join(f"{address} twofold\n" for address in ADDRESSES))
    script = node.directory / program.name
    script.write_text(f"#!/bin/sh\nexec {' '.join(IN_MOUNT_NAMESPACE)} sh -c "
                      f"'mount --bind {hosts} /etc/hosts && exec \"$0\" \"$@\"' {program} \"$@\"\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def start():
    """Starts a node with these arguments to its Redis; skips where a name cannot be given two addresses."""
    nodes = []

    def begin(*redis_arguments):
        node = Node(*redis_arguments)
        nodes.append(node)
        node.redis.start()
        resolve = subprocess.run([in_own_hosts_file(node, pathlib.Path("/usr/bin/getent")), "ahosts", "twofold"],
                                 capture_output=True, text=True, timeout=PATIENCE_S)
        if "unshare" in resolve.stderr or "mount" in resolve.stderr:
            pytest.skip("mount namespaces are not permitted here: " + resolve.stderr.strip())
        assert set(ADDRESSES) <= set(resolve.stdout.split()), "this tests nothing where a name has one address"
        return node

    yield begin
    for node in nodes:
        node.close()


@pytest.mark.parametrize("listening", ADDRESSES)
def test_agent_and_tools_try_every_address_of_a_name(start, listening):
    port = free_port()
    node = start("--port", str(port), "--bind", listening)
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.agent_url = f"redis://twofold:{port}"
    node.start_agent(program=in_own_hosts_file(node, AGENT))
    assert node.status()["modules"] == 1
    diff = subprocess.run([in_own_hosts_file(node, Cachectl.program), "diff"], capture_output=True,
                          env=node.environment(BIFROST_REDIS_URL=node.agent_url), timeout=2 * PATIENCE_S)
    assert diff.returncode == 0, diff


def test_of_a_name_that_nobody_answers_for_each_address_says_why(start):
    node = start()
    node.agent_url = f"redis://twofold:{free_port()}"
    agent = node.start_agent(ready=False, program=in_own_hosts_file(node, AGENT))
    eventually(lambda: "redis_lost" in agent.log, "the agent says that it cannot connect")
    for address in ADDRESSES:
        assert f"{address}: connect: Connection refused" in agent.log


BEGIN = SILENT_NAME_SERVER + """
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
begin = time.monotonic()
bifrost_cache.begin_execution(timeout=0.25)
try:
    import nowhere_at_all
except ImportError as error:
    print(error, flush=True)
print(server.recv(512) != b"", flush=True)
print(time.monotonic() - begin, flush=True)
"""

ASK = SILENT_NAME_SERVER + """
begin = time.monotonic()
ended = subprocess.run([sys.argv[2], "push", "flows"], capture_output=True, text=True)
print(ended.stderr, flush=True)
print(server.recv(512) != b"", flush=True)
print(time.monotonic() - begin, flush=True)
"""

# Asked to end while libuv's thread waits for the name server.
END = SILENT_NAME_SERVER + """
agent = subprocess.Popen([sys.argv[3]], stderr=subprocess.PIPE, text=True)
print(server.recv(512) != b"" and "asked", flush=True)
begin = time.monotonic()
agent.terminate()
_, log = agent.communicate()
print(f"status {agent.returncode}", log[-300:], flush=True)
print(True, time.monotonic() - begin, flush=True)
"""

RESOLVER_GIVES_UP_S = 10  # glibc: two attempts of five seconds


@pytest.mark.parametrize(("code", "said"), [(BEGIN, "nowhere_at_all"), (ASK, "name server does not answer"),
                                              (END, "status 0")], ids=["worker", "cachectl", "agent"])
def test_a_silent_name_server_holds_nobody_up(node, code, said):
    environment = node.environment(BIFROST_REDIS_URL="redis://redis.example:6379")
    (node.directory / "flows").mkdir()
    (node.directory / "flows" / "a.py").write_text("x = 1\n")
    ended = beside_silent_name_server(code, node.directory, Cachectl.program, AGENT, env=environment, timeout=3 * PATIENCE_S)
    assert said in ended.stdout, ended
    asked, seconds = ended.stdout.split()[-2:]
    assert asked == "True", "nobody asked the name server: this tests nothing"
    assert float(seconds) < RESOLVER_GIVES_UP_S
