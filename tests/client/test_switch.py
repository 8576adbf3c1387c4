"""The simulated switch as a command."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import server

ROOT = pathlib.Path(__file__).resolve().parents[2]
SWITCH = ROOT / "scripts" / "switch.py"
SAMPLE = ROOT / "assets" / "sample"


class SwitchCommand(unittest.TestCase):
    def setUp(self):
        server.reset()

    def run_switch(self, *arguments, url=None):
        done = subprocess.run(
            [sys.executable, str(SWITCH), "--url", url or server.URL + "/bootstrap", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.returncode, done.stdout.decode()

    def test_shows_log_and_startup_config(self):
        server.put_kv("nodes/JPE1234/startup-config", "hostname desk\n")
        status, output = self.run_switch("--serial", "JPE1234")
        self.assertEqual(status, 0, output)
        self.assertIn("JPE1234: POST nodes: 409", output)
        self.assertTrue(output.endswith("--- startup-config\nhostname desk\n"), output)

    def test_shows_its_facts(self):
        status, output = self.run_switch(
            "--serial", "JPE5678", "--mac", "00:1c:73:aa:bb:cc", "--model", "DCS-7050TX",
            "--neighbor", "Ethernet1=nobody:Ethernet7", "--neighbor", "Ethernet2=nobody:Ethernet8")
        self.assertEqual(status, 1, output)
        self.assertIn("this is DCS-7050TX, EOS 4.30.1F, MAC 00:1c:73:aa:bb:cc,"
                      " with neighbors on Ethernet1, Ethernet2", output)
        self.assertIn("--- no startup-config", output)

    def test_keeps_its_flash(self):
        server.put_kv("nodes/JPE1234/startup-config", "hostname kept\n")
        with tempfile.TemporaryDirectory() as folder:
            status, output = self.run_switch("--serial", "JPE1234", "--keep", folder)
            self.assertEqual(status, 0, output)
            kept = pathlib.Path(folder, "flash", "startup-config").read_text()
        self.assertEqual(kept, "hostname kept\n")

    def test_reports_a_server_that_does_not_respond(self):
        status, output = self.run_switch(url="http://127.0.0.1:9/bootstrap")
        self.assertEqual(status, 1)
        self.assertIn("is the server running?", output)

    def test_its_waits_are_short(self):
        """A wait of 35 seconds for missing neighbors would be too long for a simulation."""
        server.put_action("waits", "import os\ndef main(attributes):\n"
                          "    raise RuntimeError('scale ' + os.environ['ZTP_WAIT_SCALE'])\n")
        server.define("JPE1234", ("waits", {}))
        for arguments, scale in (((), "0.02"), (("--wait-scale", "0.5"), "0.5")):
            near = ("--neighbor", "Ethernet1=spine1:Ethernet7")
            status, output = self.run_switch("--serial", "JPE1234", *near, *arguments)
            self.assertEqual(status, 1, output)
            self.assertIn(f"action waits failed: scale {scale}\n", output)

    def test_rejects_an_invalid_neighbor(self):
        status, output = self.run_switch("--neighbor", "spine1")
        self.assertEqual(status, 2)
        self.assertIn("'spine1' is not LOCAL=DEVICE:PORT", output)

    def put_sample(self):
        for name in ("neighbordb", "definitions/leaf"):
            server.put_kv(name, (SAMPLE / name).read_bytes())
        server.put_file("templates/base.template",
                        (SAMPLE / "files/templates/base.template").read_bytes())

    def test_a_fleet_has_switches_that_are_refused_fail_and_stall(self):
        self.put_sample()
        status, output = self.run_switch("--fleet", "8", "--seconds", "2")
        self.assertEqual(status, 0, output)
        head, _, summary = output.partition("\nfleet: ")
        first, *lines = summary.splitlines()
        self.assertRegex(first, r"^8 switches in \d+ s: 5 booted, 1 refused, 1 failed, 1 stalled$")
        self.assertEqual([line.split()[0] for line in lines],
                         [f"FLEET00{number}" for number in range(1, 9)])
        self.assertRegex(lines[1], "refused after .* s: the server refuses this node.*spine1")
        self.assertRegex(lines[2], "failed after .*: no room for files/templates/base.template")
        self.assertRegex(lines[3], "stalled after .*: its power was cut during its first action")
        for number in range(1, 9):
            self.assertIn(f"FLEET00{number} powers on", head)

    def test_a_fleet_without_the_content_for_it_fails_and_says_what_each_did(self):
        status, output = self.run_switch("--fleet", "2", "--seconds", "1")
        self.assertEqual(status, 1, output)
        self.assertIn("2 switches in", output)
        self.assertIn("0 booted, 2 refused, 0 failed, 0 stalled", output)

    def test_a_fleet_reports_a_server_that_does_not_respond(self):
        status, output = self.run_switch("--fleet", "40", url="http://127.0.0.1:9/bootstrap")
        self.assertEqual(status, 1, output)
        self.assertIn("is the server running?", output)

    def test_an_interrupted_fleet_ends_with_its_summary(self):
        self.put_sample()
        process = subprocess.Popen(
            [sys.executable, str(SWITCH), "--url", server.URL + "/bootstrap", "--fleet", "40"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill)
        process.stdout.readline()
        time.sleep(2)  # Until the client handles signals.
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, output)
        self.assertRegex(output.decode(), "FLEET001  failed after .*: it was interrupted by signal")
        self.assertTrue(output.endswith(b"\nswitch: interrupted\n"), output)

    def test_rejects_an_empty_fleet(self):
        for arguments in (("--fleet", "0"), ("--fleet", "4", "--seconds", "0")):
            status, output = self.run_switch(*arguments)
            self.assertEqual(status, 2, output)
            self.assertIn("'0' is not above 0", output)
