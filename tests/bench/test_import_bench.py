"""bench/import runs, and its report is complete. Its figures are nobody's business here."""

import json
import os
import subprocess
import xml.etree.ElementTree

import pytest
from harness import BUILD, REPOSITORY

VARIANTS = {"agent-code", "agent-source", "pyc", "py", "redis", "redis-marshal", "dict", "dict-code", "zip"}


def run(*arguments, temporary):
    environment = {**os.environ, "BIFROST_BUILD_DIR": str(BUILD), "TMPDIR": str(temporary)}
    return subprocess.run(["/usr/bin/python3", "-B", REPOSITORY / "bench/import/main.py", *map(str, arguments)],
                          capture_output=True, text=True, timeout=900, env=environment)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """(what a smoke run printed, its JSON, its chart, the directory that it used)."""
    home = tmp_path_factory.mktemp("bench")
    temporary = home / "tmp"
    temporary.mkdir()
    result = run("--smoke", "--json", home / "result.json", "--chart", home / "chart.svg", temporary=temporary)
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads((home / "result.json").read_text()), (home / "chart.svg").read_text(), temporary


def test_every_variant_is_measured(smoke):
    _, result, _, _ = smoke
    (workload,) = result["workloads"]
    assert [run["workers"] for run in workload["runs"]] == [1, 2]
    for measured in workload["runs"]:
        assert set(measured["samples"]) == VARIANTS
        for variant, samples in measured["samples"].items():
            assert len(samples) == measured["rounds"], variant
            assert all(len(sample["wall"]) == measured["workers"] for sample in samples)


def test_workers_took_every_module_from_the_mirror(smoke):
    _, result, _, _ = smoke
    (workload,) = result["workloads"]
    samples = workload["runs"][0]["samples"]
    assert [sample["mirrored"] for sample in samples["agent-source"]] == [{"source": workload["modules"]}]
    assert [sample["mirrored"] for sample in samples["agent-code"]] == [{"code": workload["modules"]}]
    assert workload["segment"]["agent-code"] > workload["segment"]["agent-source"] > workload["source_bytes"]


def test_figures_are_positive_and_the_peer_is_one(smoke):
    _, result, _, _ = smoke
    for measured in result["workloads"][0]["runs"]:
        for figures in measured["figures"].values():
            assert min(figures[what] for what in ("wall", "makespan", "cpu", "ratio", "cpu_ratio", "peak")) > 0
        assert measured["figures"]["pyc"]["ratio"] == 1


def test_every_budget_has_a_verdict(smoke):
    text, result, _, _ = smoke
    assert len(result["budgets"]) == 6
    for budget in result["budgets"]:
        assert budget["verdict"] in ("met", "MISSED") or budget["verdict"].startswith("not measured: ")
        assert (budget["value"] is None) == budget["verdict"].startswith("not measured: ")
        assert budget["what"] in text


def test_finding_names_is_measured_for_hits_misses_and_foreign_names(smoke):
    _, result, _, _ = smoke
    kinds = [row["what"].partition(":")[0] for row in result["finding"]["names"]]
    assert set(kinds) == {"hit", "miss", "foreign"}
    assert all(row["ours_ns"] > 0 and row["files_ns"] > 0 for row in result["finding"]["names"])
    assert result["finding"]["foreign_import"]["ratio"] > 0


def test_the_chart_has_a_mark_for_each_drawn_variant(smoke):
    _, result, chart, _ = smoke
    root = xml.etree.ElementTree.fromstring(chart)
    marks = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    drawn = set(result["workloads"][0]["runs"][0]["figures"]) - {"pyc"}  # warm .pyc is the line at 1
    assert len(marks) == 2 * len(drawn)  # in the legend, and in the only row


def test_nothing_is_left_behind(smoke):
    *_, temporary = smoke
    assert list(temporary.iterdir()) == []


def test_an_unknown_workload_is_refused(tmp_path):
    result = run("--workloads", "fortran", temporary=tmp_path)
    assert result.returncode == 2
    assert "there are sqlalchemy" in result.stderr


def test_two_builds_are_compared():
    environment = {**os.environ, "BIFROST_BUILD_DIR": str(BUILD)}
    command = ["/usr/bin/python3", "-B", REPOSITORY / "bench/import/against.py", BUILD, "--workloads", "jinja2", "--rounds", "2"]
    compared = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert compared.returncode == 0, compared.stderr
    wall, cpu = (line.split() for line in compared.stdout.splitlines())
    assert (wall[:2], cpu[:2]) == (["jinja2", "wall"], ["jinja2", "CPU"])
    assert all("ratio" in line for line in (wall, cpu))
