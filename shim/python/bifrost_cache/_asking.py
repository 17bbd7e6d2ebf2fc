"""Puts one question to the host's fallback, and waits for the answer for as long as it may take."""

import contextvars
import os
import threading
import time

from . import _shim

# How long an ended thread may still be seen by whoever counts this process' threads.
_LINGERS_S = 0.1


def ask(resolve, name, scope, timeout):
    """("answered", what resolve(name, scope) returned), ("raised", its exception), ("late", a sentence), or ("unasked",
    the exception) when no thread can be started.

    It runs in a thread of its own, in a copy of the caller's context. One that is given up goes on to its end, and
    nobody hears of it.
    """
    outcome = []

    def run():
        question = [name]
        _shim.asked_host().set(question)
        try:
            outcome.append(("answered", resolve(name, scope)))
        except BaseException as error:
            outcome.append(("raised", error))
        finally:
            question.clear()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name=f"bifrost_cache asks for {name}", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        if type(error) is not RuntimeError:
            raise  # of a signal handler
        return "unasked", error
    thread.join(timeout)
    if not outcome:
        return "late", f"no answer about {name} within {timeout:g} s"
    _see_it_off(thread)
    return outcome[0]


def _see_it_off(thread):
    # A template counts the threads that the import of a module leaves behind, and this one is not the module's.
    thread.join(_LINGERS_S)
    if thread.native_id == threading.get_native_id():
        return  # a greenlet
    deadline = time.monotonic() + _LINGERS_S
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < deadline:
        os.sched_yield()
