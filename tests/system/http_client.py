"""The agent's HTTP side as a scraper and a probe see it."""

import re
import urllib.error
import urllib.request

from harness import PATIENCE_S, eventually

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")


def address_of(agent):
    """Where an agent started with `--metrics 127.0.0.1:0` listens."""
    match = eventually(lambda: re.search(r"event=metrics address=(\S+)", agent.log), "the agent listens")
    return match[1]


def get(address, path):
    """(status, content type, body)"""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def samples(text):
    """{name: {label text: value}} of a page in the text format."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        found.setdefault(name, {})[labels or ""] = float(value)
    return found


def families(text):
    """{name: type}"""
    return dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
