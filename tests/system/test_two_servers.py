"""An address that leads each connection of the agent to another server, as a balancer or a service that is moved does."""

import pytest
from harness import RedisServer, eventually
from nemesis.proxy import FaultProxy

# All that the agent needs but INFO: nobody tells it which server it has reached.
WITHOUT_INFO = "reset on >secret ~* &* +@all -info"


@pytest.fixture
def other(node):
    directory = node.directory / "other"
    directory.mkdir()
    server = RedisServer(directory).start()
    yield server
    server.stop()


@pytest.mark.parametrize("rights", ["reset on >secret ~* &* +@all", WITHOUT_INFO], ids=["by its run id", "by a message"])
def test_an_agent_never_reads_from_one_server_and_listens_to_another(node, other, rights):
    for server in (node.redis, other):
        server.client().execute_command("ACL", "SETUSER", "agent", *rights.split())
    node.put("m.py", "X = 1\n")
    proxy = FaultProxy(node.redis.socket)
    proxy.elsewhere = {2: other.socket}
    node.agent_url = proxy.url.replace("redis://", "redis://agent:secret@")
    try:
        node.start_agent(ready=False)
        eventually(lambda: "it reached another server than the connection that reads" in node.agent.log, "the agent notices")
        node.wait("--ready")
        node.put("m.py", "X = 2\n")
        assert node.execute("import m; answer = [m.X, execution.source]") == [2, "shm"]
    finally:
        proxy.close()
