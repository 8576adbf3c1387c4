"""Shared parts of the tests: a switch, and its boots as processes."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import server
import switch

# The scale of the client's waits: five minutes of retries take 1.5 s.
WAIT_SCALE = "0.005"

# No pattern requires it. With a neighbor, the client reads LLDP twice; without, eight times.
NEIGHBORS = [("Ethernet48", "console1", "Ethernet1")]

STUBS = {
    # Runs the command, without the requested rights.
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "useradd": '#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/../useradd.log"\n'
               'exit "${USERADD_STATUS:-0}"\n',
}


def tree(folder):
    """The contents of a folder: {relative path: content, link or 'folder'}."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        else:
            found[name] = "folder" if path.is_dir() else path.read_bytes()
    return found


def used_flash(switch_):
    """Fill flash with the files of a switch that has been in use."""
    files = {
        "startup-config": b"hostname before\n",
        "rc.eos": b"#!/bin/bash\necho before\n",
        "boot-extensions": b"old.swix\n",
        ".extensions/old.swix": b"\x00old extension\xff",
        "boot-config": b"SWI=flash:/EOS-old.swi\n",
        "EOS-old.swi": bytes(range(256)) * 4096,
        "notes/rack.txt": "Schrank 7, Zürich".encode(),
    }
    for name, content in files.items():
        path = switch_.flash / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (switch_.flash / "empty").mkdir()


class Boot:
    """The result of a boot: `status` and `output`."""

    def __init__(self, status, output):
        self.status = status
        self.output = output


class BootCase:
    """A test that boots switches with `self.python`, from a server with empty storage."""

    maxDiff = None

    def setUp(self):
        server.reset()
        self.home = tempfile.mkdtemp(prefix="ztp-test-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.serial = self.id().rsplit(".", 1)[-1][-60:]

    def switch(self, **facts):
        """A switch whose serial number is the test's name."""
        facts.setdefault("serial", self.serial)
        facts.setdefault("neighbors", NEIGHBORS)
        made = switch.Switch(tempfile.mkdtemp(dir=self.home), **facts)
        for name, script in STUBS.items():
            path = made.home / "bin" / name
            path.write_text(script)
            path.chmod(0o755)
        return made

    def proxy(self, rule=None, prefix=""):
        proxy = server.Proxy(rule, prefix)
        self.addCleanup(proxy.close)
        return proxy

    def start(self, switch_, url=None, arguments=(), **environment):
        """Fetch the client and start it, with stdout and stderr in one pipe."""
        switch_.fetch((url or server.URL) + "/bootstrap")
        environment = {"ZTP_WAIT_SCALE": WAIT_SCALE, **environment}
        return switch_.start(self.python, arguments, environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def boot(self, switch_, url=None, arguments=(), **environment):
        process = self.start(switch_, url, arguments, **environment)
        try:
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()
        return Boot(process.returncode, output.decode("utf-8"))

    def boots(self, switch_, url=None, **environment):
        """Boot, and expect success. Returns the startup-config."""
        booted = self.boot(switch_, url, **environment)
        self.assertEqual(booted.status, 0, booted.output)
        self.output = booted.output
        leftovers = [name for name in tree(switch_.flash) if ".ztp-old" in name or "-part" in name]
        self.assertEqual(leftovers, [])
        return (switch_.flash / "startup-config").read_text(encoding="utf-8")

    def refused(self, switch_, reason, url=None, arguments=(), **environment):
        """Boot, and expect failure with the reason in the log, and flash restored byte for byte."""
        before = tree(switch_.flash)
        booted = self.boot(switch_, url, arguments, **environment)
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn(reason, booted.output)
        self.assertNotIn("Traceback (most recent call last):\n  File \"<string>", booted.output)
        self.assertEqual(tree(switch_.flash), before)
        return booted.output

    def run_action(self, name, attributes, switch_=None, **environment):
        """Boot with one action, and then a startup-config. Returns the switch."""
        switch_ = switch_ or self.switch()
        server.put_file("end-config", "hostname end\n")
        server.define(self.serial, (name, attributes), ("add_config", {"url": "files/end-config"}))
        self.config = self.boots(switch_, **environment)
        return switch_
