"""A real Prometheus scrapes a real agent: every panel of the dashboard has data, every alert rule can be evaluated, and
each alert fires where it should (alert_rules.yaml, by promtool). Debian's prometheus is 110 MB installed, so it is in a
group of tools/install-deps of its own."""

import json
import math
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml
from harness import PATIENCE_S, REPOSITORY, end, eventually, expect, free_port, start
from http_client import address_of, get

DEPLOY = REPOSITORY / "deploy"
RULES = DEPLOY / "prometheus" / "bifrost-cache.rules.yaml"
CASES = REPOSITORY / "tests" / "system" / "alert_rules.yaml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "bifrost-cache.json").read_text())
# What Grafana would put into a panel's query: of a scrape every 200 ms a rate needs no more than this.
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*"}
WORKFLOW = """
from bifrost_cache.zygote import Zygote
with Zygote() as zygote:
    answer = [zygote.execute("shared.halopsa:version") for _ in range(2)]
"""
missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: tools/install-deps monitoring installs it")


class Prometheus:
    """With the scrape configuration and the rules of deploy/, but for the address and the pace."""

    def __init__(self, directory, agent_address):
        config = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text())
        config["global"] = {"evaluation_interval": "200ms", "scrape_timeout": "200ms"}
        config["rule_files"] = [str(RULES)]
        (job,) = config["scrape_configs"]
        job["scrape_interval"] = "200ms"
        job["static_configs"] = [{"targets": [agent_address]}]
        file = directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        self.address = f"127.0.0.1:{free_port()}"
        self._log = directory / "prometheus.log"
        with open(self._log, "wb") as log:
            self.process = start(["prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'tsdb'}",
                                  f"--web.listen-address={self.address}"], stdout=log, stderr=log)
        eventually(self._is_ready, "Prometheus is ready")

    def _is_ready(self):
        expect(self.process.poll() is None, f"Prometheus ended: {self._log.read_text()}")
        try:
            return get(self.address, "/-/ready")[0] == 200
        except OSError:
            return False

    def api(self, path, **parameters):
        """The data of an answer; Failed with Prometheus' words when it refuses the question."""
        status, _, body = get(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        expect(status == 200, f"{parameters}: {body}")
        return json.loads(body)["data"]

    def has_data(self, query):
        return any(math.isfinite(float(sample["value"][1])) for sample in self.api("query", query=query)["result"])

    def close(self):
        end(self.process)


@pytest.fixture
def prometheus(node):
    """Of a node that is in use: modules, edits, executions, forks of templates."""
    node.put("shared/halopsa.py", "def version():\n    return 1\n")
    node.start_agent("--metrics", "127.0.0.1:0")
    node.execute("import shared.halopsa")
    node.execute(WORKFLOW)
    prometheus = Prometheus(node.directory, address_of(node.agent))
    yield prometheus
    prometheus.close()


def panel_queries():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            yield panel["title"], query


def test_every_panel_of_the_dashboard_has_data(node, prometheus):
    waiting = list(panel_queries())
    assert len(waiting) > 30
    edits = iter(range(10**6))

    def all_have_data():
        node.put("shared/halopsa.py", f"def version():\n    return {next(edits)}\n")  # what rates and quantiles are about
        waiting[:] = [(title, query) for title, query in waiting if not prometheus.has_data(query)]
        return not waiting

    try:
        eventually(all_have_data, "every panel has data")
    except AssertionError:
        pytest.fail(f"panels without data: {waiting}")


def test_prometheus_evaluates_every_rule(prometheus):
    def rules():
        found = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        return found if found and all(rule["health"] != "unknown" for rule in found) else None

    evaluated = eventually(rules, "every rule is evaluated")
    assert {rule["name"]: rule.get("lastError", "") for rule in evaluated if rule["health"] != "ok"} == {}
    assert {rule["name"] for rule in evaluated} == alerts()
    assert [rule["name"] for rule in evaluated if rule["state"] == "firing"] == []


def alerts():
    return {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}


def test_each_alert_fires_where_it_should_and_on_no_healthy_node(tmp_path):
    cases = yaml.safe_load(CASES.read_text())
    fired = {name for test in cases["tests"] for query in test["promql_expr_test"] for sample in query["exp_samples"]
             for name in alerts() if f'"{name}"' in sample["labels"]}
    assert fired == alerts(), "alert_rules.yaml has no case for these"
    shutil.copy(RULES, tmp_path)
    shutil.copy(CASES, tmp_path)
    tested = subprocess.run(["promtool", "test", "rules", tmp_path / CASES.name], capture_output=True, text=True, timeout=PATIENCE_S)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_promtool_accepts_rules_and_metrics(node):
    node.start_agent("--metrics", "127.0.0.1:0")
    assert subprocess.run(["promtool", "check", "rules", RULES], capture_output=True).returncode == 0
    page = get(address_of(node.agent), "/metrics")[2]
    checked = subprocess.run(["promtool", "check", "metrics"], input=page.encode(), capture_output=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
