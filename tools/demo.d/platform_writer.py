"""Writes modules as the platform does, with redis-py: SETEX of the JSON, then SADD to the index. Two commands."""

import hashlib
import json

PREFIX = "bifrost:module:"
TTL_S = 86400


def write(client, path, source):
    client.execute_command(*set_command(path, source))
    client.sadd(f"{PREFIX}index", path)


def set_command(path, source):
    digest = hashlib.sha256(source.encode()).hexdigest()
    return ["SETEX", f"{PREFIX}{path}", TTL_S, json.dumps({"content": source, "path": path, "hash": digest})]
