"""What tools/test takes for left behind: what no running program uses."""

import subprocess

from harness import end, eventually, short_directory, start
from harness.leftovers import leftovers


def test_a_directory_is_left_behind_unless_a_program_uses_it():
    directory = short_directory()
    try:
        assert str(directory) in leftovers()
        user = start(["cat", "-", directory / "later"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        eventually(lambda: str(directory) not in leftovers(), "the program has begun")
        end(user)
        assert str(directory) in leftovers()
    finally:
        directory.rmdir()
