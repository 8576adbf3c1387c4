#!/usr/bin/env python3
"""A simulated switch: boots from a server like a real one, and shows the result.

It fetches GET /bootstrap and runs the script, with a folder as flash and a simulated FastCli, then
prints the startup-config at the end of the boot. Its exit status is that of the client.

    switch.py --serial JPE12345678 --neighbor Ethernet1=spine1:Ethernet7

The tests of the client use it as a module.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

DEFAULT_URL = "http://localhost:8787/bootstrap"
# The scale of all waits of a boot: 35 seconds without a neighbor take 0.7 seconds.
WAIT_SCALE = 0.02

# The simulated FastCli: it runs the commands of a boot, writes each of them to commands.log, and
# configuration to running-config. facts.json has the output of `show ... | json`. All these files
# are in the parent folder of this script's folder.
FASTCLI = '''#!{python} -S
import os, sys

# Without the module json: to import it would double the time, and a boot runs this many times.
home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with open(os.path.join(home, "facts.json"), encoding="utf-8") as source:
    facts = eval(source.read(), {{"true": True, "false": False, "null": None}})
commands = sys.argv[sys.argv.index("-c") + 1].split("\\n")
configuring = False
running = os.path.join(home, "running-config")
startup = os.path.join(facts["flash"], "startup-config")
open(running, "a").close()


def to_json(value, line="\\n"):
    """The JSON of a value, indented; `line` begins each line of what contains the value."""
    inner = line + "    "
    if isinstance(value, dict) and value:
        members = [to_json(key) + ": " + to_json(value[key], inner) for key in value]
        return "{{" + ",".join(inner + member for member in members) + line + "}}"
    if isinstance(value, list) and value:
        return "[" + ",".join(inner + to_json(item, inner) for item in value) + line + "]"
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        codes = [high << 8 | low for high, low in zip(units[::2], units[1::2])]
        return '"' + "".join(chr(code) if 31 < code < 127 and code not in b'"\\\\'
                             else "\\\\u%04x" % code for code in codes) + '"'
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return repr(value)


def copy(source, target, mode):
    if not os.path.isfile(source):
        refuse("{{}}: no such file".format(source))
    with open(source, "rb") as content, open(target, mode) as output:
        output.write(content.read())


def interfaces(facts):
    """The output of `show interfaces status`: by default, ports with an LLDP neighbor at any time."""
    connected = facts["connected"]
    if connected is None:
        last = facts.get("show lldp neighbors", {{}}).get("lldpNeighbors", [])
        readings = facts["readings"] or [last]
        connected = [entry["port"] for entries in readings for entry in entries]
    return {{"interfaceStatuses": {{port: {{
        "linkStatus": "connected", "lineProtocolStatus": "up", "description": "",
        "vlanInformation": {{"interfaceMode": "bridged", "vlanId": 1}}}} for port in connected}}}}


def refuse(message):
    print("% " + message)
    sys.exit(1)


for command in commands:
    with open(os.path.join(home, "commands.log"), "a") as log:
        log.write(command + "\\n")
    show, _, pipe = (part.strip() for part in command.partition("|"))
    if show == "show lldp neighbors" and facts["readings"]:
        with open(os.path.join(home, "commands.log")) as log:
            number = [line.partition("|")[0].strip() for line in log].count(show)
        facts[show] = {{"lldpNeighbors": (facts["readings"][:number] or [[]])[-1]}}
    if show == "show interfaces status" and show not in facts["messages"]:
        facts.setdefault(show, interfaces(facts))
    if show in facts:
        if pipe == "json":
            print(to_json(facts[show]))
        elif pipe.startswith(("include ", "grep ")):
            print("Software image version: " + facts["show version"]["version"])
        else:
            print("\\n".join("{{}}: {{}}".format(*item) for item in facts[show].items()))
    elif show == "show management api http-commands":
        print("Enabled: Yes, running")
    elif show in facts["messages"]:
        refuse(facts["messages"][show])
    elif show in facts["refused"] or show.startswith("show "):
        refuse("Invalid input at '{{}}'".format(show))
    elif show.startswith("install source flash:"):
        image = show[len("install source flash:"):]
        if not os.path.isfile(os.path.join(facts["flash"], image)):
            refuse("{{}}: no such file".format(image))
        with open(os.path.join(facts["flash"], "boot-config"), "w") as boot_config:
            boot_config.write("SWI=flash:/{{}}\\n".format(image))
    elif show in ("write", "write memory", "copy running-config startup-config"):
        copy(running, startup, "wb")
    elif show == "copy startup-config running-config":
        copy(startup, running, "ab")
    elif show in ("configure", "end"):
        configuring = show == "configure"
    elif configuring:
        with open(running, "a") as output:
            output.write(command + "\\n")
'''


def neighbor(value):
    """`Ethernet1=spine1:Ethernet7` as (local port, device, remote port)."""
    local, _, peer = value.partition("=")
    device, _, port = peer.partition(":")
    if not (local and device and port):
        raise argparse.ArgumentTypeError(
            f"'{value}' is not LOCAL=DEVICE:PORT, such as Ethernet1=spine1:Ethernet7")
    return local, device, port


def lldp(neighbors):
    """(local port, device, remote port) of each neighbor, as `show lldp neighbors` has them."""
    return [{"port": local, "neighborDevice": device, "neighborPort": port}
            for local, device, port in neighbors]


class Switch:
    """A folder that looks like a switch to the bootstrap client.

    `flash` is its flash; commands.log gets every CLI command. `facts` may be changed before boot:
    `refused` lists CLI commands that fail, `messages` has EOS's words for some, and `readings`, if
    there are any, are the neighbors that LLDP shows at the first reading, the second and so on.
    `connected` lists the interfaces with a link; without it, they are those that ever have a
    neighbor.
    """

    def __init__(self, home, serial="SAMPLE01", mac="00:1c:73:00:00:01", model="vEOS",
                 version="4.30.1F", neighbors=()):
        self.home = pathlib.Path(home).resolve()
        self.flash = self.home / "flash"
        self.tmp = self.home / "tmp"
        self.script = self.tmp / "bootstrap"
        for folder in (self.flash, self.tmp, self.home / "bin"):
            folder.mkdir(parents=True, exist_ok=True)
        fastcli = self.home / "bin" / "FastCli"
        fastcli.write_text(FASTCLI.format(python=sys.executable))
        fastcli.chmod(0o755)
        self.facts = {
            "show version": {"modelName": model, "version": version, "serialNumber": serial,
                             "systemMacAddress": mac},
            "show lldp neighbors": {"lldpNeighbors": lldp(neighbors)},
            "readings": [],
            "connected": None,
            "refused": [],
            "messages": {},
            "flash": str(self.flash),
        }

    def fetch(self, url):
        """GET the bootstrap script as EOS does, which names itself in headers."""
        version = self.facts["show version"]
        request = urllib.request.Request(url, headers={
            "X-Arista-Serial": version["serialNumber"],
            "X-Arista-SystemMAC": version["systemMacAddress"],
            "X-Arista-ModelName": version["modelName"],
            "X-Arista-SoftwareVersion": version["version"],
        })
        with urllib.request.urlopen(request, timeout=30) as response:
            self.script.write_bytes(response.read())
        self.script.chmod(0o755)

    def environment(self):
        """What makes the client take this folder for a switch."""
        return dict(
            os.environ,
            PATH=f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            TMPDIR=str(self.tmp),
            ZTP_FLASH=str(self.flash),
            ZTP_FASTCLI=str(self.home / "bin" / "FastCli"),
            ZTP_SYSLOG=str(self.home / "log"),
        )

    def start(self, python=sys.executable, arguments=(), environment=None, **options):
        """Run the script that was fetched: the process."""
        (self.home / "facts.json").write_text(json.dumps(self.facts))
        return subprocess.Popen(
            [python, str(self.script), *arguments], cwd=str(self.tmp),
            env={**self.environment(), **(environment or {})}, **options)


def main():
    parser = argparse.ArgumentParser(
        prog="switch", description="Boot a simulated switch, and show the startup-config it gets.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the bootstrap URL (%(default)s)")
    parser.add_argument("--serial", default="SAMPLE01", help="its serial number (%(default)s)")
    parser.add_argument("--mac", default="00:1c:73:00:00:01", help="its MAC address (%(default)s)")
    parser.add_argument("--model", default="vEOS", help="its model (%(default)s)")
    parser.add_argument("--version", default="4.30.1F", help="its EOS version (%(default)s)")
    parser.add_argument(
        "--neighbor", type=neighbor, action="append", default=[], metavar="LOCAL=DEVICE:PORT",
        help="an LLDP neighbor, such as Ethernet1=spine1:Ethernet7; may be repeated")
    parser.add_argument(
        "--wait-scale", type=float, metavar="FACTOR",
        default=os.environ.get("ZTP_WAIT_SCALE", str(WAIT_SCALE)),
        help="what the waits of the boot are multiplied by, 1 for those of a real switch"
             " (%(default)s)")
    parser.add_argument("--keep", metavar="DIR",
                        help="where to keep the switch: DIR/flash is its flash, and stays")
    options = parser.parse_args()

    home = options.keep or tempfile.mkdtemp(prefix="switch-")
    switch = Switch(home, options.serial, options.mac, options.model, options.version,
                    options.neighbor)
    try:
        try:
            switch.fetch(options.url)
        except urllib.error.HTTPError as error:
            reason = error.read().decode("utf-8", "replace").strip()
            sys.exit(f"switch: GET {options.url}: {error.code}: {reason}")
        except (OSError, ValueError) as error:
            sys.exit(f"switch: GET {options.url}: {error}: is the server running?")
        process = switch.start(environment={"ZTP_WAIT_SCALE": str(options.wait_scale)})
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The client gets it too, and cleans up.
        status = process.wait()
        config = switch.flash / "startup-config"
        if config.is_file():
            print("\n--- startup-config", flush=True)
            sys.stdout.buffer.write(config.read_bytes())
        else:
            print("\n--- no startup-config")
        if options.keep:
            print(f"--- flash is in {switch.flash}")
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
