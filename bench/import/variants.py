"""The places that modules can come from: ours and its peers."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Variant:
    """`place`: what the worker does (worker.PLACES). `is_node`: the stage starts an agent for it."""

    key: str
    title: str
    place: str
    is_node: bool = False


VARIANTS = [
    Variant("agent-code", "bifrost-cache", "mirror", is_node=True),
    Variant("agent-source", "bifrost-cache, source only", "mirror", is_node=True),
    Variant("pyc", "files, warm .pyc", "path"),
    Variant("py", "files, no .pyc", "path"),
    Variant("redis", "redis-py hook: GET, compile", "redis"),
    Variant("redis-marshal", "redis-py hook: GET, unmarshal", "redis-marshal"),
    Variant("dict", "dict of marshal blobs", "dict"),
    Variant("dict-code", "dict of code objects", "dict-code"),
    Variant("zip", "zip file with .pyc", "path"),
]
BY_KEY = {variant.key: variant for variant in VARIANTS}

PEER = "pyc"  # what everything is compared with
