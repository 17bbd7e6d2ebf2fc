"""Memory orders carry a SYNC name; docs/consistency.md lists each of them once, and nothing else."""

import re
from collections import defaultdict

from harness import REPOSITORY


def sync_comments():
    """SYNC name -> the ends that the code names for it: (release), (acquire), (release fence), (acquire fence)."""
    ends = defaultdict(set)
    for directory in ("common", "agent", "shim", "tools"):
        for file in (REPOSITORY / directory).rglob("*.[ch]pp"):
            for name, end in re.findall(r"// SYNC ([a-z-]+) \((\w+)(?: fence)?\)", file.read_text(encoding="utf-8")):
                ends[name].add(end)
    return ends


def documented_names():
    text = (REPOSITORY / "docs/consistency.md").read_text(encoding="utf-8")
    table = text.split("### Synchronising pairs")[1].split("\n###")[0]
    return re.findall(r"^\| ([a-z][a-z-]+) \|", table, flags=re.M)


def test_every_sync_name_has_both_ends():
    for name, ends in sync_comments().items():
        assert ends == {"release", "acquire"}, f"SYNC {name} has only {sorted(ends)}"


def test_the_document_lists_the_names_of_the_code():
    names = documented_names()
    assert len(names) == len(set(names))
    assert set(names) == set(sync_comments())
