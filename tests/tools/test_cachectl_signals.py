"""One SIGTERM or Ctrl-C ends every verb that waits or runs long; only verbs that have something to put back notice it first."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest
from harness import PATIENCE_S, end, eventually

AT_ONCE = {"wait": ["--ready", "--timeout", "1h"], "status": ["--wait", "1h"], "list": ["--wait", "1h"],
           "verify": ["--wait", "1h"], "diff": ["--wait", "1h"], "top": ["--wait", "1h"], "events": ["--wait", "1h"],
           "config": ["--wait", "1h"], "sync": ["--wait", "1h"]}


def hear_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets its background jobs, and their children, ignore it


@contextlib.contextmanager
def started(cachectl, *arguments):
    process = cachectl.start(*arguments, stderr=subprocess.PIPE, preexec_fn=hear_interrupts)
    try:
        yield process
    finally:
        end(process)


def sleeps(process):
    """In a system call that waits: what was to be installed is."""
    with open(f"/proc/{process.pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "S"


def children_of(process):
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return file.read().split()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("verb", sorted(AT_ONCE))
def test_one_signal_ends_a_verb_that_waits(cachectl, verb, sent):
    with started(cachectl, verb, *AT_ONCE[verb]) as process:
        eventually(lambda: sleeps(process), f"{verb} waits")
        process.send_signal(sent)
        assert process.wait(PATIENCE_S) == -sent


@pytest.mark.parametrize("arguments", [["sync"], ["wait", "--fresh", "--timeout", "1h"]], ids=lambda a: a[0])
def test_one_signal_ends_a_verb_whose_agent_is_silent(cachectl, segment_dir, arguments):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(segment_dir / "control.sock"))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        with started(cachectl, *arguments) as process:
            connection, _ = listener.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_one_signal_ends_doctor_and_the_interpreter_that_it_examines(cachectl, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 3600\n")
    python.chmod(0o755)
    with started(cachectl, "doctor", "--python", python) as process:
        (child,) = eventually(lambda: children_of(process), "the interpreter runs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
        eventually(lambda: not os.path.exists(f"/proc/{child}"), "the interpreter is gone")


def test_top_and_dev_end_well_after_one_signal(cachectl, stage, tmp_path):
    stage.publish({"a.py": ""})
    (tmp_path / "source").mkdir()
    for arguments in (["top", "--interval", "1h", "--count", "2"], ["dev", tmp_path / "source"]):
        with started(cachectl, *arguments) as process:
            eventually(lambda: sleeps(process), f"{arguments[0]} waits")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, process.stderr.read()
