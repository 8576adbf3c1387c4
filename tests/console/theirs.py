"""ZTPServer's own client boots once, from ZTP_TEST_URL: `theirs.py refused` or `theirs.py boots HOSTNAME`.

worker.test.mjs runs it. The server has the package's bootstrap script already. The switch's serial number is THEIRS1.
"""

import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "client"), str(ROOT / "scripts")]
os.environ.setdefault("ZTP_TEST_CONTROL", "unused")

import packages  # noqa: E402 (in the folder that was just added)
import server  # noqa: E402
from test_reference import TheirClient  # noqa: E402


def unneeded():
    """The test server fills the storage itself."""


class Theirs(TheirClient):
    outcome, hostname = None, None

    def setUp(self):
        server.reset, server.put_shown, server.take_shown = unneeded, self.nothing, self.nothing
        super().setUp()
        self.serial = "THEIRS1"

    def nothing(self, *arguments):
        pass

    def runTest(self):
        if self.outcome == "refused":
            booted = self.boot(self.switch())
            self.assertNotEqual(booted.status, 0, booted.output)
        else:
            config = self.boots(self.switch())
            self.assertIn("hostname " + self.hostname, config)


if __name__ == "__main__":
    if sys.argv[1] == "bootstrap":
        sys.stdout.buffer.write((packages.ztpserver() / "bootstrap" / "bootstrap").read_bytes())
        sys.exit()
    Theirs.outcome, Theirs.hostname = (sys.argv[1:] + [None])[:2]
    result = unittest.TextTestRunner().run(Theirs())
    sys.exit(0 if result.wasSuccessful() and not result.skipped else 1)
