"""A platform with a Zygote: notes down what its executions ran, and kills a template now and then. Ends with its stdin.

zygote_reader.py NAME HISTORY MODE SEED KEY...      as reader.py; MODE is not used
"""

import os
import random
import select
import signal
import sys

from bifrost_cache.worker import WorkerDied
from bifrost_cache.zygote import Zygote

from nemesis.history import Read, line_of, now

PATIENCE_S = 20
KILLS = 0.03  # of executions


def kill_one(zygote, randomness):
    processes = [pid for scope in zygote.stats().values() for pid in scope["processes"].values()]
    if processes:
        try:
            os.kill(randomness.choice(processes), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was being replaced


def main():
    name, history_path, _, seed, *keys = sys.argv[1:]
    randomness = random.Random(int(seed))
    with Zygote() as zygote, open(history_path, "w") as out:
        number = 0
        while not select.select([sys.stdin], [], [], 0.002)[0]:
            number += 1
            if randomness.random() < KILLS:
                kill_one(zygote, randomness)
            order = randomness.sample(keys, len(keys))
            begun = now()
            try:
                reads = zygote.execute("nemesis.zygote_execution:read", {"keys": order}, timeout=PATIENCE_S)
            except WorkerDied:
                continue  # with the template that was killed
            for read in reads:
                # Each execution is a process of its own.
                out.write(line_of(Read(f"{name}.{number}", begun=begun, execution=number, **read)))
            out.flush()


if __name__ == "__main__":
    main()
