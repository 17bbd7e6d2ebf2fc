"""/metrics, /livez and /readyz of a real agent; dashboard and alert rules against what is really exported."""

import json
import re
import socket

import pytest
import yaml
from harness import PATIENCE_S, REPOSITORY, eventually
from http_client import address_of, families, get, samples

DEPLOY = REPOSITORY / "deploy"
NAME = re.compile(r"\b((?:bifrost|process)_[a-z_]+)\b")


@pytest.fixture
def scraped(node):
    """A live node whose agent answers HTTP."""
    node.put("shared/halopsa.py", "VERSION = 1\n")
    node.start_agent("--metrics", "127.0.0.1:0")
    node.address = address_of(node.agent)
    return node


def page(node):
    status, kind, body = get(node.address, "/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return body


def test_counters_are_those_of_stats_by_name_value_and_help(scraped):
    scraped.put("shared/halopsa.py", "VERSION = 2\n")
    scraped.wait("--fresh")
    counters = json.loads(scraped.cachectl("stats", "-o", "json").stdout)["counters"]
    body = page(scraped)
    types, values = families(body), samples(body)
    for name, value in counters.items():
        assert types[f"bifrost_{name}"] == "counter", name
        assert values[f"bifrost_{name}"][""] >= value, name
    assert values["bifrost_updates_total"][""] == 2
    assert "# HELP bifrost_updates_total versions published\n" in body


def test_gauges_say_what_status_says(scraped):
    status = scraped.status()
    values = samples(page(scraped))
    assert values["bifrost_ready"][""] == 1
    assert values["bifrost_redis_connected"][""] == 1
    assert values["bifrost_modules"][""] == status["modules"] == 1
    assert values["bifrost_segment_size_bytes"][""] == status["memory"]["size"]
    assert values["bifrost_segment_max_bytes"][""] == 4 << 30
    assert values["bifrost_state"]['state="live"'] == 1
    assert sum(values["bifrost_state"].values()) == 1
    labels = next(iter(values["bifrost_build_info"]))
    assert f'version="{status["agent"]["version"]}"' in labels
    assert values["process_open_fds"][""] > 0


def test_every_update_and_every_fence_is_in_its_histogram(scraped):
    before = samples(page(scraped))
    for n in range(5):
        scraped.put("shared/halopsa.py", f"VERSION = {n + 10}\n")
        scraped.wait("--fresh")
    after = samples(page(scraped))
    assert after["bifrost_update_delay_seconds_count"][""] >= before["bifrost_update_delay_seconds_count"][""] + 5
    assert after["bifrost_fence_seconds_count"][""] == after["bifrost_fences_total"][""]
    assert after["bifrost_fence_seconds_sum"][""] > 0
    assert after["bifrost_fence_seconds_bucket"]['le="+Inf"'] == after["bifrost_fence_seconds_count"][""]


def test_no_label_grows_with_the_modules(scraped):
    def labels():
        return {(name, label) for name, by_label in samples(page(scraped)).items() for label in by_label}

    before = labels()
    for n in range(50):
        scraped.put(f"many/m{n}.py", "")
    scraped.wait("--fresh")
    assert labels() == before


def test_names_and_units_follow_the_conventions(scraped):
    for name, kind in families(page(scraped)).items():
        assert name.startswith(("bifrost_", "process_")), name
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|us|ns|kb|mb|percent)\b", name), name


def test_ready_follows_redis_and_alive_does_not(scraped):
    assert get(scraped.address, "/readyz")[0] == 200
    assert json.loads(get(scraped.address, "/readyz?verbose")[2])["checks"]["lease_valid"] is True
    scraped.redis.stop()
    eventually(lambda: get(scraped.address, "/readyz")[0] == 503, "the lease lapses")
    assert json.loads(get(scraped.address, "/readyz")[2])["ready"] is False
    assert get(scraped.address, "/livez")[0] == get(scraped.address, "/healthz")[0] == 200
    assert samples(page(scraped))["bifrost_redis_connected"][""] == 0
    scraped.redis.start()
    eventually(lambda: get(scraped.address, "/readyz")[0] == 200, "ready again")


def test_other_requests_are_refused_and_cost_nothing(scraped):
    host, port = scraped.address.rsplit(":", 1)

    def raw(request):
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
            client.sendall(request)
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
            return answer.split(b"\r\n")[0]

    assert raw(b"GET /etc/passwd HTTP/1.1\r\n\r\n") == b"HTTP/1.1 404 Not Found"
    assert raw(b"POST /metrics HTTP/1.1\r\n\r\n") == b"HTTP/1.1 405 Method Not Allowed"
    assert raw(b"\x00\xff garbage\r\n\r\n") == b"HTTP/1.1 400 Bad Request"
    assert raw(b"GET /" + 9000 * b"x") == b"HTTP/1.1 400 Bad Request"
    assert raw(b"HEAD /livez HTTP/1.0\r\n\r\n") == b"HTTP/1.1 200 OK"
    silent = [socket.create_connection((host, int(port))) for _ in range(100)]
    try:
        eventually(lambda: _answers(scraped), "an answer beside 100 silent clients")
        assert scraped.status()["ready"]
    finally:
        for client in silent:
            client.close()


def test_a_probe_is_answered_beside_any_number_of_clients_that_ask_half(scraped):
    host, port = scraped.address.rsplit(":", 1)
    rude = []
    try:
        for _ in range(512):
            rude.append(socket.create_connection((host, int(port))))
            rude[-1].sendall(b"G")
        for _ in range(3):  # a probe of Kubernetes: three failures, and the agent is restarted
            assert _answers(scraped)
            rude.append(socket.create_connection((host, int(port))))
            rude[-1].sendall(b"G")
    finally:
        for client in rude:
            client.close()


def _answers(node):
    try:
        return get(node.address, "/livez")[0] == 200
    except OSError:
        return False


def test_a_flood_from_one_address_takes_no_place_from_another(scraped):
    """However slow the other one is: it was here first, and has asked half."""
    def client_from(source):
        client = socket.create_connection(("127.0.0.1", int(scraped.address.rsplit(":", 1)[1])), PATIENCE_S, (source, 0))
        client.sendall(b"GET /livez HTT")
        return client
    slow = client_from("127.0.0.2")
    flood = [client_from("127.0.0.3") for _ in range(600)]
    try:
        assert flood[0].recv(1) == b"", "places have run out"
        slow.sendall(b"P/1.0\r\n\r\n")
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
    finally:
        for client in [slow, *flood]:
            client.close()


def test_an_address_that_is_taken_ends_the_agent_with_1(node):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = node.start_agent("--metrics", f"127.0.0.1:{taken.getsockname()[1]}", ready=False)
        assert agent.process.wait(PATIENCE_S) == 1
        assert "address already in use" in agent.log


def test_an_agent_whose_address_is_taken_leaves_the_segment_as_it_is(live):
    live.agent.kill()
    before = {file.name: (file.stat().st_ino, file.stat().st_size) for file in live.segment_dir.iterdir()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        agent = live.start_agent("--metrics", f"127.0.0.1:{taken.getsockname()[1]}", ready=False)
        assert agent.process.wait(PATIENCE_S) == 1
    assert {file.name: (file.stat().st_ino, file.stat().st_size) for file in live.segment_dir.iterdir()} == before


def test_http_is_off_unless_asked_for(live):
    assert "event=metrics" not in live.agent.log


# --- deploy/ --------------------------------------------------------------------------------------------------------


def exported(node):
    names = set()
    for name, kind in families(page(node)).items():
        names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return names


def test_the_dashboard_asks_only_for_what_is_exported(scraped):
    dashboard = json.loads((DEPLOY / "grafana" / "bifrost-cache.json").read_text())
    asked = {name for panel in dashboard["panels"] for target in panel.get("targets", [])
             for name in NAME.findall(target["expr"])}
    assert len(asked) > 15
    assert asked <= exported(scraped)
    assert {v["name"] for v in dashboard["templating"]["list"]} == {"datasource", "instance"}


def test_the_alerts_ask_only_for_what_is_exported_and_are_all_explained(scraped):
    rules = yaml.safe_load((DEPLOY / "prometheus" / "bifrost-cache.rules.yaml").read_text())
    manual = (REPOSITORY / "docs" / "operations.md").read_text()
    names = exported(scraped)
    for rule in rules["groups"][0]["rules"]:
        used = set(NAME.findall(rule["expr"]))
        assert used <= names and (used or "up{" in rule["expr"]), rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys()
        assert f"`{rule['alert']}`" in manual, f"docs/operations.md does not say what to do about {rule['alert']}"
