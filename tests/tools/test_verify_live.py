"""bifrost-cachectl verify on a segment of 100,000 modules that is being written to."""

import subprocess

import pytest
from harness.segment_image import SegmentImage, flip, write
from terminal import run_on_terminal

MODULES = 100_000
VERIFY_DEADLINE_S = 300  # seconds at most on an idle machine, but machines are not always idle


@pytest.fixture
def large(stage):
    stage.tell(fill=MODULES, bytes=200)
    stage.tell(commit=True)
    stage.be_live()
    return stage


def verify_while_it_changes(cachectl, stage):
    """The finished process, and how many commits it saw go by."""
    process = cachectl.start("verify", stderr=subprocess.PIPE)
    commits = 0
    while process.poll() is None:
        stage.tell(put=f"area{commits % 97}/m{commits % 500}.py", content=f"value = {commits}", hash="new")
        stage.tell(remove=f"area{commits % 13}/m{commits % 90}.py", commit=True)
        commits += 1
    out, errors = process.communicate(timeout=VERIFY_DEADLINE_S)
    return process.returncode, out, errors, commits


def test_verify_walks_a_live_segment_and_finds_what_is_planted(cachectl, large):
    status, out, errors, commits = verify_while_it_changes(cachectl, large)
    assert (status, errors) == (0, b""), out + errors
    assert commits > 0
    assert out.startswith(b"sound: generation ")
    assert int(out.split(b" modules")[0].split()[-1]) > MODULES * 9 // 10

    image = SegmentImage(large.directory)
    sources = [record for _, record in image.records(kind=2, space=0) if int(record.key[:-3].split("m")[-1]) > 1000]
    content, token, checksum = sources[0], sources[len(sources) // 2], sources[-1]
    write(content.file, content.content, b"V")  # of "value = "
    write(token.file, token.token, b"H")  # of "hash of"
    flip(checksum.file, checksum.checksum)
    slot, _ = next(image.records(kind=4, space=1))
    write(image.root, slot, b"\xff\xff\xff")  # beyond what the chunk uses

    status, out, errors, _ = verify_while_it_changes(cachectl, large)
    assert status == 6, out + errors
    text = out.decode()
    for record in (content, token, checksum):
        assert f"{record.key}: checksum mismatch" in text
    assert "leads to no valid record" in text
    assert "DAMAGED" in text and b"restart bifrost-agent" in errors


def test_verify_draws_its_progress_on_a_terminal_only(cachectl, stage):
    stage.publish({"a.py": ""})
    status, shown = run_on_terminal([cachectl.program, "verify"], cachectl.env, keep_stdout=True)
    assert status == 0
    assert b"verify [" in shown and shown.endswith(b"\r\x1b[K")
    assert cachectl("verify").stderr == b""
