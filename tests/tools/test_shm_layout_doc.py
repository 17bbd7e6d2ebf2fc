"""The hex dumps in docs/shm-layout.md are those of a real segment, byte for byte.

BIFROST_UPDATE_DOCS=1 writes the bytes into the document instead of comparing them; the explanations stay.
"""

import os
import re

from cachectl_runner import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "shm-layout.md"
LINE = re.compile(r"^([0-9a-f]{8})  ((?:[0-9a-f]{2} +)+)\|(.{8,16})\|(.*)$", re.M)
# A dump says which file it is of.
BLOCK = re.compile(r"^```text (segment|chunk\.1)\n.*?^```$", re.M | re.S)


def dump_line(image, at, size, explanation):
    data = image[at:at + size]
    words = [data[i:i + 8].hex(" ") for i in range(0, size, 8)]
    text = "".join(chr(b) if 32 <= b < 127 else "." for b in data)
    return f"{at:08x}  {'  '.join(words):<48}  |{text}|{explanation}"


def test_the_hex_dumps_are_those_of_a_real_segment(stage):
    stage.tell(put="a.py", content="x = 1\n", hash="h1")
    stage.tell(commit=True)
    images = {name: (stage.directory / name).read_bytes() for name in ("segment", "chunk.1")}

    def regenerated(block):
        image = images[block[1]]
        return LINE.sub(lambda line: dump_line(image, int(line[1], 16), len(line[2].split()), line[4]), block[0])

    document = DOCUMENT.read_text()
    assert len(LINE.findall(document)) >= 14
    current = BLOCK.sub(regenerated, document)
    if os.environ.get("BIFROST_UPDATE_DOCS"):
        DOCUMENT.write_text(current)
    assert current.splitlines() == document.splitlines()
