"""Real distributions, imported module by module from the mirror and from disk: nobody can tell which.

By default some modules of each distribution; all of them with BIFROST_REAL_CODE=all. BIFROST_TEST_CODE=source,shared
says what workers execute: source, or code that the agent had compiled.
"""

import json
import os
import subprocess
import sys

import pytest
from real_distributions import DISTRIBUTIONS, PATIENCE_S, modules_of

HERE = os.path.dirname(os.path.abspath(__file__))


def survey(node, tmp_path, kind, root, names):
    report = tmp_path / f"{kind}.json"
    environment = node.environment(PYTHONHASHSEED="0", PYTHONWARNINGS="ignore", HOME=str(tmp_path))
    with open(tmp_path / f"{kind}.output", "wb") as output:
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "survey.py"), kind, root, report, *names],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
        )
    assert done.returncode == 0, (tmp_path / f"{kind}.output").read_text(errors="replace")
    return json.loads(report.read_text())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_imports_from_the_mirror_are_those_from_disk(mirrored_node, tree, tmp_path, distribution):
    names = modules_of(tree, distribution)
    disk = survey(mirrored_node, tmp_path, "disk", tree, names)
    mirror = survey(mirrored_node, tmp_path, "mirror", mirrored_node.workspace, names)
    failed = [name for name, seen in disk["modules"].items() if "error" in seen]
    assert len(failed) < len(names) / 2, disk["modules"]
    different = {
        name: {what: (seen.get(what), mirror["modules"][name].get(what)) for what in seen}
        for name, seen in disk["modules"].items()
        if seen != mirror["modules"][name]
    }
    assert different == {}, json.dumps(different, indent=1)[:5000]
    loaded = [name for name in names if name not in failed and name in mirror["sources"]]
    assert len(loaded) >= 0.9 * (len(names) - len(failed)), "modules came from elsewhere"
    assert {mirror["sources"][name] for name in loaded} == {mirrored_node.loads}
