"""What a spawned process has of its parent, and how it is with the parent now."""

import os
import sys
from multiprocessing import process


class Inherited:
    """Taken when a root is started: it and all that is forked from it began with this."""

    def __init__(self):
        self._environment = dict(os.environ)
        self._directory = os.getcwd()
        self._path = _path()

    def changes(self):
        """What a child must be told to be like a process that is spawned now."""
        environment, directory, path = dict(os.environ), os.getcwd(), _path()
        return {
            "environment": {} if environment == self._environment else _changed(self._environment, environment),
            "directory": directory if directory != self._directory else None,
            "path": path if path != self._path else None,
        }


def _path():
    """As spawn passes it on: "" is where this process was started."""
    return [entry or process.ORIGINAL_DIR for entry in sys.path]


def _changed(before, now):
    """{name: value, or None for a variable that is gone}"""
    changes = {name: None for name in before if name not in now}
    changes.update({name: value for name, value in now.items() if before.get(name) != value})
    return changes
