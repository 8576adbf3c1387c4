"""The event-handlers that back up the startup-config, from the template to the server."""

import pathlib
import subprocess

import packages
import server
import test_reference
from boots import BootCase
from pythons import each_python

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "assets/sample/files/templates"

# `show version` in the shapes of releases of EOS, of a switch whose serial number is SERIAL. Values are made up.
# Up to 4.24: one MAC address, values in a column. On some platforms, there are blanks after a value.
COLUMNS = """Arista DCS-7050TX-64-R
Hardware version:    01.20
Serial number:       SERIAL
System MAC address:  001c.73aa.bb01

Software image version: RELEASE
Architecture:           i386
Internal build version: RELEASE-1234567.1
Internal build ID:      00000000-0000-0000-0000-000000000000

Uptime:                 2 weeks, 1 day, 3 hours and 2 minutes
Total memory:           3818208 kB
Free memory:            1204508 kB

"""
# From 4.26 on: two MAC addresses, values after one blank.
TWO_ADDRESSES = """Arista DCS-7280SR3-48YC8-F
Hardware version: 11.03
Serial number: SERIAL
Hardware MAC address: 001c.73aa.bbff
System MAC address: 001c.73aa.bb01

Software image version: RELEASE
Architecture: x86_64
Internal build version: RELEASE-12345678.1
Internal build ID: 00000000-0000-0000-0000-000000000000
Image format version: 3.0
Image optimization: Default

Uptime: 1 day, 19 hours and 0 minutes
Total memory: 8099732 kB
Free memory: 5025064 kB

"""
RELEASES = {
    "4.15.2F": COLUMNS,
    "4.20.14M": COLUMNS,
    "4.24.0F": COLUMNS.replace("SERIAL\n", "SERIAL  \n"),
    "4.26.2F": TWO_ADDRESSES.replace("Image optimization: Default\n", ""),
    "4.28.6.1M": TWO_ADDRESSES,
    "4.32.2F": TWO_ADDRESSES,
}
MAC = "001c73aabb01"


def shown(release, serial):
    return RELEASES[release].replace("RELEASE", release).replace("SERIAL", serial)


def put_template(name):
    server.put_file("templates/" + name, (TEMPLATES / name).read_bytes())
    return {"url": "files/templates/" + name}


class Backups:
    """Runs the event-handler of the startup-config `self.config` as EOS does."""

    def back_up(self, switch, output="", config=b"hostname written\n! \xff\n"):
        """Write a startup-config: the status of the event-handler, and its output."""
        lines = [line.split("action bash ", 1)[1] for line in self.config.splitlines()
                 if "action bash " in line]
        self.assertEqual(len(lines), 1, self.config)
        (switch.flash / "startup-config").write_bytes(config)
        fastcli = switch.home / "bin" / "FastCli"
        fastcli.write_text("#!/bin/sh\n[ \"$*\" = '-p 15 -c show version' ] || exit 9\ncat <<'END'\n"
                           + output + "END\n")
        done = subprocess.run(
            [*packages.mount_flash(), str(switch.flash), "bash", "-c", lines[0]],
            env=switch.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.returncode, done.stdout.decode()

    def stored(self, node):
        status, _, body = server.fetch(f"{server.URL}/nodes/{node}/startup-config")
        return body if status == 200 else None


@each_python
class Client(Backups, BootCase):
    """With the client and the action of this server."""

    def test_the_node_stores_its_startup_config_below_its_own_url(self):
        switch = self.run_action("add_config", put_template("backup.template"))
        self.assertIn(f'"{server.URL}/nodes/{self.serial}/startup-config"\n', self.config)
        self.assertEqual(self.back_up(switch), (0, ""))
        self.assertEqual(self.stored(self.serial), b"hostname written\n! \xff\n")

    def test_urls_are_filled_in_unless_the_definition_or_the_configuration_has_them(self):
        server.put_file("urls.t", "! $SERVER $NODE_URL\n")
        self.run_action("add_config", {"url": "files/urls.t", "substitution_mode": "strict"})
        node = f"{server.URL}/nodes/{self.serial}"
        self.assertTrue(self.config.startswith(f"! {server.URL} {node}\n"), self.config)
        own = {"url": "files/urls.t", "variables": {"SERVER": "a", "NODE_URL": "b"}}
        self.run_action("add_config", own)
        self.assertTrue(self.config.startswith("! a b\n"), self.config)
        script = "! SERVER=10.0.0.1; curl $SERVER; NODE_URL=$NODE_URL\n"
        server.put_file("urls-of-a-script.t", script)
        self.run_action("add_config", {"url": "files/urls-of-a-script.t"})
        expected = script.replace("$NODE_URL", node)
        self.assertTrue(self.config.startswith(expected), self.config)

    def test_curl_says_why_a_startup_config_was_not_stored(self):
        switch = self.run_action("add_config", put_template("backup.template"))
        status, output = self.back_up(switch, config=b" \n")
        self.assertEqual(status, 22)
        self.assertIn("400", output)

    def test_the_serial_number_and_the_mac_address_are_those_that_each_release_prints(self):
        for name, node in (("backup-serial.template", self.serial), ("backup-mac.template", MAC)):
            server.reset()  # With a stored startup-config, the switch would install that.
            switch = self.run_action("add_config", put_template(name))
            for release in RELEASES:
                with self.subTest(template=name, release=release):
                    config = f"hostname {release}\n".encode()
                    output = shown(release, self.serial)
                    self.assertEqual(self.back_up(switch, output, config), (0, ""))
                    self.assertEqual(self.stored(node), config)


class TheirClientWithOurAction(Backups, test_reference.TheirClient):
    """ZTPServer's own client knows the URL of the server, and not that of the node."""

    test_static_boot = test_boot_under_a_path_prefix = test_dynamic_boot = None
    test_an_unknown_node_is_refused = None

    def test_the_serial_number_of_eos_needs_no_url_of_the_node(self):
        server.define(self.serial, ("add_config", put_template("backup-serial.template")))
        switch = self.switch()
        self.config = self.boots(switch)
        output = shown("4.32.2F", self.serial)
        self.assertEqual(self.back_up(switch, output), (0, ""))
        self.assertEqual(self.stored(self.serial), b"hostname written\n! \xff\n")

    def test_the_url_of_the_node_is_refused_with_the_line(self):
        server.define(self.serial, ("add_config", put_template("backup.template")))
        booted = self.boot(self.switch())
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn("files/templates/backup.template, line 5: the client does not know $NODE_URL",
                      booted.output)
