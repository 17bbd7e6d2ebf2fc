"""An agent takes over what one of layout 2 has left: tests/system/layout2/ holds its file."""

import gzip
import pathlib

import pytest

LEFT_BEHIND = pathlib.Path(__file__).parent / "layout2" / "segment.gz"
GENERATION = 3  # of the file


@pytest.fixture
def upgraded(node):
    """`start(change)` starts an agent on the file, after change(bytes)."""

    def start(change=lambda image: None, **arguments):
        image = bytearray(gzip.decompress(LEFT_BEHIND.read_bytes()))
        change(image)
        node.segment_dir.mkdir(exist_ok=True)
        segment = node.segment_dir / "segment"
        segment.write_bytes(image)
        segment.chmod(0o640)
        return node.start_agent(**arguments)

    return start



def test_an_upgrade_loses_no_module_whose_key_has_expired(node, upgraded):
    node.redis.client().sadd("bifrost:module:index", "kept.py")
    node.put("shared/halopsa.py", "VERSION = 3\n")
    agent = upgraded()
    assert "event=old_segment_copied layout=2 modules=3 left_out=0 damaged=0" in agent.log
    assert node.run("import kept\nanswer = kept.KEPT") == "after its key expired"
    assert node.run("import shared.halopsa as m\nanswer = m.VERSION") == 3
    assert node.status()["generation"] > GENERATION
    assert node.cachectl("verify").returncode == 0


def test_what_was_left_is_served_while_redis_is_away(node, upgraded):
    node.redis.stop()
    agent = upgraded(ready=False)
    answer = node.run("import kept, pkg, shared.halopsa as m\nanswer = [kept.KEPT, m.VERSION, execution.source]")
    assert answer == ["after its key expired", 2, "stale"], agent.log
    assert {entry["path"] for entry in node.cachectl.json("list")} == {"kept.py", "pkg/__init__.py", "shared/halopsa.py"}


def test_what_fails_its_checksum_is_left_out(node, upgraded):
    def damage(image):
        at = image.index(b"after its key expired")
        image[at] ^= 1

    agent = upgraded(damage)
    assert "event=old_segment_copied layout=2 modules=2 left_out=0 damaged=1" in agent.log
    assert node.cachectl("exists", "kept.py").returncode == 4


def test_a_second_start_adopts_what_the_first_has_copied(node, upgraded):
    upgraded()
    node.agent.kill()
    agent = node.start_agent()
    assert "old_segment_copied" not in agent.log
    assert "adopted=3" in agent.log


def test_hostile_bytes_in_place_of_the_file_cost_an_answer_and_no_crash(node, upgraded):
    for step in range(40, 104, 8):  # each header word in turn
        def overwrite(image, step=step):
            image[step:step + 8] = b"\xf8\xff\xff\xff\xff\xff\xff\x7f"

        agent = upgraded(overwrite)
        assert agent.process.poll() is None
        node.agent.kill()
        for file in node.segment_dir.iterdir():
            file.unlink()
