"""Runs unittest classes in this process, with the hook installed, and reports every outcome as JSON.

    child.py mirror SUITE REPORT           a module of suites/, its tests' files published instead of read from disk
    child.py stdlib MODULE REPORT          a test module of the standard library as it is
    child.py plain MODULE REPORT ID...     the same without the hook, these tests only

A suite's tests write into the workspace's directory, which is where they run. Tests of the standard library as it is
run somewhere else.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import unittest


class Recorder(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.outcomes = {}

    def _note(self, test, outcome, text=""):
        # A test with a failing subtest has failed, whatever its other subtests did.
        if self.outcomes.get(_id_of(test), ["ok"])[0] in ("ok", "skipped"):
            self.outcomes[_id_of(test)] = [outcome, text]

    def addSuccess(self, test):
        self._note(test, "ok")

    def addSkip(self, test, reason):
        self._note(test, "skipped", reason)

    def addError(self, test, err):
        self._note(test, "failed", self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addError(test, err)

    def addExpectedFailure(self, test, err):
        self._note(test, "ok")

    def addUnexpectedSuccess(self, test):
        self._note(test, "failed", "unexpected success")


def _id_of(test):
    name = test.id() if not hasattr(test, "test_case") else test.test_case.id()
    return name.removeprefix("suites.").removeprefix("test.")


def _flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flat(item)
        else:
            yield item


def run(suite):
    recorder = Recorder()
    # What tests print is nobody's report.
    with contextlib.redirect_stdout(io.StringIO()):
        suite.run(recorder)
    return recorder.outcomes


def run_mirrored(suite_name):
    import bifrost_cache

    bifrost_cache.install_virtual_import_hook()
    from published_tree import PublishedTree

    root = os.environ["BIFROST_WORKSPACE"]
    # Tests that open a file, and import a codec for it, must not publish it half written.
    import encodings.ascii  # noqa: F401
    import encodings.latin_1  # noqa: F401
    import tempfile

    tempfile.tempdir = root
    PublishedTree(root, os.environ["BIFROST_REDIS_URL"]).install()
    sys.dont_write_bytecode = True
    module = importlib.import_module(f"suites.{suite_name}")
    not_ours = getattr(module, "NOT_OURS", {})
    suite = unittest.TestSuite(
        test
        for test in _flat(unittest.defaultTestLoader.loadTestsFromModule(module))
        if test.id().rsplit(".", 1)[-1] not in not_ours
    )
    outcomes = run(suite)
    return {"outcomes": outcomes, "differences": getattr(module, "DIFFERS", {}), "stats": bifrost_cache.stats()}


def run_stdlib(module_name, hook, ids):
    if hook:
        import bifrost_cache

        bifrost_cache.install_virtual_import_hook()
    loader = unittest.defaultTestLoader
    outcomes = run(loader.loadTestsFromNames([f"test.{i}" for i in ids] or [f"test.{module_name}"]))
    return {"outcomes": outcomes}


def main():
    mode, name, report, *ids = sys.argv[1:]
    # unittest and the tests ask for it; the tests' own programs have it, too.
    sys.argv[1:] = []
    if mode == "mirror":
        result = run_mirrored(name)
    else:
        result = run_stdlib(name, mode == "stdlib", ids)
    with open(report, "w") as stream:
        json.dump(result, stream)


if __name__ == "__main__":
    main()
