"""Lives of worker processes, made at random: begin, import, fork, threads, signals, and an end. For test_random_lives.py.

A life is a list of steps, [name, argument], the last of which ends the process. fate_of() says how; LIVE plays it, and
writes down each thing that it saw and that must not be.
"""

import signal

# How a process may end, and what its parent learns: an exit code, or minus a signal's number.
ENDS = {
    "return": 0,
    "sys.exit": 7,
    "os._exit": 8,
    "raise": 1,
    "atexit": 0,
    "exec": 9,
    "SIGTERM": -signal.SIGTERM,
    "SIGKILL": -signal.SIGKILL,
}
# Without the interpreter's own end. CPython before 3.14 can crash in that, when a daemon thread executes a module then; it
# does so with plain files, too (docs/integration.md).
ABRUPT = ["os._exit", "exec", "SIGTERM", "SIGKILL"]
THREADS = ["begins", "imports", "waits", "looks"]
MOST_FORKS = 3  # one inside another


def life(random, depth=0):
    steps = []
    for _ in range(random.randint(2, 7)):
        step = random.choices(["begin", "import", "thread", "signal", "storm", "collect", "install", "fork"],
                              [4, 6, 3, 2, 1, 1, 1, 3])[0]
        if step == "thread":
            steps.append([step, random.choice(THREADS)])
        elif step != "fork":
            steps.append([step, random.randint(1, 6)])
        elif depth < MOST_FORKS:
            steps.append([step, life(random, depth + 1)])
    ends = ABRUPT if ["thread", "imports"] in steps else list(ENDS)
    return [*steps, ["end", random.choice(ends)]]


def fate_of(steps):
    return ENDS[steps[-1][1]]


LIVE = '''
import atexit, gc, importlib, json, mmap, os, random, signal, sys, threading, traceback
import bifrost_cache as b

steps, acknowledged, complaints, sys_path = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.path[:]
ENDS = json.loads(sys.argv[4])
acknowledged = mmap.mmap(os.open(acknowledged, os.O_RDONLY), 8, prot=mmap.PROT_READ)
complaints = os.open(complaints, os.O_WRONLY | os.O_APPEND)
NAMES = [f"group.m{n}" for n in range(6)]


class Now:
    """Of this process: the present execution, and what its imports may show."""

    execution = None
    floor = 0        # the newest version whose writer had its answer before the execution began
    version = None   # what all of the group have in it, once one has been seen
    alone = True     # no other thread begins executions


def newest():
    return int.from_bytes(acknowledged[:8], "little")


def complain(what, **facts):
    line = {"what": what, "pid": os.getpid(), **facts}
    os.write(complaints, (json.dumps(line) + "\\n").encode())


def begin():
    floor = newest()
    Now.execution = b.begin_execution()
    # A machine too busy to answer: the newest that this node has, and flagged.
    Now.floor, Now.version = 0 if Now.execution.source == "stale" else floor, None


def look_at(name):
    try:
        version = importlib.import_module(name).VERSION
    except Exception:
        # Another thread's begin_execution() may take what is being imported out of sys.modules.
        if Now.alone:
            complain("an import fails", name=name, traceback=traceback.format_exc())
        return
    if not Now.alone:
        return
    if Now.execution is None or not Now.execution.intact:
        return
    if version < Now.floor:
        complain("older than what was acknowledged", name=name, version=version, floor=Now.floor)
    if Now.version is None:
        Now.version = version
    elif version != Now.version:
        complain("two versions in one execution", name=name, version=version, other=Now.version)


def import_some(count):
    for name in random.sample(NAMES, count):
        look_at(name)


def forever(step):
    def run():
        while True:
            try:
                step()
            except (TimeoutError, KeyError):
                pass  # KeyError: begin_execution() took what was being imported out of sys.modules
            except Exception:
                complain("a thread fails", traceback=traceback.format_exc())
                return
    threading.Thread(target=run, daemon=True).start()


def import_apart():
    for n in range(4):
        importlib.import_module(f"apart.t{n}")
        sys.modules.pop(f"apart.t{n}", None)


def look_around():
    b.loaded(); b.stats(); b.source_of("group/m0.py")


STEPS = {"begins": b.begin_execution, "imports": import_apart, "waits": lambda: b.wait_fresh(0.05), "looks": look_around}


def start_thread(kind):
    if kind == "begins":
        Now.alone = False
    forever(STEPS[kind])


def fork(steps):
    pid = os.fork()
    if pid == 0:
        Now.alone = True
        begin()
        live(steps)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != ENDS[steps[-1][1]]:
        complain("a child ends otherwise", steps=steps, status=os.waitstatus_to_exitcode(status))


def storm(milliseconds):
    signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000, milliseconds / 1000)


def end(how):
    if how == "sys.exit":
        sys.exit(7)
    if how == "os._exit":
        os._exit(8)
    if how == "raise":
        sys.stderr = open(os.devnull, "w")
        raise RuntimeError("an execution fails")
    if how == "atexit":
        atexit.register(import_some, 3)
    if how == "exec":
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = ("import sys, bifrost_cache as b; b.install_virtual_import_hook(); e = b.begin_execution();"
                "import group.m0, group.m5; sys.exit(9 if group.m0.VERSION == group.m5.VERSION or not e.intact else 10)")
        os.execv(sys.executable, [sys.executable, "-W", "ignore", "-c", code])
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
        signal.pause()
    raise SystemExit(0)


DO = {"begin": lambda _: begin(), "import": import_some, "thread": start_thread, "fork": fork, "storm": storm, "end": end,
      "signal": lambda _: os.kill(os.getpid(), signal.SIGUSR1), "collect": lambda _: gc.collect(),
      "install": lambda _: b.install_virtual_import_hook()}


def live(steps):
    for step, argument in steps:
        DO[step](argument)


# The last of all: Python's end takes the handlers away before the timer.
atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
b.install_virtual_import_hook()
signal.signal(signal.SIGUSR1, lambda *_: import_some(2))
signal.signal(signal.SIGALRM, lambda *_: b.loaded())
begin()
live(steps)
'''
