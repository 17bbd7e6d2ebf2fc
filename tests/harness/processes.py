"""Programs that end with the process that started them, and an environment without the machine's own settings."""

import os
import signal
import subprocess

from harness.waiting import PATIENCE_S


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("BIFROST_", "PYTHON", "REDIS_URL"))}


def start(command, **options):
    """A Popen that the kernel kills when the thread that called this ends, even by SIGKILL."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], **options)


def end(process, how=signal.SIGTERM, patience=PATIENCE_S):
    """Ends a process that may be stopped, or over already, and closes its pipes; returns its status."""
    if process.poll() is None:
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
    if process.stdin is not None:
        process.stdin.close()
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
