"""bifrost-cachectl as an ordinary user, who may not read /etc/bifrost/bifrost.conf: it says so, and which Redis it asks instead."""

import json
import subprocess

import pytest
from harness import REPOSITORY, directory_for_everybody
from harness.namespaces import beside_system_config

NOBODY = 65534
MODULES = REPOSITORY / "tools/demo.d/workspace"
CONFIG = "redis_url = redis://:hunter2@redis.example:6379/0\n"
WITHHELD = "/etc/bifrost/bifrost.conf cannot be read by this user; Redis is taken to be redis://localhost:6379/0"



def run(cachectl, *arguments, user=NOBODY):
    return subprocess.run([*beside_system_config(CONFIG, user), cachectl.program, *map(str, arguments)], env=cachectl.env,
                          capture_output=True, text=True, timeout=60)


@pytest.fixture
def ctl(cachectl):
    """The tool, and modules beside it, where every user reaches them."""
    del cachectl.env["BIFROST_REDIS_URL"]
    with directory_for_everybody(cachectl.program, MODULES) as here:
        cachectl.program = here / cachectl.program.name
        yield cachectl


def test_verbs_that_ask_redis_say_which_one(ctl):
    result = run(ctl, "push", ctl.program.parent / MODULES.name)
    assert result.returncode == 1
    assert WITHHELD in result.stderr and "BIFROST_REDIS_URL" in result.stderr


def test_doctor_notes_it(ctl):
    report = json.loads(run(ctl, "doctor", "-o", "json").stdout)
    assert [f["grade"] for f in report["findings"] if f["what"] == WITHHELD] == ["note"]


def test_who_names_a_redis_or_may_read_the_file_is_told_nothing(ctl):
    assert "cannot be read" not in run(ctl, "doctor", "--redis-url", "redis://127.0.0.1:1/0").stdout
    as_root = run(ctl, "doctor", "--settings", user=0).stdout
    assert "cannot be read" not in as_root
    assert "redis_url = redis://redis.example:6379/0  # /etc/bifrost/bifrost.conf:1" in as_root
    assert "hunter2" not in as_root
