"""A node that has mirrored the distributions; see tests/harness."""

import os
import pathlib
import shutil
import sys

import pytest
from harness import WORKSPACE, running_node

sys.path.append(str(pathlib.Path(__file__).resolve().parent))

from real_distributions import DIST_PACKAGES, DISTRIBUTIONS, PATIENCE_S  # noqa: E402


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A directory with the sources of the distributions, and nothing else."""
    tree = tmp_path_factory.mktemp("tree")
    for name in DISTRIBUTIONS:
        shutil.copytree(DIST_PACKAGES / name, tree / name, ignore=all_but_source)
    return tree


def all_but_source(directory, names):
    paths = {name: os.path.join(directory, name) for name in names}
    return [n for n, path in paths.items() if n == "__pycache__" or not (n.endswith(".py") or os.path.isdir(path))]


# What workers execute: source, or code objects that the agent had compiled. BIFROST_TEST_CODE=source or shared: only that.
AGENT_ARGUMENTS = {"source": [], "shared": ["--python", sys.executable]}


@pytest.fixture(scope="session", params=os.environ.get("BIFROST_TEST_CODE", "source,shared").split(","))
def mirrored_node(tree, request):
    with running_node(workspace=WORKSPACE) as node:
        node.loads = {"source": "source", "shared": "code"}[request.param]
        node.start_agent(*AGENT_ARGUMENTS[request.param])
        node.cachectl("push", tree, check=True, timeout=PATIENCE_S)
        node.cachectl("wait", "--fresh", "--timeout", f"{PATIENCE_S}s", check=True, timeout=PATIENCE_S)
        if request.param == "shared":
            node.wait_for_code(patience=PATIENCE_S)
        yield node
