#!/usr/bin/python3
"""Writes copies of sources with one defect, as a patch beside this script describes it.

usage: make_mutant.py SOURCE_ROOT PATCH OUTPUT_DIR

Each file that the patch changes is copied to the same place below OUTPUT_DIR and changed there. The context must be as
the patch has it, though it may stand on other lines. Only .cpp files may be changed: what a header says is also
compiled into files that are not built again for the mutant.
"""

import pathlib
import re
import subprocess
import sys


def files_of(patch):
    """The files that the text of a patch changes, relative to the root of the sources."""
    return re.findall(r"^\+\+\+ b/(\S+)", patch, flags=re.MULTILINE)


def make(root, patch, output):
    """Why there is no mutant, or None."""
    files = files_of(patch.read_text(encoding="utf-8"))
    if not files or not all(name.endswith(".cpp") for name in files):
        return f"it must change .cpp files and nothing else, and changes: {', '.join(files) or 'nothing'}"
    for name in files:
        if not (root / name).is_file():
            return f"there is no {name}"
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_bytes((root / name).read_bytes())
    done = subprocess.run(["patch", "--strip=1", "--fuzz=0", "--batch", "--forward", "--no-backup-if-mismatch",
                           "--reject-file=-", f"--directory={output}", f"--input={patch.resolve()}"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        for name in files:
            (output / name).unlink()  # or the next build would take it for the mutant
        return f"it does not apply:\n{done.stdout.rstrip()}"
    return None


def main():
    root, patch, output = map(pathlib.Path, sys.argv[1:])
    if trouble := make(root, patch, output):
        sys.exit(f"tests/mutants/{patch.name}: {trouble}\n"
                 "The sources have changed, and the defect must follow them. Make the change that the patch's first\n"
                 "lines describe in the sources as they are now, put `git diff` below them, take the change back.")


if __name__ == "__main__":
    main()
