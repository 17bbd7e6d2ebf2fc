"""One node for all of a file's tests: Redis, agent, segment; see tests/harness."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from harness import Cachectl, running_node

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_S = 300


# What is executed: source, or code objects that the agent had compiled. BIFROST_TEST_CODE=source or shared: only that.
@pytest.fixture(scope="module", params=os.environ.get("BIFROST_TEST_CODE", "source,shared").split(","))
def node(request):
    with running_node() as node:
        node.shares_code = request.param == "shared"
        node.start_agent(*(["--python", sys.executable] if node.shares_code else []))
        yield node


@pytest.fixture
def run_child(node, tmp_path):
    """Runs child.py on the node; returns its report."""

    def run(mode, name, *ids):
        workspace, elsewhere, report = tmp_path / "workspace", tmp_path / "elsewhere", tmp_path / "report.json"
        for directory in (workspace, elsewhere):
            directory.mkdir(exist_ok=True)
        environment = node.environment(BIFROST_WORKSPACE=str(workspace))
        if node.shares_code:
            environment["CACHECTL_FOR_CODE"] = str(Cachectl.program)
        with open(tmp_path / "output", "wb") as output:
            done = subprocess.run(
                [sys.executable, HERE / "child.py", mode, name, report, *ids],
                env=environment,
                cwd=workspace if mode == "mirror" else elsewhere,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_S,
            )
        assert done.returncode == 0, (tmp_path / "output").read_text(errors="replace")
        return json.loads(report.read_text())

    return run
