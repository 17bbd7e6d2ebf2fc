"""A real terminal of a given size: what a person sees of a program in it, line by line."""

import shlex
import shutil
import subprocess

import pytest
from harness import PATIENCE_S, eventually

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: tools/install-deps tests")


class Screen:
    """tmux with one window. `directory` is for its socket."""

    def __init__(self, directory, columns, rows, env):
        self._socket = directory / "tmux"
        self._env = {**env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self._tmux("new-session", "-d", "-x", columns, "-y", rows, "sh")

    def _tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", self._socket, "-f", "/dev/null", *map(str, arguments)],
                              capture_output=True, text=True, timeout=PATIENCE_S, env=self._env)

    def type(self, *keys):
        self._tmux("send-keys", *keys)

    @property
    def frame(self):
        """The lines that the window shows now, down to the last that is not blank."""
        return self._tmux("capture-pane", "-p").stdout.rstrip().splitlines()

    @property
    def text(self):
        """The same and what has scrolled away."""
        return self._tmux("capture-pane", "-p", "-S", "-").stdout

    def lines_of(self, *command):
        """What a command shows until it ends, without the lines that are left free."""
        line = " ".join(shlex.quote(str(word)) for word in command)
        self._tmux("send-keys", f"clear; {line}; printf 'ended%s\\n' .", "Enter")
        eventually(lambda: "ended." in self.text, "the command ends")
        shown = self.text.split("ended.")[0].splitlines()
        first = max((i + 1 for i, text in enumerate(shown) if "printf" in text), default=0)
        return [text.rstrip() for text in shown[first:]]

    def close(self):
        self._tmux("kill-server")
