"""The module `flow` of test_zygote_life.py and test_zygote_executions.py: executions that end in every way."""

FLOW = """
import atexit, os, signal, subprocess, sys, threading, time
import helper


def value():
    return helper.VALUE


def pid():
    return os.getpid()


def wait(path):
    open(path, "w").close()
    time.sleep(600)


def until(path):
    os.mkfifo(path)
    open(path).close()  # once somebody opens it to write
    return "done"


def die(code):
    os._exit(code)


def leave(code):
    sys.exit(code)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def blocks_at_exit():
    atexit.register(time.sleep, 600)
    return "result"


def thread_at_exit():
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "result"


def at_exit(path):
    atexit.register(lambda: open(path, "w").close())


def orphan():
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
    os._exit(9)


def family(path):
    child = subprocess.Popen(["sleep", "600"])
    with open(path + ".new", "w") as file:
        file.write(str(child.pid))
    os.rename(path + ".new", path)
    time.sleep(600)


def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(path)


def speak():
    print("to stdout")
    print("to stderr", file=sys.stderr)


class Tee:
    def __init__(self, stream):
        self.write = stream.write


def speak_through_a_tee():
    print("before")
    sys.stdout = Tee(sys.stdout)
    print("through it")
"""
