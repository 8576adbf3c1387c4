"""ZTPServer's own client and ours, as processes. Every request of a boot reaches another place.

clients.test.mjs runs it: ZTP_TEST_URL is its router, ZTP_TEST_CONTROL edits KV and R2. Arguments
are names of tests.
"""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "client"), str(ROOT / "scripts")]

import server  # noqa: E402 (in the folder that was just added)
from boots import BootCase  # noqa: E402
from test_reference import TheirClient  # noqa: E402

DEFINITION = """\
name: {0}
actions:
- action: add_config
  attributes:
    url: files/{0}.template
"""
# Milliseconds after which the object of a node has no copy, and every place shows what KV has.
LATER = 675000


class Boots:
    """The boots; `boots` and `boot` are those of a client."""

    def leaf(self, spine="spine1"):
        return self.switch(neighbors=[("Ethernet1", spine, "Ethernet7")])

    def config(self):
        config = self.boots(self.leaf()).rstrip("\n")
        # Our client would try again for three minutes.
        self.assertNotRegex(self.output, r"GET definition: 400")
        return config

    def later(self):
        server._control("POST", f"advance/{LATER}", b"")

    def test_a_new_node(self):
        self.assertEqual(self.config(), "hostname leaf")

    def test_a_known_node_that_was_cabled_otherwise(self):
        self.assertEqual(self.config(), "hostname leaf")
        self.assertEqual(self.boot(self.leaf(spine="core9")).status, 1)
        self.assertEqual(self.config(), "hostname leaf")

    def test_a_replaced_definition(self):
        self.assertEqual(self.config(), "hostname leaf")
        key = f"nodes/{self.serial}/definition"
        # An operator replaces the value that KV shows: the copy of the switch's boot.
        server._control("POST", f"stored/{key}", DEFINITION.format("leaf").encode())
        server.put_kv(key, DEFINITION.format("other"))
        self.assertEqual(self.config(), "hostname other")

    def test_a_startup_config_that_is_stored_restored_and_deleted(self):
        self.assertEqual(self.config(), "hostname leaf")
        url = f"{server.URL}/nodes/{self.serial}/startup-config"
        for config in ("hostname one", "hostname two", "hostname one"):
            self.assertEqual(server.fetch(url, "PUT", config.encode())[0], 201)
            self.assertEqual(self.config(), config)
        key = f"nodes/{self.serial}/startup-config"
        # The ten minutes in which a replaced value is stale begin when KV has the new one.
        server._control("POST", f"stored/{key}", b"hostname one")
        self.later()
        server.put_kv(key, "hostname two")
        self.later()
        self.assertEqual(self.config(), "hostname two")
        server._control("DELETE", "kv/" + key)
        self.later()
        self.assertEqual(self.config(), "hostname leaf")


class Ours(Boots, BootCase, unittest.TestCase):
    python = sys.executable


class Theirs(Boots, TheirClient):
    test_static_boot = test_boot_under_a_path_prefix = None
    test_dynamic_boot = test_an_unknown_node_is_refused = None

    def setUp(self):
        super().setUp()
        self.serial += "_theirs"


def load_tests(loader, _tests, _pattern):
    """Only the classes above: what they build on runs elsewhere."""
    return loader.suiteClass([loader.loadTestsFromTestCase(case) for case in (Ours, Theirs)])


if __name__ == "__main__":
    unittest.main(verbosity=2)
