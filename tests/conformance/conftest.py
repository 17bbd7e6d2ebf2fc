"""One node for all of a file's tests: Redis, agent, segment; see tests/shim/shim_node.py."""

import json
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "shim"))

from shim_node import Node  # noqa: E402

PATIENCE_S = 300


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("node"))
    try:
        node.start_redis()
        node.start_agent()
        yield node
    finally:
        node.close()


@pytest.fixture
def run_child(node, tmp_path):
    """Runs child.py on the node; returns its report."""

    def run(mode, name, *ids):
        workspace, elsewhere, report = tmp_path / "workspace", tmp_path / "elsewhere", tmp_path / "report.json"
        for directory in (workspace, elsewhere):
            directory.mkdir(exist_ok=True)
        environment = node.environment(BIFROST_WORKSPACE=str(workspace))
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
