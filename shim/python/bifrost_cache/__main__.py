"""python -m bifrost_cache run pkg.mod:function [--kwargs JSON]

Runs one workflow in this process. Its result goes to stdout as JSON, and nothing else does: what the workflow prints
goes to stderr.
"""

import argparse
import contextlib
import json
import sys

from . import __version__, _target, begin_execution, install_virtual_import_hook


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m bifrost_cache", description="Run modules of the workspace.")
    parser.add_argument("--version", action="version", version=f"bifrost_cache {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser(
        "run",
        help="run one function and print its result as JSON",
        description="Prints the function's result as JSON on stdout; what the function prints goes to stderr. "
        "Exit status 1 when it raises.",
    )
    run.add_argument("target", help="pkg.mod:function; a coroutine function is run to its end")
    run.add_argument("--kwargs", default="{}", metavar="JSON", help="keyword arguments, a JSON object")
    run.add_argument("--solution-id", metavar="ID", help="see the modules of this solution")
    run.add_argument("--global-repo-access", action="store_true", help="and the modules shared by all")
    arguments = parser.parse_args()
    try:
        arguments.kwargs = json.loads(arguments.kwargs)
        if not isinstance(arguments.kwargs, dict):
            raise ValueError("not an object")
    except ValueError as error:
        run.error(f"--kwargs: {error}")
    try:
        _target.split(arguments.target)
    except ValueError as error:
        run.error(str(error))
    return arguments


def main():
    arguments = _arguments()
    install_virtual_import_hook()
    begin_execution(solution_id=arguments.solution_id, global_repo_access=arguments.global_repo_access)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            result = _target.run(arguments.target, arguments.kwargs)
        text = json.dumps(result)
    except Exception as error:
        print(_target.traceback_text(error), end="", file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
