"""The ways to start an execution: what they are called here and in tables."""

WAYS = {
    "spawn-pyc": "spawn, warm .pyc files",
    "spawn-hook": "spawn, hook",
    "execute": "worker.execute",
    "forkserver": "forkserver, workflow preloaded from files (never sees an edit)",
    "fork-none": "zygote, warm=none",
    "zygote-code": "zygote, warm=code",
    "zygote-modules": "zygote, warm=modules",
    "own-template": "own template, warm()",
    "bare-fork": "bare fork of it, answers at once",
}
SEES_EDITS = ["fork-none", "zygote-code", "zygote-modules"]
