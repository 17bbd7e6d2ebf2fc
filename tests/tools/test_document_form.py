"""What every document has in common: lines that fit, and a place in an index where a reader finds it."""

import re
import shutil
import subprocess

from harness import REPOSITORY

MOST_COLUMNS = 120
DESIGN = REPOSITORY / "docs" / "design"


def documents():
    """Every Markdown file of the repository, except those of other trees below it (builds)."""
    listed = []
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
                                capture_output=True, text=True, check=False).stdout.split()
    # A copy without .git (an sdist, a package build), or a machine without git.
    everything = (path for path in REPOSITORY.rglob("*.md") if "build" not in path.relative_to(REPOSITORY).parts)
    return [REPOSITORY / name for name in listed] or sorted(everything)


def prose(text):
    """(number, line) of each line that is neither in a fenced block nor a row of a table."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.lstrip().startswith("|"):
            yield number, line


def targets(document):
    """The files that `document` links to."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    return {(document.parent / link).resolve() for link in links if "://" not in link}


def test_prose_fits_120_columns():
    found = documents()
    assert REPOSITORY / "README.md" in found
    long_lines = [f"{document.relative_to(REPOSITORY)}:{number}: {len(line)} columns" for document in found
                  for number, line in prose(document.read_text(encoding="utf-8")) if len(line) > MOST_COLUMNS]
    assert long_lines == []


def test_tables_are_not_wrapped_like_prose():
    wrapped = [f"{document.relative_to(REPOSITORY)}:{number}" for document in documents()
               for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1)
               if "| --- |" in line and not re.fullmatch(r"\s*\|( --- \|)+", line)]
    assert wrapped == []


def test_every_document_is_linked_from_the_readme_or_the_index():
    linked = targets(REPOSITORY / "README.md") | targets(REPOSITORY / "docs/README.md")
    wanted = {*(REPOSITORY / "docs").glob("*.md"), *REPOSITORY.glob("*.md"), DESIGN / "README.md",
              REPOSITORY / "tests/README.md", *REPOSITORY.glob("bench/*/README.md")} - {REPOSITORY / "README.md"}
    assert sorted(str(path.relative_to(REPOSITORY)) for path in wanted - linked) == []


def test_every_decision_record_is_listed_by_topic_under_its_title():
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", (DESIGN / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    listed = {name: title for _, name, title in rows}
    assert len(listed) == len(rows), "a record is listed twice"
    titles = {}
    for record in DESIGN.glob("[0-9]*.md"):
        number, title = re.match(r"# (\d{4}): (.+)", record.read_text(encoding="utf-8")).groups()
        assert record.name.startswith(f"{number}-"), record.name
        titles[record.name] = title
    assert {name: title.lower() for name, title in listed.items()} == {name: title.lower() for name, title in titles.items()}
