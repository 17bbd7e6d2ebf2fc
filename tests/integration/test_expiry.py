"""Where the platform's store is the truth: `--on-expiry drop` beside complete=False."""

import pathlib

import pytest
from harness import eventually
from harness.worker import WorkerRaised
from store_api import StoreApi

PREFIX = "bifrost:module:"


@pytest.fixture
def node(redis_node):
    redis_node.start_agent("--on-expiry", "drop")
    return redis_node


@pytest.fixture
def api(node):
    api = StoreApi(node, chance=0)
    yield api
    api.close()


@pytest.fixture
def talk(node, api):
    def worker(**environment):
        worker = node.worker(BIFROST_COMPLETE="0", **environment)
        worker.do(f"import warnings; sys.path.append({str(pathlib.Path(__file__).parent)!r}); import store_client")
        worker.do(f"b.install_virtual_import_hook(fallback=store_client.StoreClient({api.port}))")
        return worker

    return worker


def expire(node, path):
    eventually(lambda: node.cachectl("exists", path).returncode == 0, "the agent has mirrored it")
    node.redis.let_expire(PREFIX + path)
    eventually(lambda: not node.redis.client().exists(PREFIX + path), "the key has expired")
    eventually(lambda: node.cachectl("exists", path).returncode == 4, "the agent has dropped it")


IMPORT = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    b.begin_execution()
    import m
answer = [m.X, [str(w.message) for w in caught if "fallback.resolve failed" in str(w.message)] != []]
"""


def test_an_expired_module_is_asked_of_the_platform_again(node, api, talk):
    api.write("m.py", "X = 1\n", cached=True)
    api.write("gone.py", "X = 1\n", cached=True)
    worker = talk()
    assert worker.do(IMPORT) == [1, False]
    api.files["m.py"] = "X = 2\n"  # a signed upload: no key is touched
    del api.files["gone.py"]  # a git deletion
    expire(node, "m.py")
    expire(node, "gone.py")
    assert worker.do(IMPORT) == [2, False]
    assert worker.error_of("import gone").startswith("ModuleNotFoundError")


def test_while_the_platform_fails_the_last_known_body_is_served_and_flagged(node, api, talk):
    api.write("pkg/__init__.py", "", cached=True)
    api.write("pkg/m.py", "X = 1\n", cached=True)
    api.write("m.py", "X = 7\n", cached=True)
    for path in ("pkg/__init__.py", "pkg/m.py", "m.py"):
        expire(node, path)
    api.broken = True
    worker = talk()
    assert worker.do(IMPORT) == [7, True]
    assert worker.do("import pkg.m; answer = [pkg.m.X, b.stats()['stale_serves']]") == [1, 3]
    api.broken = False
    api.files["m.py"] = "X = 8\n"
    assert talk().do(IMPORT) == [8, False]


def test_what_was_deleted_stays_deleted_while_the_platform_fails(node, api, talk):
    api.write("m.py", "X = 1\n", cached=True)
    node.wait("--fresh")
    api.remove("m.py")
    node.wait("--fresh")
    api.broken = True
    with pytest.raises(WorkerRaised) as failed:
        talk().do(IMPORT)
    assert failed.value.name == "ImportError" and "503" in failed.value.text


def test_the_last_known_body_is_refused_where_the_policy_says_so(node, api, talk):
    api.write("m.py", "X = 1\n", cached=True)
    expire(node, "m.py")
    api.broken = True
    with pytest.raises(WorkerRaised) as failed:
        talk(BIFROST_ON_STALE="error").do(IMPORT)
    assert failed.value.name == "ImportError" and "BIFROST_ON_STALE=error forbids" in failed.value.text


def test_what_an_agent_before_retained_goes(node):
    node.agent.stop()
    node.start_agent("--on-expiry", "retain")
    node.put("a.py", "X = 1\n")
    eventually(lambda: node.cachectl("exists", "a.py").returncode == 0, "the agent has mirrored it")
    node.redis.let_expire(PREFIX + "a.py")
    eventually(lambda: node.cachectl.json("status")["retained"] == 1, "the agent retains it")
    node.agent.stop()
    node.start_agent("--on-expiry", "drop")
    eventually(lambda: node.cachectl("exists", "a.py").returncode == 4, "the agent has dropped it")
