"""ZTPServer 2.1.0 on either side: its actions with our client, its client with our server."""

import os
import pathlib
import subprocess
import unittest

import packages
import server
from boots import Boot, BootCase, tree
from pythons import each_python
from test_actions import Relay
from test_boot import LEAF, NEIGHBORDB

STUBS = pathlib.Path(__file__).resolve().parent / "eos"


class FlashCase(BootCase):
    """Boots in which the switch's flash is /mnt/flash, because scripts contain this path."""

    def started(self, switch, command, environment):
        done = subprocess.run(
            [*packages.mount_flash(), str(switch.flash), *command], cwd=str(switch.tmp),
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return Boot(done.returncode, done.stdout.decode("utf-8", "replace"))


@each_python
class TheirActions(FlashCase):
    """Each action file of the package, byte for byte. The one module they import is six."""

    def boot(self, switch, url=None, arguments=(), **environment):
        switch.fetch((url or server.URL) + "/bootstrap")
        switch.start("true").wait()  # Writes the facts.
        environment = {**switch.environment(), "ZTP_WAIT_SCALE": "0.005",
                       "PYTHONPATH": packages.modules("six"), **environment}
        del environment["ZTP_FLASH"]
        return self.started(switch, [self.python, str(switch.script), *arguments], environment)

    def run_theirs(self, name, attributes):
        # With another name: other tests with the same server need the stock action.
        stored = "ztpserver_" + name
        server.put_action(stored, (packages.ztpserver() / "actions" / name).read_bytes())
        return self.run_action(stored, attributes)

    def test_add_config(self):
        server.put_file("their.template", "hostname $name\n")
        attributes = {"url": "files/their.template", "variables": {"name": "Zürich"}}
        self.run_theirs("add_config", attributes)
        self.assertIn("hostname Zürich\n", self.config)

    def test_replace_config(self):
        server.put_file("their.config", "hostname replaced\n")
        self.run_theirs("replace_config", {"url": "files/their.config"})
        self.assertTrue(self.config.startswith("hostname replaced\n"))

    def test_copy_file(self):
        server.put_file("f", "copied")
        copy = {"src_url": "files/f", "mode": 700, "overwrite": "backup"}
        switch = self.run_theirs("copy_file", dict(copy, dst_url="/mnt/flash/folder/"))
        self.assertEqual(tree(switch.flash)["folder/f"], b"copied")
        switch = self.run_theirs("copy_file", dict(copy, dst_url="/etc/f"))
        found = tree(switch.flash)
        self.assertEqual(found[".ztp-files/f"], b"copied")
        self.assertIn(b"sudo cp /mnt/flash/.ztp-files/f /etc/f\n", found["rc.eos"])

    def test_install_image(self):
        server.put_file("a.swi", b"an image")
        switch = self.run_theirs("install_image", {"url": "files/a.swi", "version": "4.31.0F"})
        self.assertEqual((switch.flash / "EOS-4.31.0F.swi").read_bytes(), b"an image")
        self.assertEqual((switch.flash / "boot-config").read_text(), "SWI=flash:/EOS-4.31.0F.swi\n")

    def test_install_extension(self):
        server.put_file("e.rpm", b"1")
        switch = self.run_theirs("install_extension", {"url": "files/e.rpm", "force": True})
        found = tree(switch.flash)
        self.assertEqual(found["boot-extensions"], b"e.rpm force")
        self.assertEqual(found[".extensions/e.rpm"], b"1")

    def test_install_cli_plugin(self):
        server.put_file("plugin.py", b"pass")
        switch = self.run_theirs("install_cli_plugin", {"url": "files/plugin.py"})
        found = tree(switch.flash)
        self.assertEqual(found[".ztp-plugins/plugin.py"], b"pass")
        self.assertIn(b"/mnt/flash/.ztp-plugins/plugin.py", found["rc.eos"])

    def test_run_bash_script(self):
        server.put_file("their.script", "#!/bin/sh\necho $what > /mnt/flash/made\n")
        attributes = {"url": "files/their.script", "variables": {"what": "it"}}
        for name in ("run_bash_script", "the_nick"):
            switch = self.run_theirs(name, attributes)
            self.assertEqual(tree(switch.flash)["made"], b"it\n", name)

    def test_run_cli_commands(self):
        server.put_file("their.commands", "configure\nhostname $name\n")
        attributes = {"url": "files/their.commands", "variables": {"name": "x"}}
        switch = self.run_theirs("run_cli_commands", attributes)
        self.assertIn("hostname x\n", (switch.home / "commands.log").read_text())

    def test_send_email(self):
        relay = Relay()
        self.addCleanup(relay.server_close)
        self.addCleanup(relay.shutdown)
        # Without attachments: with them, it fails under its own client, too.
        attributes = {"smarthost": "127.0.0.1:{}".format(relay.server_address[1]),
                      "sender": "a@example.com", "receivers": ["b@example.com"], "body": "fine"}
        self.run_theirs("send_email", attributes)
        self.assertIn("fine", str(relay.mails[0][1]))

    def test_configure_ansible_client(self):
        server.put_file("key.pub", "ssh-ed25519 AAAA ansible\n")
        root = os.path.join(self.home, "persist")
        user = {"user": "root", "group": "root", "root": root, "key": "files/key.pub"}
        switch = self.run_theirs("configure_ansible_client", user)
        keys = pathlib.Path(root, "root", ".ssh", "authorized_keys").read_text()
        self.assertEqual(keys, "ssh-ed25519 AAAA ansible\n")
        self.assertIn("useradd", (switch.flash / "rc.eos").read_text())

    def test_template(self):
        self.run_theirs("template", {})


class TheirClient(FlashCase, unittest.TestCase):
    """The package's own bootstrap script, byte for byte, booting from our server."""

    their_python = None  # The newest that it runs with.

    def setUp(self):
        super().setUp()
        script = (packages.ztpserver() / "bootstrap" / "bootstrap").read_bytes()
        server.put_shown("kv", "bootstrap/bootstrap", "bootstrap", script,
                         lambda body: b"jsonrpclib" in body)
        self.addCleanup(server.take_shown, "kv", "bootstrap/bootstrap", "bootstrap",
                        lambda body: b"jsonrpclib" not in body)

    def boot(self, switch, url=None, arguments=(), **environment):
        python = self.their_python or packages.python_with("crypt")
        modules = packages.modules("six", "requests", python=python)
        switch.fetch((url or server.URL) + "/bootstrap")
        switch.start("true").wait()  # Writes the facts.
        environment = {**switch.environment(), **environment,
                       "PYTHONPATH": os.pathsep.join([str(STUBS), modules])}
        command = [python, "-W", "ignore", str(switch.script), *arguments]
        return self.started(switch, command, environment)

    def test_static_boot(self):
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname theirs\n")
        self.assertEqual(self.boots(self.switch()), "hostname theirs\n")

    def test_boot_under_a_path_prefix(self):
        proxy = self.proxy(prefix="/t/s3cret-token_0123")
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname prefixed\n")
        self.assertEqual(self.boots(self.switch(), proxy.url), "hostname prefixed\n")
        self.assertEqual([path for path in proxy.paths() if "outside" in path], [])

    def test_dynamic_boot(self):
        server.put_kv("neighbordb", NEIGHBORDB)
        server.put_kv("definitions/leaf", LEAF)
        server.put_file("leaf.template", "hostname $hostname\n! costs 5 $$\n")
        switch = self.switch(neighbors=[("Ethernet1", "spine1", "Ethernet7")])
        config = self.boots(switch)
        self.assertEqual(config.rstrip("\n"), "hostname Zürich-1\n! costs 5 $")
        recabled = self.switch(neighbors=[("Ethernet1", "core1", "Ethernet7")])
        booted = self.boot(recabled)
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn("server-side topology check failed (status=400)", booted.output)

    def test_an_unknown_node_is_refused(self):
        booted = self.boot(self.switch())
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn("node not found on server (status=400)", booted.output)
