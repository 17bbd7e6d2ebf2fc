"""bench/start runs, and its report is complete. Its figures are nobody's business here."""

import json
import os
import subprocess
import xml.etree.ElementTree

import pytest
from harness import BUILD, REPOSITORY

WAYS = {"spawn-pyc", "spawn-hook", "execute", "forkserver", "fork-none", "zygote-code", "zygote-modules", "own-template",
        "bare-fork"}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """(what a smoke run printed, its JSON, its chart, the directory that it used)."""
    home = tmp_path_factory.mktemp("bench")
    temporary = home / "tmp"
    temporary.mkdir()
    done = subprocess.run(["/usr/bin/python3", "-B", REPOSITORY / "bench/start/main.py", "--smoke", "--json",
                           home / "result.json", "--chart", home / "chart.svg"], capture_output=True, text=True, timeout=600,
                          env={**os.environ, "BIFROST_BUILD_DIR": str(BUILD), "TMPDIR": str(temporary)})
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((home / "result.json").read_text()), (home / "chart.svg").read_text(), temporary


def test_every_way_is_measured(smoke):
    _, result, _, _ = smoke
    (workload,) = result["workloads"]
    assert set(workload["single"]) == set(workload["at_once"]) == set(workload["figures"]) == WAYS
    for figures in workload["figures"].values():
        assert min(figures[what] for what in ("seconds", "ratio", "to_bare_fork", "at_once", "at_once_ratio")) > 0
    assert workload["figures"]["spawn-pyc"]["ratio"] == workload["figures"]["bare-fork"]["to_bare_fork"] == 1
    assert set(workload["edits"]) == {"fork-none", "zygote-code", "zygote-modules"}


def test_every_budget_has_a_verdict(smoke):
    text, result, _, _ = smoke
    assert len(result["budgets"]) == 6
    assert all(budget["what"] in text for budget in result["budgets"])
    assert text.count(" met\n") + text.count(" NOT MET\n") == 6


def test_the_chart_has_a_mark_for_each_way_that_is_drawn(smoke):
    _, _, chart, _ = smoke
    root = xml.etree.ElementTree.fromstring(chart)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}title"))) == 2 * 6  # in the legend, and in the only row


def test_nothing_is_left_behind(smoke):
    *_, temporary = smoke
    assert list(temporary.iterdir()) == []
