"""Two small platforms, integrated as docs/integration.md says: what their own hooks got right must be right here."""

import json
import pathlib
import sys

import pytest
from harness import PACKAGE
from harness.conversation import Conversation

HERE = pathlib.Path(__file__).parent
OWN_AND_SHARED = ["_solutions/s/", ""]
FLOW = """\
def main():
    from modules.deep.er import util
    return util.WHOSE

def installed():
    import bifrost
    return bifrost.WHOSE

def fails():
    return 1 / 0
"""


class Platform:
    def __init__(self, node, api, program, site):
        path = f"{PACKAGE}:{HERE}:{site}"
        environment = node.environment(PLATFORM_PORT=str(api.port), PYTHONPATH=path)
        self._talk = Conversation([sys.executable, str(HERE / program)], env=environment, cwd=node.directory)

    def tell(self, **line):
        self._talk.tell(json.dumps(line))
        return json.loads(self._talk.hear())

    def run(self, function="main", entry="workflows/my-flow.py", roots=OWN_AND_SHARED):
        return self.tell(entry=entry, function=function, roots=roots)

    def close(self):
        self._talk.close()


@pytest.fixture
def site(tmp_path):
    """Where the platform's own packages are installed."""
    (tmp_path / "bifrost").mkdir()
    (tmp_path / "bifrost" / "__init__.py").write_text("WHOSE = 'installed'\n")
    return tmp_path


@pytest.fixture
def store(api):
    api.write("_solutions/s/modules/deep/er/util.py", "WHOSE = 'own'\n", cached=False)
    api.write("modules/deep/er/util.py", "WHOSE = 'shared'\n", cached=True)
    api.write("workflows/my-flow.py", FLOW, cached=False)
    return api


@pytest.fixture(params=["spawning_platform.py", "forking_platform.py"])
def platform(request, node, store, site):
    platform = Platform(node, store, request.param, site)
    if request.param == "forking_platform.py":
        platform.tell(roots=OWN_AND_SHARED, warm=["modules.deep.er.util"])
    yield platform
    platform.close()


def test_the_solutions_own_module_runs_although_it_is_not_cached(platform):
    assert platform.run()["result"] == "own"
    assert platform.run(roots=[""])["result"] == "shared"


def test_what_was_read_through_is_in_the_mirror_for_the_next_execution(platform, store, node):
    assert platform.run()["result"] == "own"
    node.wait("--fresh")
    platform.run()
    store.take_questions()
    assert platform.run()["result"] == "own"
    asked = store.take_questions()
    directories = {(root, name) for root in OWN_AND_SHARED for name in ("modules", "modules.deep", "modules.deep.er")}
    assert set(asked) <= directories | {("_solutions/s/", "workflows.my-flow")}, "which that root does not have"
    most = max(asked.count(question) for question in asked)
    assert most <= 3, "once by the execution, once each by a template's warm() before and after it"


def test_a_stray_directory_does_not_hide_the_platforms_own_package(platform, store):
    store.write("bifrost/x.py", "", cached=True)
    assert platform.run("installed")["result"] == "installed"
    assert "bifrost" not in {name for _, name in store.take_questions()}


def test_while_the_platforms_api_is_down_nothing_else_runs_in_its_place(platform, store, node):
    node.redis.client().delete("bifrost:module:_solutions/s/modules/deep/er/util.py")
    node.redis.client().srem("bifrost:module:index", "_solutions/s/modules/deep/er/util.py")
    node.wait("--fresh")
    store.broken = True
    answer = platform.run()
    assert answer["error"] == "ImportError" and "the platform answers 503" in answer["cause"]


def test_an_edit_is_seen_by_the_next_execution(platform, store):
    assert platform.run()["result"] == "own"
    store.write("_solutions/s/modules/deep/er/util.py", "WHOSE = 'edited'\n", cached=False)
    assert platform.run()["result"] == "edited"
    store.write("_solutions/s/modules/deep/er/util.py", "WHOSE = 'again'\n", cached=True)
    assert platform.run()["result"] == "again"
    store.remove("_solutions/s/modules/deep/er/util.py")
    assert platform.run()["result"] == "shared"


def test_a_failing_workflow_shows_its_own_lines(platform):
    assert platform.run("fails")["traceback"].splitlines()[-3].strip() == "return 1 / 0"


def test_a_template_keeps_its_modules_while_the_store_says_the_same(node, store, site):
    platform = Platform(node, store, "forking_platform.py", site)
    try:
        warmed = platform.tell(roots=OWN_AND_SHARED, warm=["modules.deep.er.util"])
        assert warmed == {"warm": ["modules.deep.er.util"], "skipped": {}}
        for _ in range(3):
            answer = platform.run()
            assert (answer["result"], answer["evicted"]) == ("own", [])
        store.write("_solutions/s/modules/deep/er/util.py", "WHOSE = 'edited'\n", cached=False)
        assert platform.run()["result"] == "edited"
    finally:
        platform.close()
