#!/usr/bin/env python3
"""Runs the tests of the bootstrap client, its actions and the simulated switch.

They need a server with storage that they may fill and empty:

    ZTP_TEST_URL      the server, such as http://127.0.0.1:8787
    ZTP_TEST_CONTROL  where its storage is seen: PUT, GET and DELETE kv/KEY and r2/KEY, POST reset
                      and forget (what the server keeps in memory)
    ZTP_TEST_PYTHONS  the Pythons to play the switch with, separated by colons (2.7, the oldest 3
                      from 3.6 on and the newest, of those on PATH and in ~/.pyenv/versions)
    ZTP_TEST_SHARE    short or rest: see tests/client/pythons.py

Arguments are those of unittest: -v, -k PATTERN, names of tests.
"""

import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SHARE = os.environ.get("ZTP_TEST_SHARE")


class Loader(unittest.TestLoader):
    """The rest has no test that runs with one Python only."""

    def loadTestsFromTestCase(self, testCaseClass):  # noqa: N802, N803 (the names of unittest)
        if SHARE == "rest" and not hasattr(testCaseClass, "python"):
            return self.suiteClass()
        return super().loadTestsFromTestCase(testCaseClass)


def main():
    sys.path[:0] = [str(HERE), str(HERE.parent.parent / "scripts")]
    arguments = sys.argv[1:]
    if all(argument.startswith("-") for argument in arguments):
        arguments = ["discover", "-s", str(HERE), *arguments]
    program = unittest.main(module=None, argv=["run.py", *arguments], exit=False,
                            testLoader=Loader())
    result = program.result
    failed = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed - len(result.skipped)
    print(f"client: {passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    sys.exit(0 if result.wasSuccessful() and (passed or SHARE == "rest") else 1)


if __name__ == "__main__":
    main()
