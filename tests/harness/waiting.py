"""Waiting for a state, never for a time."""

import select
import time

PATIENCE_S = 30.0


class Failed(AssertionError):
    """Something that had to hold did not; the message says what."""


def expect(condition, message):
    if not condition:
        raise Failed(message)


def eventually(condition, what, patience=PATIENCE_S):
    """Returns the first true value of `condition()`; Failed after `patience` seconds, saying `what` did not happen."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < deadline, f"within {patience} s: {what}")
        select.select([], [], [], 0.005)
