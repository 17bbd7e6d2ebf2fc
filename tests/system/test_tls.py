"""Redis over TLS: who is trusted, who is not, and that everything else works as without."""

import pytest
from certificates import Authority
from harness import Node, eventually, free_port

IMPORT = "from shared import halopsa; answer = [halopsa.VERSION, execution.source]"


class Secured:
    """A node whose Redis also listens with TLS and wants a certificate from its clients."""

    def __init__(self, directory, *arguments):
        self.authority = Authority(directory)
        certificate, key = self.authority.issue("server", "IP:127.0.0.1")
        self.client, self.client_key = self.authority.issue("client", "DNS:agent")
        self.port = free_port()
        self.node = Node("--tls-port", str(self.port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
                         "--tls-ca-cert-file", str(self.authority.certificate), "--tls-auth-clients", "yes", *arguments)
        self.node.redis.start()

    def url(self, ca=None, host="127.0.0.1", more="", known=True):
        own = f"&cert={self.client}&key={self.client_key}" if known else ""
        return f"rediss://{host}:{self.port}/0?ca={ca or self.authority.certificate}{own}{more}"


@pytest.fixture
def secured(tmp_path, request):
    it = Secured(tmp_path, *getattr(request, "param", ()))
    try:
        yield it
    finally:
        it.node.close()


# In 1.2 the server answers twice before the handshake is over.
@pytest.mark.parametrize("secured", [("--tls-protocols", "TLSv1.2"), ("--tls-protocols", "TLSv1.3")], ids=["1.2", "1.3"],
                         indirect=True)
def test_agent_workers_and_tool_talk_to_redis_over_tls(secured):
    node = secured.node
    node.agent_url = secured.url()
    for i in range(200):
        node.put(f"many/m{i}.py", f"X = {i}\n" + "#" * 40_000)
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--max-size", "256M")
    node.wait("--fresh")
    assert "redis=rediss://127.0.0.1" in node.agent.log
    assert node.run(IMPORT) == [1, "shm"]
    node.put("shared/halopsa.py", "VERSION = 2\n")
    assert node.run(IMPORT) == [2, "shm"]
    assert node.run("from many import m199; answer = m199.X") == 199
    difference = node.cachectl("--redis-url", secured.url(), "diff")
    assert difference.returncode == 0, difference
    node.agent.kill()
    node.put("shared/halopsa.py", "VERSION = 3\n")
    assert node.run(IMPORT, BIFROST_REDIS_URL=secured.url()) == [3, "redis"]


def test_a_lost_connection_is_taken_up_again_and_nothing_is_missed(secured):
    node = secured.node
    node.agent_url = secured.url()
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent()
    node.wait("--fresh")
    client = node.redis.client()
    client.client_kill_filter(_type="pubsub")
    node.put("shared/halopsa.py", "VERSION = 2\n")
    eventually(lambda: node.agent.log.count("event=synced") == 2, "the agent is back")
    node.wait("--fresh")
    assert node.run(IMPORT) == [2, "shm"]


@pytest.mark.parametrize(("mistake", "reason"), [
    ("authority", "certificate is not accepted"),
    ("name", "certificate is not accepted"),
    ("unknown client", "TLS|closed the connection|reset"),
    ("file", "cannot be used"),
])
def test_whoever_is_not_to_be_trusted_is_not_spoken_to(secured, tmp_path, mistake, reason):
    node = secured.node
    node.put("shared/halopsa.py", "VERSION = 1\n")
    url = {"authority": lambda: secured.url(ca=Authority(tmp_path / "other", "stranger").certificate),
           "name": lambda: secured.url(more="&name=another.host"),
           "unknown client": lambda: secured.url(known=False),
           "file": lambda: secured.url(ca=tmp_path / "missing.pem")}[mistake]()
    node.agent_url = url
    node.start_agent(ready=False)
    eventually(lambda: any(r in node.agent.log for r in reason.split("|")), f"the agent says why: {reason}")
    assert "event=subscribed" not in node.agent.log
    source = node.run("try:\n    from shared import halopsa\n    answer = 'imported'\nexcept ImportError as e:\n    answer = str(e)",
                      BIFROST_REDIS_URL=url)
    assert any(r in source for r in reason.split("|")), source
