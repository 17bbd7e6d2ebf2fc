"""What writers and readers note down: one JSON object a line, times in nanoseconds of CLOCK_BOOTTIME.

A write:  {"op": "write", "key", "version", "alive", "begun", "ended", "known", "sweep", "group", "ttl_ns"}
    `alive` is false for a deletion. `known` is false when Redis did not answer: it may or may not have been executed.
    `sweep` marks a write by a command that Redis tells nobody of. Versions of a key are unique and rise.
A loss:   {"op": "loss", "begun", "ended"}: Redis lost its data, or the index; the agent had seen so by `ended`.
A read:   {"op": "read", "reader", "key", "version", "begun", "ended", "source", "fresh", "execution", "text"}
    `version` is None when there was no such module. `begun` is when the reader asked for the view it reads from.
    `text`, instead of a version, is a content that no writer could have written.
"""

import dataclasses
import hashlib
import json
import re
import time


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclasses.dataclass
class Write:
    key: str
    version: int
    begun: int
    ended: int
    alive: bool = True
    known: bool = True
    sweep: bool = False
    group: str = ""
    ttl_ns: int = 0


@dataclasses.dataclass
class Loss:
    begun: int
    ended: int


@dataclasses.dataclass
class Read:
    reader: str
    key: str
    version: int | None
    begun: int
    ended: int
    source: str
    fresh: bool = False
    execution: int = 0
    text: str = ""


def line_of(record):
    return json.dumps({"op": type(record).__name__.lower(), **dataclasses.asdict(record)}) + "\n"


def load(*paths):
    kinds = {"write": Write, "read": Read, "loss": Loss}
    for path in paths:
        with open(path) as file:
            for line in file:
                if line.endswith("\n"):  # the last line of a process that was killed may be cut off
                    fields = json.loads(line)
                    yield kinds[fields.pop("op")](**fields)


# --- Values that describe themselves ---------------------------------------------------------------------------------

HEADER = re.compile(r"# key=(\S+) version=(\d+) fill=(\d+) digest=([0-9a-f]{16})\n")


def content_of(key, version, fill):
    body = f"VERSION = {version}\n" + "".join(f"# {key} {version} {i}\n" for i in range(fill))
    digest = hashlib.blake2b(body.encode(), digest_size=8).hexdigest()
    return f"# key={key} version={version} fill={fill} digest={digest}\n" + body


def version_in(key, content):
    """The version that `content` says it is; None when it is not exactly what a writer of `key` writes."""
    header = HEADER.match(content)
    if not header or header[1] != key:
        return None
    version = int(header[2])
    return version if content == content_of(key, version, int(header[3])) else None
