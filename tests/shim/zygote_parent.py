"""What test_zygote*.py have in common: a parent process with a Zygote, as a platform has one."""

import contextlib

PARENT = """
import asyncio, json, multiprocessing, os, select, signal, threading, time
from bifrost_cache.zygote import Zygote, warm

def attempt(*a, **k):
    try:
        return z.execute(*a, **k)
    except BaseException as e:
        return {'type': type(e).__name__, 'text': str(e), 'cause': str(e.__cause__), 'exitcode': getattr(e, 'exitcode', None)}

results = []

def held(target, path):
    '''A thread whose execution is running: it has made a file at `path`. What comes of it goes to `results`.'''
    thread = threading.Thread(target=lambda: results.append(attempt(target, {'path': path})))
    thread.start()
    eventually(lambda: os.path.exists(path))
    return thread

def stats(scope=(None, False)):
    return z.stats()[scope]

def eventually(condition, patience=30):
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f'not within {patience} s: {z.stats()}')
        select.select([], [], [], 0.01)
    return value

def settled(condition=lambda s: True, scope=(None, False)):
    return eventually(lambda: scope in z.stats() and not stats(scope)['renewing'] and condition(stats(scope)) and stats(scope))

def read(path):
    '''Of a process that may be ending: nothing, then.'''
    try:
        return open(path).read()
    except (FileNotFoundError, ProcessLookupError):
        return ''

def processes(parent):
    '''Of all below, zombies too.'''
    try:
        threads = os.listdir(f'/proc/{parent}/task')
    except FileNotFoundError:
        return []  # it ended, and was reaped, since it was listed
    found = [int(pid) for thread in threads for pid in read(f'/proc/{parent}/task/{thread}/children').split()]
    # multiprocessing keeps one more beside whatever it spawns.
    found = [pid for pid in found if 'resource_tracker' not in read(f'/proc/{pid}/cmdline')]
    return found + [below for pid in found for below in processes(pid)]

def alive(pids):
    return [pid for pid in pids if (stat := read(f'/proc/{pid}/stat')) and stat.rpartition(')')[2].split()[0] not in 'XZ']
"""


@contextlib.contextmanager
def zygote_on(node, **options):
    """A parent process with a Zygote `z`."""
    parent = node.worker()
    parent.do(PARENT)
    parent.do(f"z = Zygote(**{options!r})")
    try:
        yield parent
    finally:
        if parent.process.poll() is None:
            parent.do("z.close()")


def warmed(parent, *names):
    """Waits until these modules are warm."""
    parent.do(f"settled(lambda s: set({names!r}) <= set(s['warm']))")
