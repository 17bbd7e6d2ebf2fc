"""A long-lived Python process with the hook installed, told line by line what to do."""

import json
import sys
import textwrap

from harness.conversation import Conversation
from harness.waiting import PATIENCE_S


class WorkerRaised(Exception):
    def __init__(self, name, text, traceback):
        super().__init__(f"{name}: {text}")
        self.name, self.text, self.traceback = name, text, traceback


class Worker(Conversation):
    LOOP = """
import json, sys, traceback
import bifrost_cache
bifrost_cache.install_virtual_import_hook()
names = {"bifrost_cache": bifrost_cache, "b": bifrost_cache, "sys": sys}
for line in sys.stdin:
    try:
        exec(json.loads(line), names)
        answer = {"ok": names.pop("answer", None)}
    except BaseException as e:
        answer = {"error": type(e).__name__, "text": str(e), "traceback": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
"""

    def __init__(self, environment, directory):
        super().__init__([sys.executable, "-c", self.LOOP], env=environment, cwd=directory)

    def do(self, code, patience=PATIENCE_S):
        """Runs `code` there; returns what it stored in `answer`, or raises WorkerRaised with its exception."""
        self.tell(json.dumps(textwrap.dedent(code)))
        answer = json.loads(self.hear(patience))
        if "error" in answer:
            raise WorkerRaised(answer["error"], answer["text"], answer["traceback"])
        return answer["ok"]

    def ask(self, expression):
        return self.do(f"answer = ({expression})")

    def error_of(self, code):
        """Type and text of the exception that `code` raises, or None."""
        try:
            self.do(code)
        except WorkerRaised as error:
            return str(error)

    def begin(self, **arguments):
        self.do(f"execution = b.begin_execution(**{arguments!r})")
        return self.ask(
            "{'generation': execution.generation, 'source': execution.source, 'evicted': execution.evicted}")
