"""What a wheel puts on PATH: each of these becomes the program of its name, which lies in this package.

A program of a wheel cannot lie on PATH itself: it finds the libraries that it brings by its distance from them.
"""

import os
import sys


def agent():
    _become("bifrost-agent")


def cachectl():
    _become("bifrost-cachectl")


def _become(name):
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", name)
    try:
        os.execv(program, [sys.argv[0], *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"{name}: cannot run {program}: {error.strerror}; install the package again: "
                 "pip install --force-reinstall bifrost-cache")
