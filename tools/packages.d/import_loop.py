"""Workers that import from the mirror, one after the other, each a fresh spawned interpreter that the .pth file
prepares.

    import_loop.py --once            one worker; prints where its modules came from
    import_loop.py --until FILE      workers until FILE exists; prints how many, and what they said

Status 1 when one import failed, or a module came from anywhere but the mirror. BIFROST_AUTOLOAD=1 is required.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import time

DEADLINE_S = 900
WORKER_S = 60
WORKER = """
import json
from multiprocessing import get_context

def work(queue):
    from bifrost_cache import begin_execution, loaded
    execution = begin_execution()
    from modules import tickets
    from shared import pricing
    queue.put({"source": execution.source, "modules": {m: e.source for m, e in loaded().items()}})

if __name__ == "__main__":
    context = get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join(50)
    if process.exitcode != 0:
        raise SystemExit(f"the worker ended with {process.exitcode}")
    print(json.dumps(queue.get()))
"""


def one_worker():
    """What one worker said, or raises."""
    path = os.path.join("/tmp", f"proof-worker-{os.getpid()}.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(WORKER)
    try:
        ended = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=WORKER_S)
    finally:
        os.unlink(path)
    if ended.returncode != 0:
        raise RuntimeError(ended.stderr + ended.stdout)
    said = json.loads(ended.stdout)
    wrong = {name: source for name, source in said["modules"].items() if source not in ("code", "source")}
    if wrong or "shared.pricing" not in said["modules"]:
        raise RuntimeError(f"not from the mirror: {wrong or said}")
    return said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--until", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(one_worker()))
        return 0
    end = time.monotonic() + DEADLINE_S
    sources = collections.Counter()
    failures = []
    while not os.path.exists(arguments.until) and time.monotonic() < end:
        try:
            sources[one_worker()["source"]] += 1
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failures.append(str(error))
    print(f"{sources.total()} workers imported {dict(sources)}, {len(failures)} failed")
    for failure in failures[:3]:
        print(failure)
    return 1 if failures or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
