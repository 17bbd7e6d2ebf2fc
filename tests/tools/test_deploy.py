"""What `cmake --install` puts in place, and the service unit as systemd itself judges it."""

import os
import shutil
import subprocess
import sys

import pytest

from cachectl_runner import BUILD, REPOSITORY

UNIT = REPOSITORY / "deploy" / "systemd" / "bifrost-agent.service"
MOST_EXPOSURE = 20  # of 100, as systemd-analyze counts
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prefix")
    installed = subprocess.run(["cmake", "--install", BUILD, "--prefix", directory], capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    return directory


def test_install_puts_programs_package_unit_and_manuals_in_place(prefix):
    for file in ("bin/bifrost-agent", "bin/bifrost-cachectl", "lib/systemd/system/bifrost-agent.service",
                 "share/man/man8/bifrost-agent.8", "share/man/man1/bifrost-cachectl.1",
                 "share/bash-completion/completions/bifrost-cachectl"):
        assert (prefix / file).stat().st_size > 0, file
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(next(prefix.glob("lib/python3*/*-packages")))}
    version = subprocess.run([prefix / "bin" / "bifrost-cachectl", "--version"], capture_output=True, text=True).stdout
    package = subprocess.run([sys.executable, "-c", "import bifrost_cache as b; print(b.__version__, b.__file__)"],
                             env=environment, capture_output=True, text=True, cwd="/").stdout.split()
    assert version.split() == ["bifrost-cachectl", package[0]]
    assert package[1].startswith(str(prefix))


@needs_systemd
def test_systemd_accepts_the_unit_and_finds_it_confined(tmp_path):
    unit = tmp_path / "bifrost-agent.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/bifrost-agent", str(BUILD.resolve() / "bin" / "bifrost-agent")))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSURE}",
                             "--no-pager", unit], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout[-1000:]


def test_the_unit_keeps_the_segment_over_restarts():
    lines = UNIT.read_text().splitlines()
    for needed in ("Type=notify", "RuntimeDirectoryPreserve=yes", "RemoveIPC=no", "WatchdogSec=30", "User=bifrost"):
        assert needed in lines, needed
    assert not any(line.startswith("DynamicUser=") for line in lines)


def test_the_example_configuration_is_accepted():
    shown = subprocess.run([BUILD / "bin" / "bifrost-agent", "--config", REPOSITORY / "deploy" / "bifrost.conf",
                            "--print-config"], capture_output=True, text=True, env={})
    assert shown.returncode == 0, shown.stderr
    assert "metrics = 127.0.0.1:9464" in shown.stdout
