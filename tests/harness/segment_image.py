"""The bytes of a segment directory, to look into and to break: docs/shm-layout.md."""

import struct
from pathlib import Path

SLOTS_OFFSET, SLOT_COUNT, CHUNK_BASE = 64, 72, 80  # in the root
USED_BYTES, CHUNK_HEADER_BYTES = 64, 4096          # in a chunk
RECORD_HEADER_BYTES = 96
ADDRESS_BITS, OFFSET_BITS = 48, 24                 # of a slot, of an address


def _words(byte_count):
    return (byte_count + 7) // 8 * 8


class Record:
    """Where one record lies. `file` is its chunk's."""

    def __init__(self, file, offset, chunk):
        self.file, self.offset = file, offset
        self.kind, self.space, key_bytes, token_bytes = struct.unpack_from("<BBHH", chunk, offset + 24)
        self.key = chunk[offset + RECORD_HEADER_BYTES:offset + RECORD_HEADER_BYTES + key_bytes].decode()
        self.checksum = offset + 64
        self.token = offset + RECORD_HEADER_BYTES + _words(key_bytes)
        self.content = self.token + _words(token_bytes)


class SegmentImage:
    """What the files held when this was made; write() and flip() change the files."""

    def __init__(self, directory):
        self.root = Path(directory) / "segment"
        self.bytes = self.root.read_bytes()
        self.chunks = {int(file.suffix[1:]): file for file in Path(directory).glob("chunk.*")}
        self._chunk_bytes = {number: file.read_bytes() for number, file in self.chunks.items()}
        first, count, self._base = struct.unpack_from("<QQQ", self.bytes, SLOTS_OFFSET)
        self.slots = range(first, first + 8 * count, 8)

    def used_slots(self):
        """Offsets in the root of the slots that lead to a record."""
        return [at for at in self.slots if self._address(at) > 1]

    def _address(self, slot):
        return struct.unpack_from("<Q", self.bytes, slot)[0] & ((1 << ADDRESS_BITS) - 1)

    def records(self, kind, space):
        """(slot offset, Record) of the newest records of that kind."""
        for slot in self.used_slots():
            number, words = divmod(self._address(slot), 1 << OFFSET_BITS)
            number += self._base
            record = Record(self.chunks[number], 8 * words, self._chunk_bytes[number])
            if (record.kind, record.space) == (kind, space):
                yield slot, record

    def find(self, content):
        """(file, offset) of these bytes among the records."""
        for number, chunk in self._chunk_bytes.items():
            if (at := chunk.find(content)) >= 0:
                return self.chunks[number], at
        raise AssertionError(f"{content!r} is in no chunk")

    def used_places(self, step):
        """(file, offset) of every `step`th byte that records take."""
        for number, chunk in self._chunk_bytes.items():
            used, = struct.unpack_from("<Q", chunk, USED_BYTES)
            yield from ((self.chunks[number], at) for at in range(CHUNK_HEADER_BYTES, used, step))


def write(file, at, data):
    with open(file, "r+b") as opened:
        opened.seek(at)
        opened.write(data)


def flip(file, at):
    """One bit; again, and it is as before."""
    with open(file, "r+b") as opened:
        opened.seek(at)
        byte = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([byte ^ 1]))
