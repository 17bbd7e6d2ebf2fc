"""The distributions that tests/real_code imports, and how many of their modules."""

import os
import pathlib

DIST_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")
# Of different style, all pure Python: Debian's python3-* packages of the same names.
DISTRIBUTIONS = ["jinja2", "docutils", "sqlalchemy", "django", "networkx", "pygments", "rich", "sympy"]
EVERYTHING = os.environ.get("BIFROST_REAL_CODE") == "all"
QUICK_MODULES = 20
PATIENCE_S = 900


def modules_of(tree, distribution):
    """Import names, parents before children."""
    names = []
    for file in sorted((tree / distribution).rglob("*.py")):
        parts = file.relative_to(tree).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        # Programs run when they are imported; tests look for files beside them.
        if not {"__main__", "tests", "testing"} & set(parts) and all(part.isidentifier() for part in parts):
            names.append(".".join(parts))
    names = sorted(set(names))
    if EVERYTHING or len(names) <= QUICK_MODULES:
        return names
    return names[:: len(names) // QUICK_MODULES]
