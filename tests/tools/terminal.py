"""A program on a pseudo-terminal, as a person sees it."""

import os
import pty
import select
import time

import pytest
from harness import PATIENCE_S


def run_on_terminal(arguments, env, typed=b"", keep_stdout=False):
    """Runs a program whose stdin, stderr and (unless kept apart) stdout are a terminal.

    Returns (exit status, what the terminal showed).
    """
    try:
        pid, master = pty.fork()
    except OSError as error:
        pytest.skip(f"this machine gives out no pseudo-terminals: {error}")
    if pid == 0:
        if keep_stdout:
            os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.execve(arguments[0], [str(a) for a in arguments], {"TERM": "xterm", **env})
    if typed:
        os.write(master, typed)
    shown = b""
    end = time.monotonic() + PATIENCE_S
    while True:
        ready, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
        assert ready, f"still running after {PATIENCE_S} s: {shown!r}"
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        shown += chunk
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), shown
