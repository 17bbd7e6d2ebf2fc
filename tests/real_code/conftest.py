"""A node that has mirrored the distributions; see tests/shim/shim_node.py."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "shim"))
sys.path.append(str(HERE))

from real_distributions import DIST_PACKAGES, DISTRIBUTIONS, PATIENCE_S  # noqa: E402
from shim_node import BUILD_DIR, WORKSPACE, Node, wait_until  # noqa: E402


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
def mirrored_node(tree, tmp_path_factory, request):
    node = Node(tmp_path_factory.mktemp("node"))
    node.workspace = WORKSPACE
    node.loads = {"source": "source", "shared": "code"}[request.param]
    try:
        node.start_redis()
        node.start_agent(*AGENT_ARGUMENTS[request.param])
        cachectl(node, "push", tree)
        cachectl(node, "wait", "--fresh", "--timeout", f"{PATIENCE_S}s")
        if request.param == "shared":
            wait_until(lambda: everything_is_compiled(node), "all code", PATIENCE_S)
        yield node
    finally:
        node.close()


def cachectl(node, *arguments, check=True):
    done = subprocess.run(
        [BUILD_DIR / "bin" / "bifrost-cachectl", *arguments],
        env=node.environment(),
        check=check,
        timeout=PATIENCE_S,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return done.stdout


def everything_is_compiled(node):
    # 5, with the same JSON, while a busy machine lets the lease lapse.
    status = json.loads(cachectl(node, "status", "-o", "json", check=False))
    return status["code"] and min(status["code"].values()) >= status["modules"]
