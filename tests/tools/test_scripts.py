"""The scripts of tools/: what they refuse, what they leave alone, and the demo from beginning to end."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from harness import BUILD, PACKAGE, REPOSITORY

TOOLS = REPOSITORY / "tools"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **{"timeout": 120, **options})


# --- check-includes -------------------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    def write(path, *headers):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#pragma once\n" + "".join(f"#include {header}\n" for header in headers))
        return tmp_path

    return write


@pytest.mark.parametrize(("path", "header"), [
    ("common/base/a.hpp", '"common/layout/x.hpp"'), ("common/layout/a.hpp", '"common/reader/x.hpp"'),
    ("common/reader/a.hpp", '"common/writer/x.hpp"'), ("common/writer/a.hpp", '"common/reader/x.hpp"'),
    ("common/redis/a.hpp", '"common/control/x.hpp"'), ("common/control/a.hpp", '"common/redis/x.hpp"'),
    ("common/base/a.hpp", '"agent/x.hpp"'), ("agent/a.cpp", '"shim/x.hpp"'), ("agent/a.cpp", '"tools/x.hpp"'),
    ("agent/loop/a.cpp", '"agent/follow/x.hpp"'), ("agent/loop/a.cpp", '"common/writer/x.hpp"'),
    ("agent/mirror/a.cpp", '"agent/loop/x.hpp"'), ("agent/mirror/a.cpp", '"agent/follow/x.hpp"'),
    ("agent/follow/a.cpp", '"agent/serve/x.hpp"'), ("agent/follow/a.cpp", '"agent/agent.hpp"'),
    ("agent/compile/a.cpp", '"agent/follow/x.hpp"'), ("agent/serve/a.cpp", '"agent/mirror/x.hpp"'),
    ("shim/core/a.cpp", '"agent/x.hpp"'), ("shim/core/a.cpp", '"common/writer/x.hpp"'),
    ("shim/core/a.cpp", '"shim/extension/x.hpp"'), ("shim/core/a.cpp", "<Python.h>"),
    ("tools/cachectl/a.cpp", '"common/writer/x.hpp"'), ("tools/cachectl/a.cpp", '"agent/x.hpp"'),
    ("common/base/a.cpp", "<Python.h>"), ("agent/a.cpp", "<pybind11/pybind11.h>"),
    ("common/writer/a.cpp", "<boost/interprocess/mapped_region.hpp>"), ("common/new/a.hpp", '"common/base/x.hpp"')])
def test_a_forbidden_include_is_found_with_its_place(sources, path, header):
    result = run(TOOLS / "check-includes", sources(path, "<vector>", header))
    assert result.returncode == 1
    assert result.stdout.startswith(f"{path}:3: ")
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(("path", "header"), [
    ("common/reader/a.hpp", '"common/layout/x.hpp"'), ("common/writer/a.hpp", '"common/base/x.hpp"'),
    ("agent/a.cpp", '"common/writer/x.hpp"'), ("agent/a.cpp", '"agent/follow/x.hpp"'),
    ("agent/follow/a.cpp", '"agent/mirror/x.hpp"'), ("shim/extension/a.cpp", "<Python.h>"),
    ("shim/extension/a.cpp", '"shim/core/x.hpp"'), ("shim/core/a.cpp", '"common/control/x.hpp"'),
    ("common/base/file_mapping.cpp", "<boost/interprocess/mapped_region.hpp>"),
    ("tests/agent/a.cpp", '"common/writer/x.hpp"')])
def test_an_allowed_include_is_not_complained_about(sources, path, header):
    result = run(TOOLS / "check-includes", sources(path, header))
    assert (result.returncode, result.stdout) == (0, "")


def test_this_repository_has_no_forbidden_include():
    result = run(TOOLS / "check-includes")
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(("room", "header", "found"), [
    ("bifrost_agent_loop", "agent/follow/session.hpp", False), ("bifrost_agent_mirror", "agent/follow/reread.hpp", False),
    ("bifrost_agent_serve", "agent/mirror/mirror.hpp", False), ("bifrost_shim_core", "common/writer/segment_writer.hpp", False),
    ("bifrost_shim_core", "shim/extension/finder.hpp", False), ("bifrost_reader", "common/writer/publication.hpp", False),
    ("bifrost_agent_follow", "agent/mirror/mirror.hpp", True)])
def test_the_build_finds_a_header_only_where_its_room_is_linked(room, header, found):
    """Asks what CMake made of the link lines: the include roots with which a file of that room is compiled."""
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    command = next(c["command"] for c in commands if f"/{room}.dir/" in c["command"])
    roots = [pathlib.Path(root) for root in re.findall(r"-I(\S+)", command)]
    assert any((root / header).exists() for root in roots) == found


# --- install-deps ---------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path):
    """PATH of a machine whose dpkg knows `installed` packages and whose apt must not be called."""

    def make(installed, uid):
        programs = tmp_path / "bin"
        programs.mkdir()
        lines = "\n".join(f'echo "{name} installed"' for name in installed)
        fakes = {"dpkg-query": f"{lines}\nexit 1", "apt-get": f"touch {tmp_path}/apt-was-called\nexit 9", "id": f"echo {uid}"}
        for name, body in fakes.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}\n")
            (programs / name).chmod(0o755)
        for name in ("bash", "sort", "mktemp", "chmod", "cat", "rm", "env", "touch"):
            (programs / name).symlink_to(shutil.which(name))
        return {"PATH": str(programs)}

    make.apt_was_called = lambda: (tmp_path / "apt-was-called").exists()
    return make


def packages(*groups):
    return run(TOOLS / "install-deps", "--list", *groups).stdout.split()


def test_install_deps_leaves_apt_alone_when_everything_is_there(machine):
    env = machine(packages("demo", "build"), uid=1000)
    result = run(TOOLS / "install-deps", "demo", "build", env=env)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not machine.apt_was_called()


def test_install_deps_without_root_prints_the_command_for_what_is_missing(machine):
    env = machine([p for p in packages("demo") if p != "python3-jinja2"], uid=1000)
    result = run(TOOLS / "install-deps", "demo", env=env, stdin=subprocess.DEVNULL)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("apt-get install -y --no-install-recommends python3-jinja2\n")
    assert not machine.apt_was_called()


def test_install_deps_fails_when_apt_does(machine):
    result = run(TOOLS / "install-deps", "demo", env=machine([], uid=0))
    assert result.returncode == 9
    assert machine.apt_was_called()


def test_install_deps_knows_its_groups():
    assert "g++" in packages("build")
    assert set(packages("build", "tests")) > set(packages("build"))
    assert run(TOOLS / "install-deps").returncode == 2
    assert run(TOOLS / "install-deps", "nonsense").returncode == 2


# --- demo -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def demo_home():
    """A directory for a demo's own, so that another demo on this machine is not taken for it. Short: it gets sockets."""
    with tempfile.TemporaryDirectory(prefix="bd-") as directory:
        yield pathlib.Path(directory)


DEMO_DOCUMENT = REPOSITORY / "docs" / "demo.md"


def without_numbers(output):
    """The words of a demo's output: no numbers, places and units, nothing of the machine, none of docutils' HTML."""
    lines = []
    for line in output.splitlines():
        if line.lstrip().startswith("|") or line.startswith("All measured") or "reconnects by itself" in line:
            continue
        line = re.sub(r"(redis\.sock): .*", r"\1", line)  # which connection broke first, and whether the agent could say so
        line = re.sub(r"\S*/bifrost-demo-\w+", "HOME", line)
        # What docutils reads Roman numerals with has another name on each release of Debian: tools/demo.d/measure.py.
        line = re.sub(r"(jinja2, markupsafe, docutils), \w+", r"\1, ROMAN", line)
        lines.append(" ".join(re.sub(r"[\d.]*\d( (us|ms|s|min|h|B|KiB|MiB|GiB)\b)?", "N", line).split()))
    return lines


def documented_output(text):
    return re.search(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]


def compare_with_the_document(output):
    text = DEMO_DOCUMENT.read_text(encoding="utf-8")
    shown = documented_output(text)
    if os.environ.get("BIFROST_UPDATE_DOCS"):
        DEMO_DOCUMENT.write_text(text.replace(shown, output), encoding="utf-8")
    else:
        assert without_numbers(output) == without_numbers(shown), "BIFROST_UPDATE_DOCS=1 writes docs/demo.md anew"


def test_a_demo_on_another_release_prints_what_is_documented():
    shown = documented_output(DEMO_DOCUMENT.read_text(encoding="utf-8"))
    names = re.findall(r"docutils, (\w+)", shown)
    assert names == names[:1] * 2
    elsewhere = shown.replace(f"docutils, {names[0]}", "docutils, another_name")
    assert elsewhere != shown and without_numbers(elsewhere) == without_numbers(shown)
    assert without_numbers(shown.replace("docutils, ", "")) != without_numbers(shown)


def test_the_demo_holds_and_leaves_nothing_and_is_as_documented(tmp_path, demo_home):
    env = {**os.environ, "TMPDIR": str(demo_home), "PYTHONPATH": str(PACKAGE), "BIFROST_BUILD_DIR": str(BUILD)}
    demo = subprocess.run(["/usr/bin/python3", "-B", str(TOOLS / "demo.d" / "demo.py")], env=env, cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    for row in ("modules mirrored", "warm-up", "edit: from the reply to visible", "import per module, from the mirror",
                "import per module, plain redis-py hook", "start to first line, spawned", "start to first line, by zygote",
                "imports after Redis was stopped"):
        assert re.search(rf"^{row}.*\d", demo.stdout, re.MULTILINE), row
    assert str(demo_home) in demo.stdout
    assert list(demo_home.iterdir()) == []
    agent = int(re.search(r"the agent \(pid (\d+)\)", demo.stdout)[1])
    assert not pathlib.Path(f"/proc/{agent}").exists()
    compare_with_the_document(demo.stdout.replace(str(demo_home), "/tmp"))


def test_a_demo_that_fails_says_so_and_cleans_up(tmp_path, demo_home):
    env = {**os.environ, "TMPDIR": str(demo_home), "PYTHONPATH": str(PACKAGE), "BIFROST_BUILD_DIR": str(tmp_path / "nothing")}
    demo = subprocess.run(["/usr/bin/python3", "-B", str(TOOLS / "demo.d" / "demo.py")], env=env, capture_output=True,
                          text=True, timeout=60)
    assert demo.returncode == 1
    assert "demo failed: " in demo.stderr
    assert list(demo_home.iterdir()) == []


# --- wheels and releases ----------------------------------------------------------------------------------------------


def test_a_release_is_refused_until_the_changelog_dates_its_version(tmp_path):
    version = re.search(r"^project\(bifrost-cache VERSION ([\d.]+)", (REPOSITORY / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
    for file in ("CMakeLists.txt", "debian/changelog", "tools/release"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / file, tmp_path / file)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(f"# Changelog\n\n## Unreleased\n\n## {version}\n")
    result = run(tmp_path / "tools" / "release")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"release: CHANGELOG.md has no heading '## {version} - DATE': move what is below Unreleased there\n"
    assert not (tmp_path / "dist").exists()


def test_the_changelog_dates_the_version_that_cmake_and_debian_have():
    version = re.search(r"^project\(bifrost-cache VERSION ([\d.]+)", (REPOSITORY / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
    headings = re.findall(r"^## (.*)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" and re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", headings[1])
    assert (REPOSITORY / "debian" / "changelog").read_text().startswith(f"bifrost-cache ({version})")


@pytest.mark.parametrize("script", ["build-wheels", "check-wheel", "release"])
def test_scripts_for_wheels_answer_a_wrong_option_with_their_usage(script):
    result = run(TOOLS / script, "--nonsense")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"usage: tools/{script} ")


def test_entry_points_of_a_wheel_become_the_programs_or_say_what_is_missing(tmp_path):
    package = tmp_path / "bifrost_cache"
    package.mkdir()
    shutil.copy(PACKAGE / "bifrost_cache" / "_programs.py", package)
    (package / "__init__.py").touch()
    command = ["python3", "-c", "from bifrost_cache._programs import cachectl as c; c()", "--version"]
    lost = run(*command, env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]})
    assert lost.returncode == 1 and "bin/bifrost-cachectl: No such file or directory; install the package again" in lost.stderr
    (package / "bin").symlink_to(BUILD / "bin")
    found = run(*command, env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]})
    assert (found.returncode, found.stdout.split()[0]) == (0, "bifrost-cachectl")
