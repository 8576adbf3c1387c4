"""Many switches at once: each receives its own address."""

import concurrent.futures
import re
import sys
import unittest

import server
from boots import BootCase

SWITCHES = 20
DEFINITION = """\
name: fleet
actions:
  - action: add_config
    attributes:
      url: files/fleet.template
      variables:
        ipaddress: allocate('fleet')
"""


class Fleet(BootCase, unittest.TestCase):
    python = sys.executable

    def test_each_switch_receives_its_own_address_and_keeps_it(self):
        server.put_kv("resources/fleet", f"192.0.2.10-192.0.2.{9 + SWITCHES}/24: null\n")
        server.put_file("fleet.template", "interface Management1\n   ip address $ipaddress\n")
        serials = [f"FLEET{number}" for number in range(SWITCHES)]
        for serial in serials:
            server.put_kv(f"nodes/{serial}/definition", DEFINITION)
        first = self.addresses(serials)
        wanted = {f"192.0.2.{10 + number}/24" for number in range(SWITCHES)}
        self.assertEqual(set(first.values()), wanted)
        self.assertEqual(self.addresses(serials), first)

    def addresses(self, serials):
        """Boots all of them at once: {serial: the address in its startup-config}."""
        with concurrent.futures.ThreadPoolExecutor(len(serials)) as pool:
            return dict(zip(serials, pool.map(self.address, serials)))

    def address(self, serial):
        config = self.boots(self.switch(serial=serial))
        return re.search(r"ip address (\S+)", config).group(1)
