"""python -m bifrost_cache run pkg.mod:function [--kwargs JSON]
python -m bifrost_cache run path/to/file.py:function [--kwargs JSON]

Runs one workflow in this process. Its result goes to stdout as JSON, and nothing else does: what the workflow prints,
and programs that it starts, goes to stderr.

python -m bifrost_cache materialise [DIR]

Writes the sources of the workspace to a directory.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import signal
import sys
import time

from . import __version__, _materialise, _shim, _target, begin_execution, install_virtual_import_hook, loaded

_UNITS_S = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
_MOST_S = 1e9


def _seconds(text):
    """A duration as bifrost-cachectl takes it; without a unit, seconds."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)(ms|[smhd]?)", text)
    if found is None or (seconds := float(found[1]) * _UNITS_S[found[2]]) > _MOST_S:
        raise argparse.ArgumentTypeError(f"`{text}` is not a duration: write 500ms, 60s, 2m, 1h or 7d")
    return seconds


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m bifrost_cache", description="Run modules of the workspace.")
    parser.add_argument("--version", action="version", version=f"bifrost_cache {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser(
        "run",
        help="run one function and print its result as JSON",
        description="Prints the function's result as JSON on stdout; what the function prints goes to stderr. "
        "The exit status is 1 when it raises.",
    )
    run.add_argument("target",
                     help="pkg.mod:function or path/to/file.py:function; a coroutine function is run to its end")
    run.add_argument("--kwargs", default="{}", metavar="JSON", help="keyword arguments, a JSON object")
    run.add_argument("--verbose", action="store_true",
                     help="say on stderr where the modules came from, and how long it took")
    timeout_help = "raise TimeoutError in the function after this long: 500ms, 60s, 2m"
    run.add_argument("--timeout", type=_seconds, metavar="TIME", help=timeout_help)
    write = verbs.add_parser(
        "materialise",
        help="write the sources of the workspace to a directory",
        description="For coverage, debuggers and editors, which want files. Imports go on coming from the mirror. "
        "Files of modules that are gone stay. Links below DIR are not followed: what lies behind one is named "
        "and left out, and the exit status is 1.",
    )
    write.add_argument("directory", nargs="?", metavar="DIR", help="default: the workspace, where __file__ points to")
    for verb in (run, write):
        verb.add_argument("--solution-id", metavar="ID", help="see the modules of this solution")
        verb.add_argument("--global-repo-access", action="store_true", help="and the modules shared by all")
        verb.add_argument("--root", action="append", metavar="PREFIX",
                          help="instead: search this root; may be repeated")
    arguments = parser.parse_args()
    if arguments.verb != "run":
        return arguments
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
    try:
        execution = begin_execution(
            solution_id=arguments.solution_id, global_repo_access=arguments.global_repo_access, roots=arguments.root
        )
    except ValueError as error:
        print(f"bifrost_cache: {'--root' if arguments.root else '--solution-id'}: {error}", file=sys.stderr)
        return 2
    return _run(arguments, execution) if arguments.verb == "run" else _materialise_to(arguments)


def _run(arguments, execution):
    begun = time.monotonic()
    with _stdout_for_the_result() as stdout:
        try:
            with _alarm(arguments.timeout):
                result = _target.run(arguments.target, arguments.kwargs)
            text = json.dumps(result, allow_nan=False)
        except Exception as error:
            print(_target.traceback_text(error), end="", file=sys.stderr)
            return 1
        finally:
            if arguments.verbose:
                _say_where_from(execution, time.monotonic() - begun)
        print(text, file=stdout)
    return 0


def _stdout_for_the_result():
    """The standard output. What else is printed goes to stderr from now on, by whomever: handlers of atexit, threads,
    extension modules, programs that the workflow starts."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    if stdout is None or sys.stderr is None:  # this process was started without
        return contextlib.nullcontext(stdout)
    kept = open(os.dup(stdout.fileno()), "w", encoding=stdout.encoding, errors=stdout.errors)
    os.dup2(sys.stderr.fileno(), stdout.fileno())
    return kept


@contextlib.contextmanager
def _alarm(seconds):
    """Raises TimeoutError in the block after so many seconds; None: never."""

    def expire(signum, frame):
        raise TimeoutError(f"--timeout: not done after {seconds:g} s")

    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _say_where_from(execution, seconds):
    by_source = collections.Counter(module.source for module in loaded().values())
    modules = ", ".join(f"{number} from {source}" for source, number in sorted(by_source.items())) or "none"
    why = f" ({execution.reason})" if execution.reason else ""
    print(
        f"bifrost_cache: source {execution.source}{why}, generation {execution.generation}, {seconds * 1000:.1f} ms, "
        f"{sum(by_source.values())} modules ({modules})",
        file=sys.stderr,
    )


def _materialise_to(arguments):
    workspace = _shim.effective_settings().get("workspace")
    if workspace is None:
        print("bifrost_cache: BIFROST_DISABLE=1 is set: materialise without it", file=sys.stderr)
        return 2
    roots = [f"{workspace}/{root}".rstrip("/") for root in _shim.present_roots()]
    directory = arguments.directory or workspace
    skipped = 0

    def say_skipped(path, why):
        nonlocal skipped
        skipped += 1
        print(f"bifrost_cache: {path!a} was not written: {why}", file=sys.stderr)

    try:
        files, written = _materialise.materialise(directory, roots, say_skipped)
    except OSError as error:
        print(f"bifrost_cache: {error}", file=sys.stderr)
        return 1
    print(f"{directory}: {files} files, {written} written" + (f", {skipped} not" if skipped else ""))
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
