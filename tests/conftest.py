"""For all tests: this directory is on sys.path (`import harness`), and what failed tests leave is below the build directory."""

import os
import pathlib
import shutil

import pytest
from harness import BUILD, Node

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """A directory of this process, beside those of processes that run now. What earlier ones left goes."""
    if config.option.basetemp is None and BUILD.is_dir():
        home = BUILD / "pytest"
        home.mkdir(exist_ok=True)
        for left in home.iterdir():
            if not os.path.exists(f"/proc/{left.name}"):
                shutil.rmtree(left, ignore_errors=True)
        config.option.basetemp = home / str(os.getpid())


# Processes take whole files in this order: one that takes minutes should not be the last to begin.
LONGEST = ("test_nemesis.py", "test_zygote_life.py", "test_real_code.py", "test_syscall_failures.py", "test_shown_commands.py",
           "test_fork.py", "test_scripts.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


# pytest 7.3 has a setting for this; Debian 12 has 7.2.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        item.stash[FAILED] = True
        nodes = {value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Node)}
        report.sections += [("what ran on the node", node.log_tail()) for node in nodes if node.directory.is_dir()]
    if report.when == "teardown" and not item.stash.get(FAILED, False) and "tmp_path" in getattr(item, "funcargs", {}):
        shutil.rmtree(item.funcargs["tmp_path"], ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Directories of whole files go when nothing failed; so do pytest's links to directories that are gone."""
    base = session.config.option.basetemp
    if base is None or not os.path.isdir(base):
        return
    if session.testsfailed == 0:
        shutil.rmtree(base, ignore_errors=True)
        return
    for link in pathlib.Path(base).iterdir():
        if link.is_symlink() and not link.exists():
            link.unlink()


@pytest.fixture
def bare_node():
    """A node on which nothing runs."""
    node = Node()
    yield node
    node.close()


@pytest.fixture
def redis_node(bare_node):
    """A node with Redis and no agent."""
    bare_node.redis.start()
    return bare_node
