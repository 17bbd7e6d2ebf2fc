"""Random stores, split between Redis and the platform's API: every import equals "roots in order, full content"."""

import os
import pathlib
import random

import pytest
from store_api import StoreApi, what_is

SEED = int(os.environ.get("BIFROST_SEED", random.SystemRandom().randrange(10**6)))
EXECUTIONS = int(os.environ.get("BIFROST_EXECUTIONS", "60"))
IMPORTS = 12
SCOPES = (["_solutions/a/", ""], ["_solutions/b/"], ["_workspace_releases/17/", "_solutions/a/", ""], [""])
ROOTS = ("_solutions/a/", "_solutions/b/", "_workspace_releases/17/", "")
PARTS = ("alpha", "beta", "gamma")

# What a name is to an execution: kind, and the path that ran or the directories of a namespace.
DESCRIBE = """
import importlib, store_client
def described(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        return ["absent", None]
    if not hasattr(module, "WHICH"):
        prefix = b._shim.effective_settings()["workspace"] + "/"
        return ["namespace", [entry.removeprefix(prefix) for entry in module.__path__]]
    return ["package" if hasattr(module, "__path__") else "module", [module.__storage_path__, module.WHICH]]
"""


def modelled(files, roots, name):
    """The same from the whole content."""
    directories = [root.rstrip("/") for root in roots]
    answer = ("absent", None)
    for part in name.split("."):
        found = [(d, *what_is(files, d + "/" if d else "", part)) for d in directories]
        found = [(d + "/" + part if d else part, kind, path) for d, kind, path in found if kind != "absent"]
        if not found:
            return ["absent", None]
        _, kind, path = found[0]
        if kind == "namespace":
            directories = [directory for directory, kind, _ in found if kind == "namespace"]
            answer = [kind, directories]
        else:
            directories = [found[0][0]] if kind == "package" else []
            answer = [kind, [path, files[path]]]
    return [answer[0], [answer[1][0], which_of(answer[1][1])]] if answer[0] in ("package", "module") else list(answer)


def source(which):
    return f"WHICH = {which}\n"


def which_of(text):
    return int(text.split("=")[1])


class Writer:
    """Changes the store at random. No root holds a package and a module of one name: docs/design/0064."""

    def __init__(self, api, rng):
        self.api, self.rng, self.number = api, rng, 0

    def change(self):
        paths = sorted(self.api.files)
        if paths and self.rng.random() < 0.3:
            return self.api.remove(self.rng.choice(paths))
        parts = [self.rng.choice(PARTS) for _ in range(self.rng.randint(1, 3))]
        base = self.rng.choice(ROOTS) + "/".join(parts)
        kinds = [base + ".py", base + "/__init__.py"]
        path = self.rng.choice(kinds)
        kinds.remove(path)
        if kinds[0] not in self.api.files:
            self.number += 1
            self.api.write(path, source(self.number), cached=self.rng.random() < 0.5)


@pytest.fixture
def api(node):
    api = StoreApi(node, chance=0.5, seed=SEED)
    yield api
    api.close()


def test_every_import_equals_the_plain_model(node, api):
    rng = random.Random(SEED)
    writer = Writer(api, rng)
    for _ in range(40):
        writer.change()
    workers = [node.worker(BIFROST_COMPLETE="0") for _ in range(2)]
    for worker in workers:
        worker.do(f"sys.path.append({str(pathlib.Path(__file__).parent)!r})" + DESCRIBE)
        worker.do(f"b.install_virtual_import_hook(fallback=store_client.StoreClient({api.port}))")
    seen = set()
    for execution in range(EXECUTIONS):
        for _ in range(rng.randint(0, 4)):
            writer.change()
        worker, roots = rng.choice(workers), rng.choice(SCOPES)
        names = [".".join(rng.choice(PARTS) for _ in range(rng.randint(1, 3))) for _ in range(IMPORTS)]
        api.take_questions()
        answers = worker.do(f"b.begin_execution(roots={roots!r}); answer = [described(n) for n in {names!r}]")
        expected = [modelled(api.files, roots, name) for name in names]
        assert answers == expected, f"BIFROST_SEED={SEED}, execution {execution}: {roots} {names}\n{sorted(api.files)}"
        asked = api.take_questions()
        assert len(asked) == len(set(asked)), f"BIFROST_SEED={SEED}: asked twice in one execution"
        assert {root for root, _ in asked} <= set(roots)
        seen.update(kind for kind, _ in expected)
    assert seen == {"absent", "namespace", "package", "module"}
