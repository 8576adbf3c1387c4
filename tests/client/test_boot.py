"""Boots that succeed: the requests, the facts that the switch sends, and its log."""

import os
import socket
import subprocess
import unittest

import server
from boots import WAIT_SCALE, BootCase, used_flash
from pythons import each_python

# The same in every test, because the server may cache it for some seconds.
NEIGHBORDB = """\
patterns:
  - name: leaf
    definition: leaf
    interfaces:
      - Ethernet1:
          device: regex('spine\\d+')
          port: Ethernet7
  - name: late
    definition: late
    interfaces:
      - Ethernet49: regex('spine\\d+'):any
      - Ethernet50: regex('spine\\d+'):any
  - name: rest
    definition: quarantine
    interfaces:
      - Management1: oob1:any
"""
LEAF = """\
name: leaf
actions:
  - action: add_config
    onstart: begins
    onsuccess: went well
    attributes:
      url: files/leaf.template
      variables:
        hostname: Zürich-1
"""


@each_python
class Conversation(BootCase):
    def test_dynamic_boot(self):
        server.put_kv("neighbordb", NEIGHBORDB)
        server.put_kv("definitions/leaf", LEAF)
        server.put_file("leaf.template", "hostname $hostname\n! costs 5 $$\n")
        switch = self.switch(neighbors=[("Ethernet1", "spine1", "Ethernet7")])
        self.assertEqual(self.boots(switch), "hostname Zürich-1\n! costs 5 $\n")
        self.assertIn(f"{self.serial}: action add_config: begins", self.output)
        self.assertIn(f"{self.serial}: action add_config: went well", self.output)

    def test_static_boot(self):
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname static\n")
        self.assertEqual(self.boots(self.switch()), "hostname static\n")

    def test_the_requests_are_in_order_under_a_path_prefix(self):
        proxy = self.proxy(prefix="/t/s3cret-token_0123")
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname static\n")
        self.boots(self.switch(), proxy.url)
        requests = [method + path[len(proxy.prefix):] for method, path in proxy.requests]
        # The first report; test_reports.py has the others.
        report = f"POST/nodes/{self.serial}/events"
        self.assertEqual(requests.index(report), 4)
        self.assertEqual([request for request in requests if request != report], [
            "GET/bootstrap",
            "GET/bootstrap/config",
            "POST/nodes",
            f"GET/nodes/{self.serial}",
            "GET/actions/replace_config",
            f"GET/meta/nodes/{self.serial}/startup-config",
            f"GET/nodes/{self.serial}/startup-config",
        ])
        self.assertNotIn("s3cret", self.output)

    def test_starts_from_clean_flash(self):
        server.put_file("config", "hostname new\n")
        server.define(self.serial, ("add_config", {"url": "files/config"}))
        switch = self.switch()
        used_flash(switch)
        self.assertEqual(self.boots(switch), "hostname new\n")
        left = sorted(path.name for path in switch.flash.iterdir())
        self.assertEqual(left, ["EOS-old.swi", "boot-config", "empty", "notes", "startup-config"])

    def test_without_a_serial_number_the_id_is_the_mac_address(self):
        server.put_kv("nodes/001c73abcdef/startup-config", "hostname veos\n")
        switch = self.switch(serial="", mac="00:1C:73:AB:CD:EF")
        self.assertEqual(self.boots(switch), "hostname veos\n")

    def test_an_action_runs_once_for_each_entry_but_is_fetched_once(self):
        proxy = self.proxy()
        for name in ("one", "two"):
            server.put_file(name, f"! {name}")
        server.define(self.serial, *[("add_config", {"url": f"files/{n}"}) for n in ("one", "two")])
        self.assertEqual(self.boots(self.switch(), proxy.url), "! one\n! two\n")
        self.assertEqual(proxy.paths("^/actions/"), ["/actions/add_config"])

    def test_unusual_names(self):
        server.put_file("a b/grün%20.tpl", "! odd")
        server.define(self.serial, ("add_config", {"url": "/files/a b/grün%2520.tpl"}))
        self.assertEqual(self.boots(self.switch(), LC_ALL="C"), "! odd\n")

    def test_url_on_another_server(self):
        def serve(request):
            request.reply(200, {"Content-Type": "x/y"}, b"! far")
            return True

        other = self.proxy(serve)
        server.define(self.serial, ("replace_config", {"url": other.url + "/some/config"}))
        self.assertEqual(self.boots(self.switch()), "! far")
        self.assertEqual(other.paths(), ["/some/config"])

    def test_action_interface(self):
        server.put_action("interface_probe", PROBE)
        attributes = {"colour": "grün", "NODES": 3, "none": None}
        server.define(self.serial, ("interface_probe", attributes))
        switch = self.switch(neighbors=[("Ethernet1", "a", "E1"), ("Ethernet1", "b", "E2")])
        switch.facts["show lldp neighbors"]["lldpNeighbors"][1]["neighborDevice"] = "Zürich"
        self.assertEqual(self.boots(switch), "! one\n! two\n")
        self.assertIn("probe saw everything", self.output)

    def test_the_log_names_an_entry_by_its_name_and_its_action(self):
        server.put_file("named", "hostname named\n")
        server.define(self.serial, {"action": "add_config", "name": "grüne Basis",
                                    "onsuccess": "went well", "attributes": {"url": "files/named"}})
        self.boots(self.switch())
        for line in ("definition for " + self.serial + ": add_config (grüne Basis)",
                     "action add_config (grüne Basis)",
                     "action add_config (grüne Basis): went well",
                     "action add_config (grüne Basis) succeeded"):
            self.assertIn(line, self.output)
        server.define(self.serial, {"action": "add_config", "name": "no url"})
        booted = self.boot(self.switch())
        self.assertIn("action add_config (no url) failed: the attribute 'url' is", booted.output)

    def test_a_stored_action_replaces_the_stock_one(self):
        server.put_action("verify_image", "def main(attributes):\n"
                          "    attributes.get('NODE').append_startup_config_lines(['! mine'])\n")
        self.addCleanup(server.take_shown, "r2", "actions/verify_image", "actions/verify_image",
                        lambda body: b"mine" not in body)
        server.define(self.serial, ("verify_image", {}))
        self.assertEqual(self.boots(self.switch()), "! mine\n")


PROBE = '''
import os
def main(attributes):
    node = attributes.get("NODE")
    assert attributes.get("colour") == u"gr\\u00fcn"
    assert attributes.get("none", 1) is None
    assert attributes.get("absent") is None and attributes.get("absent", 7) == 7
    assert sorted(attributes.copy()) == ["NODE", "NODES", "colour", "none"]
    assert sorted(node.details()) == [
        "model", "neighbors", "serialnumber", "systemmac", "version"]
    assert node.system()["model"] == "vEOS"
    assert node.neighbors() == {"neighbors": {"Ethernet1": [
        {"device": "a", "port": "E1"}, {"device": u"Z\\u00fcrich", "port": "E2"}]}}
    assert node.api_enable_cmds(["show version"])[0]["modelName"] == "vEOS"
    (printed,) = node.api_enable_cmds(["show version"], text_format=True)
    assert "modelName: vEOS" in printed
    assert node.api_config_cmds(["hostname x", "ip routing"]) == [{}, {}]
    results = node.api_enable_cmds(["show version", "configure", "vlan 7", "show version"])
    assert [bool(result) for result in results] == [True, False, False, True], results
    assert node.bash_cmds(["true", "echo fine"]) == (None, None, None, None)
    assert node.bash_cmds(["true", "echo o; echo e >&2; exit 3"])[1:] == (3, "o\\n", "e\\n")
    assert node.substitute("$a ${b} $c", {"a": 1, "b": u"\\u00fc"}, False) == u"1 \\u00fc $c"
    try:
        node.substitute("$a", {})
        raise AssertionError("strict")
    except Exception as error:
        assert "'a'" in str(error), error
    assert not node.has_startup_config()
    assert node.startup_config() == os.path.join(node.flash(), "startup-config.ztp-new")
    assert node.rc_eos() == os.path.join(node.flash(), "rc.eos")
    node.append_rc_eos_lines(["echo 1"])
    node.append_rc_eos_lines(["echo 2"])
    assert open(node.rc_eos()).read() == "#!/bin/bash\\necho 1\\necho 2\\n"
    node.append_startup_config_lines(["! one"])
    node.append_startup_config_lines([u"! two"])
    assert node.has_startup_config()
    assert node.server_address().startswith("http://127.0.0.1:")
    node.log_msg("an error of the probe", error=True)
    node.log_msg(u"probe saw everything, gr\\u00fcn")
'''


@each_python
class Logging(BootCase):
    def configure(self, text, expected):
        server.put_shown("kv", "bootstrap/bootstrap.conf", "bootstrap/config", text,
                         lambda body: expected.encode() in body)
        # Otherwise the next test would use the same logging.
        self.addCleanup(server.put_shown, "kv", "bootstrap/bootstrap.conf", "bootstrap/config",
                        "logging: []\n", lambda body: expected.encode() not in body)
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname logged\n")

    def test_every_destination_and_level(self):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        switch = self.switch()
        everything, errors = switch.home / "all.log", switch.home / "errors.log"
        self.configure(
            f"logging:\n"
            f"  - {{destination: 'file:{everything}', level: DEBUG}}\n"
            f"  - {{destination: 'file:{errors}', level: error}}\n"
            f"  - {{destination: 'file:/no/such/folder/log', level: INFO}}\n"
            f"  - {{destination: '127.0.0.1:{port}', level: INFO}}\n"
            f"xmpp: {{server: chat.example.com, rooms: [ops]}}\n", f"127.0.0.1:{port}")
        self.boots(switch)
        lines = everything.read_text().splitlines()
        self.assertTrue(any("POST nodes" in line for line in lines))
        for line in lines:
            self.assertRegex(line, f"^ztp: (DEBUG|INFO|ERROR|WARNING): {self.serial}: ")
        self.assertNotIn("DEBUG", errors.read_text())
        self.assertEqual(self.output.count("xmpp"), 1)
        self.assertIn("cannot log to file:/no/such/folder/log", self.output)
        datagram = receiver.recv(4096).decode()
        self.assertIn(f"ztp: INFO: {self.serial}: ", datagram)

    def test_local_syslog(self):
        switch = self.switch()
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(str(switch.home / "log"))
        receiver.settimeout(10)
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname logged\n")
        process = self.start(switch)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        received = []
        while not received or "succeeded: startup-config" not in received[-1]:
            received.append(receiver.recv(4096).decode())
        process.communicate(timeout=60)
        self.assertTrue(any(f"ztp: DEBUG: {self.serial}: POST nodes: 409" in line
                            for line in received), received)


class Start(BootCase, unittest.TestCase):
    """The first lines of the script find a Python."""

    def test_runs_as_an_executable_with_only_python3(self):
        switch = self.switch()
        switch.fetch(server.URL + "/bootstrap")
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname sh\n")
        switch.start("true").wait()  # Writes the facts.
        environment = {**switch.environment(), "ZTP_WAIT_SCALE": WAIT_SCALE}
        for shell in ("/bin/sh", "/bin/bash"):
            if os.path.exists(shell):
                done = subprocess.run([shell, str(switch.script)], env=environment, timeout=60,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn(b"Python 3", done.stdout)
        done = subprocess.run([str(switch.script), "--help"], env=environment, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertIn(b"--no-flash-factory-restore", done.stdout)
