"""bifrost-cachectl verify on a segment of 100,000 modules that is being written to."""

import struct
import subprocess

import pytest

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


class Image:
    """The segment's file, to break."""

    def __init__(self, path):
        self.path = path
        self.bytes = path.read_bytes()
        self.slots, self.slot_count = struct.unpack_from("<QQ", self.bytes, 64)

    def records(self, kind, space):
        """(slot offset, record offset) of the newest records of that kind."""
        for at in range(self.slots, self.slots + 8 * self.slot_count, 8):
            record = struct.unpack_from("<Q", self.bytes, at)[0] & ((1 << 48) - 1)
            if record and struct.unpack_from("<BB", self.bytes, record + 24) == (kind, space):
                yield at, record

    def write(self, at, data):
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(data)


def key_of(image, record):
    length = struct.unpack_from("<H", image.bytes, record + 26)[0]
    return image.bytes[record + 96: record + 96 + length].decode()


def test_verify_walks_a_live_segment_and_finds_what_is_planted(cachectl, large):
    status, out, errors, commits = verify_while_it_changes(cachectl, large)
    assert (status, errors) == (0, b""), out + errors
    assert commits > 0
    assert out.startswith(b"sound: generation ")
    assert int(out.split(b" modules")[0].split()[-1]) > MODULES * 9 // 10

    image = Image(large.segment)
    sources = [record for _, record in image.records(kind=2, space=0) if int(key_of(image, record)[:-3].split("m")[-1]) > 1000]
    content, token, checksum = sources[0], sources[len(sources) // 2], sources[-1]
    key_bytes = (struct.unpack_from("<H", image.bytes, content + 26)[0] + 7) // 8 * 8
    token_bytes = (struct.unpack_from("<H", image.bytes, content + 28)[0] + 7) // 8 * 8
    image.write(content + 96 + key_bytes + token_bytes, b"V")  # of "value = "
    image.write(token + 96 + (len(key_of(image, token)) + 7) // 8 * 8, b"H")  # of "hash of"
    image.write(checksum + 64, bytes([image.bytes[checksum + 64] ^ 1]))
    slot, _ = next(image.records(kind=4, space=1))
    image.write(slot, b"\x04")  # no longer on a word

    status, out, errors, _ = verify_while_it_changes(cachectl, large)
    assert status == 6, out + errors
    text = out.decode()
    for record in (content, token, checksum):
        assert f"{key_of(image, record)}: checksum mismatch" in text
    assert "leads to no valid record" in text
    assert "DAMAGED" in text and b"restart bifrost-agent" in errors


def test_verify_draws_its_progress_on_a_terminal_only(cachectl, stage):
    stage.publish({"a.py": ""})
    status, shown = run_on_terminal([cachectl.program, "verify"], cachectl.env, keep_stdout=True)
    assert status == 0
    assert b"verify [" in shown and shown.endswith(b"\r\x1b[K")
    assert cachectl("verify").stderr == b""
