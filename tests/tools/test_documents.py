"""The documents and the programs, compared both ways: nothing is documented that does not exist, and nothing exists
that is not documented. What exists is asked from the running programs where they can tell, else read from the source."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

import pytest
import yaml
from harness import AGENT, BUILD, PACKAGE, PATIENCE_S, REPOSITORY

MANUAL = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTS = {str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
             for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), REPOSITORY / "bench/import/README.md",
                          REPOSITORY / "bench/start/README.md", REPOSITORY / "tests/README.md"]
             if path.name != "CHANGELOG.md"}  # which also tells of what is gone
PYTHON_PACKAGE = {**os.environ, "PYTHONPATH": str(PACKAGE)}
# Flags of other people's programs that the documents use, with the word that shows whose.
FOREIGN_FLAGS = {"--build": "cmake", "--preset": "cmake", "--install": "cmake", "--prefix": "cmake", "--latency": "redis-cli",
                 "--system": "useradd", "--gtest_filter": "build/", "--no-install-recommends": "apt-get", "--isolation": "buildah",
                 "--from-literal": "kubectl", "--no-index": "pip", "--find-links": "pip", "--pyargs": "pytest"}


def section(title):
    """The text of the manual's section whose heading holds `title`, up to the next heading of its rank."""
    heading = re.search(rf"^(#+) .*{title}.*$", MANUAL, re.MULTILINE)
    assert heading, f"docs/operations.md has no section {title}"
    rest = MANUAL[heading.end():]
    end = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[:end.start()] if end else rest


def rows(text):
    """The cells of each table row in `text`, header rows and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    found = [row for i, row in enumerate(cells)
             if set(row[0]) != set("-") and not (i + 1 < len(cells) and set(cells[i + 1][0]) == set("-"))]
    names = collections.Counter(row[0] for row in found if row[0])
    assert set(names.values()) <= {1}, f"rows of the same name: {[name for name, times in names.items() if times > 1]}"
    return found


def code_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def first_codes(text, pattern):
    return {code for row in rows(text) for code in code_in(row[0]) if re.fullmatch(pattern, code)}


def differences(documented, existing):
    return {"documented, but does not exist": sorted(documented - existing),
            "exists, but is not documented": sorted(existing - documented)}


NONE = differences(set(), set())


def output_of(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, **options).stdout


def source_texts(*folders):
    for folder in folders:
        for file in sorted((REPOSITORY / folder).rglob("*")):
            if file.is_file() and file.suffix not in (".pyc", ".svg") and "__pycache__" not in file.parts:
                yield file.read_text(encoding="utf-8", errors="replace")


# --- settings, flags, verbs, exit codes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def command_tree():
    return json.loads(output_of(BUILD / "bin" / "bifrost-cachectl", "help", "-o", "json"))


def long_flags(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]+", text))


def flags_of_agent():
    return long_flags(output_of(AGENT, "--help")) | {"--man"}  # which every program hides in its help


def test_settings_keys_variables_and_defaults(cachectl):
    known = cachectl.json("doctor", status=5)["settings"]
    table = {code_in(row[0])[0]: row for row in rows(section("1. Settings"))}
    assert differences(set(table), set(known)) == NONE
    for key, row in table.items():
        assert f"BIFROST_{key.upper()}" in code_in(row[1]), key
        if known[key]["origin"] == "default" and known[key]["value"] and key != "segment_dir":
            assert code_in(row[2])[:1] == [known[key]["value"]], key


def test_flags_of_the_agent():
    by_key = {"--" + code_in(row[0])[0].replace("_", "-") for row in rows(section("1. Settings")) if "agent" in row[3] or row[3] == "all"}
    beside = long_flags(section("1. Settings").split("Workers take their settings")[1])
    # agent_uid is the trust of others in the agent: no setting of its own.
    assert differences(by_key - {"--agent-uid"} | beside, flags_of_agent()) == NONE


def test_verbs_and_flags_of_cachectl(command_tree):
    text = section("Verbs of bifrost-cachectl")
    verbs = {}
    for row in rows(text):
        for verb in {code.split()[0] for code in code_in(row[0])}:
            verbs[verb] = set(code_in(row[1]))
    commands = {c["name"]: {n for o in c["options"] for n in o["names"] if n.startswith("--")} - {"--help"}
                for c in command_tree["commands"]}
    assert differences(set(verbs), set(commands)) == NONE
    verbs["version"] = verbs["version"] - verbs["help"]  # they share a row
    for verb, flags in verbs.items():
        assert differences(flags, commands[verb]) == NONE, verb
    of_all = {n for option in command_tree["options"] for n in option["names"] if n.startswith("--")}
    sentence = re.search(r"For every verb:.*?\n\n", text, re.DOTALL)[0]
    assert differences(long_flags(sentence), of_all) == NONE


def test_exit_codes():
    table = rows(section("3. Exit codes").split("\n###")[0])
    documented = {"bifrost-agent": {}, "bifrost-cachectl": {}}
    current = ""
    for program, status, meaning in table:
        current = code_in(program)[0] if program else current
        documented[current][status] = meaning.replace("`", "")
    listed = output_of(BUILD / "bin" / "bifrost-cachectl", "help").split("Exit status:\n")[1].splitlines()
    assert documented["bifrost-cachectl"] == {line.split()[0]: line.split(maxsplit=1)[1] for line in listed if line}
    enumerated = re.findall(r"= (\d+)", (REPOSITORY / "tools/cachectl/exit_code.hpp").read_text())
    assert set(enumerated) == set(documented["bifrost-cachectl"])
    manual_page = output_of(AGENT, "--man").split(".SH EXIT STATUS")[1].split(".SH")[0]
    assert set(re.findall(r"^\D{0,5}(\d)$", manual_page, re.MULTILINE)) == set(documented["bifrost-agent"])


def test_commands_in_the_documents_have_only_flags_that_exist(command_tree):
    per_verb = {c["name"]: {n for o in c["options"] for n in o["names"]} for c in command_tree["commands"]}
    of_all = {n for option in command_tree["options"] for n in option["names"]}
    checked = 0
    for name, text in DOCUMENTS.items():
        for command in re.findall(r"(?:^|`|\$ |    )(bifrost-(?:agent|cachectl)\b[^`\n#|]*)", text, re.MULTILINE):
            words = command.split()
            used = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            verb = next((word for word in words[1:] if word in per_verb), "status")
            allowed = flags_of_agent() if words[0] == "bifrost-agent" else of_all | per_verb[verb]
            assert used <= allowed, f"{name}: {command}"
            checked += len(used)
    assert checked >= 5


def test_every_flag_in_the_documents_exists(command_tree):
    ours = flags_of_agent() | {n for command in [command_tree, *command_tree["commands"]]
                               for option in command["options"] for n in option["names"]}
    for verb in ([], ["run"], ["materialise"]):
        ours |= long_flags(output_of(sys.executable, "-m", "bifrost_cache", *verb, "--help", env=PYTHON_PACKAGE))
    scripts = [*(REPOSITORY / "tools").glob("*"), *(REPOSITORY / "bench").rglob("run"), REPOSITORY / "bench/import/main.py",
               REPOSITORY / "bench/start/main.py", REPOSITORY / "bench/freshness/overtaking", REPOSITORY / "tests/system/soak"]
    for script in scripts:
        if script.is_file():
            ours |= long_flags(script.read_text(encoding="utf-8"))
    for name, text in DOCUMENTS.items():
        for flag in long_flags(text) - ours:
            lines = [line for line in text.splitlines() if flag in line]
            owner = FOREIGN_FLAGS.get(flag)
            assert owner and all(owner in line for line in lines), f"{name}: nothing has the flag {flag}"


def test_environment_variables(cachectl):
    existing = {f"BIFROST_{key.upper()}" for key in cachectl.json("doctor", status=5)["settings"]}
    of_the_product = set(existing)
    read = re.compile(r"""(?:environ(?:\.get|\.pop)?[\[(]["']|getenv\("|\$\{?|option\(|if\()(BIFROST_[A-Z_]+)""")
    for text in source_texts("agent", "common", "shim", "tools", "tests", "bench", "cmake", ".ci"):
        existing |= set(read.findall(text))
    existing |= set(re.findall(r"option\((BIFROST_[A-Z]+)", (REPOSITORY / "CMakeLists.txt").read_text()))
    # Set by CMake or a test for its own parts: nobody gives them a value.
    existing -= {"BIFROST_PYTHON_DIR", "BIFROST_TEST_CODE"}
    documented = {name for text in DOCUMENTS.values() for name in re.findall(r"\bBIFROST_[A-Z_]+\b", text)}
    assert differences(documented, existing) == NONE
    assert of_the_product <= set(re.findall(r"\bBIFROST_[A-Z_]+\b", MANUAL))


# --- counters, metrics, alerts, log events ----------------------------------------------------------------------------


def test_counters_of_the_agent(cachectl, stage):
    stage.publish({"a.py": ""})
    documented = {code_in(row[0])[0]: row[2] for row in rows(section("Of the agent"))}
    assert differences(set(documented), set(cachectl.json("stats")["counters"])) == NONE
    header = (REPOSITORY / "common/layout/counters.hpp").read_text()
    for name, _, text in re.findall(r'X\(k\w+, "(\w+)", "(\w+)", "([^"]*)"\)', header):
        assert documented[name] == text, name


def test_counters_of_workers():
    documented = first_codes(section("Of the workers"), r"[a-z_]+")
    existing = set(json.loads(output_of(sys.executable, "-c", "import bifrost_cache, json; print(json.dumps(bifrost_cache.stats()))",
                                        env=PYTHON_PACKAGE)))
    existing -= {"generation", "source"}  # what the numbers are about, not numbers
    assert differences(documented, existing) == NONE


@pytest.fixture
def exported_families(redis_node):
    """{name: type} of the metrics that an agent exports."""
    agent = redis_node.start_agent("--metrics", "127.0.0.1:0", "--log-format", "json")
    address = next(event["address"] for event in map(json.loads, agent.log.splitlines()) if event["event"] == "metrics")
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE_S) as answer:
        return dict(re.findall(r"^# TYPE (\w+) (\w+)$", answer.read().decode(), re.MULTILINE))


def test_metrics(exported_families):
    counters = {f"bifrost_{code_in(row[0])[0]}" for row in rows(section("Of the agent"))}
    workers = {f"bifrost_worker_{name}_total" for name in first_codes(section("Of the workers"), r"[a-z_]+")}
    documented = {}
    for row in rows(section("9. Metrics")):
        for name in [re.sub(r"\{.*", "", code) for code in code_in(row[0])]:
            if name.startswith(("bifrost_", "process_")) and not name.startswith("bifrost_worker_"):
                documented[name] = row[1]
    assert differences(set(documented) | counters | workers, set(exported_families)) == NONE
    for name, kind in documented.items():
        assert exported_families[name] in kind, name


def test_metrics_named_anywhere_exist(exported_families):
    targets = set(re.findall(r"\((bifrost_[a-z_]+)", "".join(source_texts("common", "agent", "shim", "tools"))))  # CMake's
    for name, text in DOCUMENTS.items():
        for metric in re.findall(r"`(bifrost_(?!cache)[a-z_]+)(?:\{\w[^`]*\})?`", text):
            assert metric in set(exported_families) | targets, f"{name}: {metric}"


def test_alerts():
    rules = yaml.safe_load((REPOSITORY / "deploy/prometheus/bifrost-cache.rules.yaml").read_text())
    existing = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert differences(first_codes(section("9. Metrics"), r"Bifrost\w+"), existing) == NONE


def test_log_events():
    existing = {event for text in source_texts("agent") for event in re.findall(r'log::(?:debug|info|warn|error)\(\s*"(\w+)"', text)}
    existing.add("repeated")  # by the log itself
    assert differences(first_codes(section("4. Log lines"), r"[a-z_]+"), existing) == NONE


# --- files ------------------------------------------------------------------------------------------------------------


def test_links_between_documents_lead_somewhere():
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (REPOSITORY / pathlib.Path(name).parent / target).exists(), f"{name}: {target}"


def test_paths_of_the_repository_that_documents_name_exist():
    for name, text in DOCUMENTS.items():
        for path in re.findall(r"`((?:tools|tests|bench|deploy|docs|agent|shim|common)/[\w./-]+)(?=[`\s])", text):
            assert (REPOSITORY / path).exists(), f"{name}: {path}"


def test_packages_and_sources_have_one_version():
    version = re.search(r"project\(bifrost-cache VERSION ([0-9.]+)", (REPOSITORY / "CMakeLists.txt").read_text())[1]
    assert (REPOSITORY / "debian/changelog").read_text().startswith(f"bifrost-cache ({version}) ")


def test_packages_are_built_with_what_install_deps_installs():
    control = (REPOSITORY / "debian/control").read_text()
    needed = re.sub(r"\([^)]*\)", "", re.search(r"^Build-Depends: (.*(?:\n .*)*)", control, re.MULTILINE)[1])
    listed = set(output_of(REPOSITORY / "tools/install-deps", "--list", "build", "packages").split())
    packages = {name for name in re.split(r"[,\s]+", needed) if name and not name.startswith(("dh-sequence", "debhelper-compat"))}
    assert packages <= listed
