#!/usr/bin/python3 -B
"""What a run left behind: files of ours in /tmp and /dev/shm, programs of this build that still run.

    leftovers.py list                what is there now, one per line
    leftovers.py check FILE HOME     status 1, and what it is, if there is more than FILE lists, or anything in HOME

Directories that a running program uses are not counted: another run on this machine has its own.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.places import BUILD  # noqa: E402
from harness.waiting import Failed, eventually  # noqa: E402

PLACES = [pathlib.Path("/tmp"), pathlib.Path("/dev/shm")]


def running():
    """{pid: (its command line, its mapped files)}"""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            found[process.name] = (process / "cmdline").read_bytes(), (process / "maps").read_bytes()
        except OSError:
            pass  # it has ended, or is another user's
    return found


def leftovers():
    programs = running()
    entries = {str(entry) for place in PLACES for entry in place.glob("bifrost*")}
    unused = {entry for entry in entries
              if not any(entry.encode() in part for parts in programs.values() for part in parts)}
    ours = {f"process {pid}: {command.decode(errors='replace').replace(chr(0), ' ')}"
            for pid, (command, _) in programs.items() if command.startswith(str(BUILD / "bin").encode())}
    return unused | ours


def main():
    if sys.argv[1:] == ["list"]:
        print("\n".join(sorted(leftovers())))
        return 0
    _, file, home = sys.argv[1:]
    before = set(pathlib.Path(file).read_text().splitlines())

    def more():
        return (leftovers() | {str(entry) for entry in pathlib.Path(home).iterdir()}) - before

    try:
        # What other runs are just making or removing belongs to no process for a moment.
        eventually(lambda: not more(), "nothing is left")
    except Failed:
        print("left behind:", *sorted(more()), sep="\n  ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
