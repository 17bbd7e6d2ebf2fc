"""The rules that all verbs share: exit codes one by one, streams, colours, terminals, completion, manual pages."""

import json
import os
import shutil
import struct
import subprocess

import pytest
from harness import AGENT, BUILD, Cachectl, Stage, segment_image
from harness.segment_image import SegmentImage
from terminal import run_on_terminal

ESCAPE = b"\x1b["


def agent(*arguments):
    return subprocess.run([AGENT, *arguments], capture_output=True, timeout=60)


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


# --- exit codes -----------------------------------------------------------------------------------------------------


def test_exit_0_is_healthy_found_and_identical(cachectl, stage):
    stage.publish({"a.py": "x = 1\n"})
    for verb in (["status"], ["list"], ["show", "a.py"], ["get", "a.py"], ["exists", "a.py"], ["verify"], ["stats"],
                 ["version"], ["help"], ["completion", "bash"], ["wait", "--ready"]):
        assert cachectl(*verb).returncode == 0, verb


def test_exit_1_is_an_error(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(not_mirrored="b.py", reason="not JSON", commit=True)
    assert cachectl("get", "b.py").returncode == 1
    assert cachectl("diff").returncode == 1  # no Redis there
    assert cachectl("--config", "/nonexistent", "status").returncode == 1
    assert cachectl("--config", "/", "status").returncode == 1  # opens, but cannot be read
    assert cachectl("--config", "/dev/zero", "status").returncode == 2  # without end


def test_exit_2_is_usage(cachectl):
    for wrong in (["nonsense"], ["list", "--nonsense"], ["show"], ["-o", "yaml"], ["wait"], ["completion", "csh"],
                  ["--color", "red"], ["--wait", "soon", "status"]):
        result = cachectl(*wrong)
        assert (result.returncode, result.stdout) == (2, b""), wrong
        assert len(result.stderr.splitlines()) == 1


def test_exit_3_is_no_segment_or_no_agent(cachectl, segment_dir):
    for verb in (["status"], ["list"], ["show", "a.py"], ["get", "a.py"], ["exists", "a.py"], ["verify"], ["stats"],
                 ["diff"], ["sync"]):
        assert cachectl(*verb).returncode == 3, verb


def test_exit_4_is_no_such_module(cachectl, stage):
    stage.publish({"a.py": ""})
    for verb in ("show", "get", "exists"):
        assert cachectl(verb, "b.py").returncode == 4, verb
    assert cachectl("exists", "b.py").stderr == b""
    assert b"no module b.py" in cachectl("get", "b.py").stderr


def test_exit_5_is_unhealthy_or_out_of_time(cachectl, stage):
    stage.publish({"a.py": ""})
    stage.tell(lease_ms=-1)
    assert cachectl("status").returncode == 5
    assert cachectl("wait", "--ready", "--timeout", "50ms").returncode == 5


def test_exit_6_is_differences_or_corruption(cachectl, stage, redis_url, segment_dir):
    stage.publish({"a.py": "x = 1\n"})
    assert Cachectl(segment_dir, redis_url)("diff").returncode == 6
    segment_image.flip(*SegmentImage(segment_dir).find(b"x = 1\n"))
    assert cachectl("verify").returncode == 6
    assert cachectl("get", "a.py").returncode == 6


def test_exit_7_is_not_accepted(cachectl, stage):
    stage.publish({"a.py": ""})
    with open(stage.segment, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<Q", 999))
    for verb in (["status"], ["list"], ["exists", "a.py"]):
        assert cachectl(*verb).returncode == 7, verb


@pytest.mark.parametrize("output", ["table", "json"])
def test_help_knows_no_other_verbs(cachectl, output):
    result = cachectl("help", "bogus", "-o", output)
    assert (result.returncode, result.stdout) == (2, b"") and b"there is no verb `bogus`" in result.stderr


def test_help_lists_every_exit_code(cachectl):
    text = cachectl("help").stdout.decode()
    listed = text[text.index("Exit status:"):].splitlines()[1:]
    assert [int(line.split()[0]) for line in listed] == list(range(8))


# --- forms and streams ----------------------------------------------------------------------------------------------


def test_no_headers_leaves_only_rows(cachectl, stage):
    stage.publish({"a.py": "", "b.py": ""})
    assert [line.split()[-1] for line in cachectl("list", "--no-headers").stdout.splitlines()] == [b"a.py", b"b.py"]
    assert cachectl("list").stdout.startswith(b"KIND")


@pytest.mark.parametrize(("arguments", "environment", "coloured"), [
    ([], {}, True), ([], {"NO_COLOR": "1"}, False), ([], {"NO_COLOR": ""}, True), ([], {"TERM": "dumb"}, False),
    (["--color", "never"], {}, False), (["--color", "always"], {"NO_COLOR": "1"}, True)])
def test_colours_on_a_terminal(cachectl, stage, arguments, environment, coloured):
    stage.publish({"a.py": ""})
    status, shown = run_on_terminal([cachectl.program, "status", *arguments], {**cachectl.env, **environment})
    assert status == 0
    assert (ESCAPE in shown) == coloured


def test_no_colours_without_a_terminal(cachectl, stage):
    stage.publish({"a.py": ""})
    assert ESCAPE not in cachectl("status").stdout
    assert ESCAPE in cachectl("status", "--color", "always").stdout


def test_wait_lets_any_verb_wait_for_a_segment(cachectl, segment_dir):
    waiting = cachectl.start("list", "--wait", "20s")
    stage = Stage(segment_dir)
    try:
        stage.publish({"a.py": ""})
        out, _ = waiting.communicate(timeout=30)
        assert waiting.returncode == 0
        assert out.startswith(b"KIND")
    finally:
        stage.close()


@pytest.mark.parametrize("verb", ["config", "events", "sync"])
def test_wait_lets_any_verb_wait_for_the_agent_that_it_asks(redis_node, verb):
    waiting = redis_node.cachectl.start(verb, "--wait", "20s")
    redis_node.start_agent(ready=False)
    out, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0 and out


def test_pruning_asks_a_person_and_takes_no_for_an_answer(cachectl, agent):
    status, shown = run_on_terminal([cachectl.program, "sync", "--prune"], cachectl.env, typed=b"n\n")
    assert status == 1
    assert b"[y/N]" in shown
    status, shown = run_on_terminal([cachectl.program, "sync", "--prune", "--yes"], cachectl.env)
    assert status == 0
    assert b"[y/N]" not in shown
    refused = cachectl("sync", "--prune")  # a script has to say it
    assert (refused.returncode, b"wants --yes" in refused.stderr) == (2, True)
    assert cachectl("sync", "--prune", "--yes").returncode == 0


# --- mistakes, and one form for every answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "meant"), [
    (["statsu"], "status"), (["lst"], "list"), (["push", ".", "--dry"], "--dry-run"), (["list", "--revrese"], "--reverse"),
    (["help", "veryfi"], "verify")])
def test_a_mistyped_word_is_answered_with_what_was_meant(cachectl, words, meant):
    result = cachectl(*words)
    assert (result.returncode, result.stdout) == (2, b"")
    assert f"did you mean {meant}?" in result.stderr.decode()


def test_a_word_that_resembles_nothing_gets_no_suggestion(cachectl):
    assert b"did you mean" not in cachectl("frobnicate").stderr


# What each verb needs for an answer. `list` prints an array; `dev`, which goes on, has a test of its own.
JSON_VERBS = {"status": [], "show": ["a.py"], "get": ["a.py"], "exists": ["a.py"], "log": [], "verify": [], "diff": [],
              "push": ["{directory}", "--dry-run"], "wait": ["--ready"], "stats": [], "workers": [],
              "top": ["--interval", "50ms"], "events": [], "config": [], "sync": [], "doctor": [],
              "completion": ["bash"], "version": [], "help": []}


def test_every_verb_has_json_with_a_schema(redis_node, tmp_path):
    redis_node.put("a.py", "x = 1\n")
    redis_node.start_agent()
    ctl = redis_node.cachectl
    assert {verb["name"] for verb in command_line(ctl)["commands"]} == {*JSON_VERBS, "list", "dev"}
    (tmp_path / "b.py").write_text("")
    for verb, arguments in JSON_VERBS.items():
        words = [str(tmp_path) if word == "{directory}" else word for word in arguments]
        first, second = (ctl(verb, *words, "-o", "json").stdout for _ in range(2))
        if verb == "events":  # many, one per line
            first, second = (text.splitlines()[0] for text in (first, second))
        document = json.loads(first)
        assert document["schema"] == 1, verb
        assert list(document) == list(json.loads(second)), "a stable order"
    assert [entry["path"] for entry in ctl.json("list")] == ["a.py"]
    assert json.loads(ctl("exists", "nowhere.py", "-o", "json").stdout)["exists"] is False
    assert json.loads(ctl("get", "a.py", "-o", "json").stdout)["source"] == "x = 1\n"


def test_list_sorts_and_says_when_nothing_matches(cachectl, stage):
    stage.publish({"a.py": "12", "b.py": "1234", "c.py": "1"})
    stage.publish({"a.py": "1"})

    def order(*arguments):
        return "".join(entry["path"][0] for entry in cachectl.json("list", *arguments))

    assert order() == "abc"
    assert order("--reverse") == "cba"
    assert order("--sort", "size") == "bac"
    assert order("--sort", "size", "--reverse") == "cab"
    assert cachectl("list", "--paths", "--reverse").stdout == b"c.py\nb.py\na.py\n"
    assert order("--sort", "generation") == "abc"
    nothing = cachectl("list", "sharde/")
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    assert b"no module's path begins with sharde/" in nothing.stderr
    assert cachectl.json("list", "sharde/") == []


# --- completion and manuals -----------------------------------------------------------------------------------------


def command_line(cachectl):
    return json.loads(cachectl("help", "-o", "json").stdout)


def bash_completions(cachectl, *words):
    """What the completion function offers for the last word."""
    script = cachectl("completion", "bash").stdout.decode()
    quoted = " ".join(f"'{w}'" for w in words)
    ask = f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _bifrost_cachectl; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    env = {**cachectl.env, "PATH": f"{BUILD / 'bin'}:{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-c", script + ask], capture_output=True, timeout=60, env=env)
    assert result.stderr == b""
    return result.stdout.decode().splitlines()


def test_bash_completes_verbs_flags_choices_and_paths_of_modules(cachectl, stage):
    stage.publish({"shared/halopsa.py": "", "shared/http.py": "", "top.py": ""})
    assert set(bash_completions(cachectl, "bifrost-cachectl", "s")) == {"status", "show", "stats", "sync"}
    assert bash_completions(cachectl, "bifrost-cachectl", "push", "--d") == ["--delete", "--dry-run"]
    assert bash_completions(cachectl, "bifrost-cachectl", "-o", "") == ["table", "wide", "json"]
    assert bash_completions(cachectl, "bifrost-cachectl", "status", "-o", "j") == ["json"]
    assert bash_completions(cachectl, "bifrost-cachectl", "completion", "") == ["bash", "zsh", "fish"]
    assert bash_completions(cachectl, "bifrost-cachectl", "show", "shared/h") == ["shared/halopsa.py", "shared/http.py"]


def test_bash_expands_no_path_of_a_module(cachectl, stage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ["$(touch pwned).py", "$HOME.py", "*.py", "`touch pwned`.py", "a b/c  d.py", "{1,2}.py", "~.py"]
    stage.publish(dict.fromkeys(paths, ""))
    (tmp_path / "here.py").touch()
    assert sorted(bash_completions(cachectl, "bifrost-cachectl", "get", "")) == paths
    assert bash_completions(cachectl, "bifrost-cachectl", "get", "a b/c") == ["a b/c  d.py"]
    assert [file.name for file in tmp_path.iterdir()] == ["here.py"]


@pytest.mark.parametrize("shell", [pytest.param(s, marks=needs(s)) for s in ("bash", "zsh", "fish")])
def test_completion_is_valid_and_knows_every_verb_and_flag(cachectl, shell, tmp_path):
    script = cachectl("completion", shell).stdout
    file = tmp_path / "completion"
    file.write_bytes(script)
    assert subprocess.run([shell, "-n", file], capture_output=True).stderr == b""
    for command in [command_line(cachectl), *command_line(cachectl)["commands"]]:
        assert command["name"].encode() in script
        for option in command["options"]:
            for name in [] if option["positional"] else option["names"]:
                wanted = f"-l {name[2:]}" if shell == "fish" and name.startswith("--") else name
                if shell == "fish" and not name.startswith("--"):
                    wanted = f"-s {name[1:]}"
                assert wanted.encode() in script, (command["name"], name)


@needs("fish")
def test_fish_offers_verbs(cachectl, tmp_path):
    script = cachectl("completion", "fish").stdout.decode()
    result = subprocess.run(["fish", "-c", script + "\ncomplete -C 'bifrost-cachectl do'"], capture_output=True,
                            timeout=60, env={**cachectl.env, "HOME": str(tmp_path)})
    assert result.stdout.decode().split("\t")[0] == "doctor"


@needs("man")
@pytest.mark.parametrize("name", ["bifrost-cachectl", "bifrost-agent"])
def test_the_manual_pages_are_clean_and_say_what_help_says(cachectl, name, tmp_path):
    page = (cachectl("help", "--man") if name == "bifrost-cachectl" else agent("--man")).stdout
    help_text = (cachectl("help") if name == "bifrost-cachectl" else agent("--help")).stdout.decode()
    file = tmp_path / f"{name}.1"
    file.write_bytes(page)
    shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-P", "cat", file], capture_output=True,
                           timeout=60, env={**os.environ, "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""})
    assert (shown.returncode, shown.stderr) == (0, b"")
    text = page.replace(b"\\-", b"-").decode()
    for word in help_text.split():
        if word.startswith("--"):
            assert word.split(",")[0] in text, word
