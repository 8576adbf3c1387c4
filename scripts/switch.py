#!/usr/bin/env python3
"""Simulated switches: one boots from a server like a real one, or many do.

It fetches GET /bootstrap and runs the script, with a folder as flash and a simulated FastCli, then
prints the startup-config at the end of the boot. Its exit status is that of the client.

    switch.py --serial JPE12345678 --neighbor Ethernet1=spine1:Ethernet7

With --fleet, many switches power on one after the other, and run the script in the same way. Most
of them boot from the sample content; some are refused, one fails, and one stalls. It prints what
each of them did, and exits 0 if they did what they were to do.

    switch.py --fleet 40 --seconds 60

The tests of the client use it as a module.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

DEFAULT_URL = "http://localhost:8787/bootstrap"
# The scale of all waits of a boot: 35 seconds without a neighbor take 0.7 seconds.
WAIT_SCALE = 0.02
# The scale of a fleet that powers on over a minute, in proportion to its seconds: boots are so slow
# that the console shows their steps.
FLEET_SECONDS, FLEET_SCALE = 60, 0.3

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


def fetch(switch, url):
    """GET the script of a switch. ConnectionError with the reason if that fails."""
    try:
        switch.fetch(url)
    except urllib.error.HTTPError as error:
        reason = error.read().decode("utf-8", "replace").strip()
        raise ConnectionError(f"GET {url}: {error.code}: {reason}")
    except (OSError, ValueError) as error:
        raise ConnectionError(f"GET {url}: {error}: is the server running?")


class Fleet:
    """Many switches that power on in turn, most with the neighbors of the sample's leaf."""

    MODELS = (("DCS-7050TX-64", "4.30.1F"), ("DCS-7280SR-48C6", "4.31.2F"), ("vEOS-lab", "4.28.3M"))
    # In the summary. A stalled switch loses its power during its first action.
    STATES = ("booted", "refused", "failed", "stalled")
    # Of the switch that fails: flash, and every other disk, has no room.
    FULL = "import os\nos.statvfs = lambda path: os.statvfs_result((4096, 4096) + (0,) * 8)\n"

    def __init__(self, home, url, count, seconds, scale):
        self.home = pathlib.Path(home)
        self.url = url
        self.seconds = seconds
        self.scale = scale
        self.began = time.monotonic()
        self.plan = self.planned(count)
        self.done = {}  # The number of a switch: (its state, seconds, reason).
        self.processes = []
        self.starting = threading.Lock()
        self.problem = None  # Why no switch can boot, or no other one shall.

    @classmethod
    def planned(cls, count):
        """The state in which each switch is to end. The first half has all that do not boot."""
        plan = ["booted"] * count
        others = ["refused"] * max(1, count // 10) + ["failed", "stalled"]
        if count > len(others):
            for index, state in enumerate(others):
                plan[1 + index * max(1, count // 2 // len(others))] = state
        return plan

    def run(self):
        """Power on all switches, and wait for them. After Ctrl-C, wait for those that clean up."""
        threads = []
        try:
            for index in range(len(self.plan)):
                due = self.began + index * self.seconds / len(self.plan)
                time.sleep(max(0, due - time.monotonic()))
                if self.problem:
                    break
                threads.append(threading.Thread(target=self.boot, args=(index + 1,), daemon=True))
                threads[-1].start()
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            with self.starting:
                self.problem = "interrupted"
            for process in self.processes:
                process.send_signal(signal.SIGINT)  # A terminal has sent it already.
            for thread in threads:
                thread.join()

    def switch(self, number):
        """A switch whose LLDP shows both uplinks only after some readings."""
        chance = random.Random(number)
        model, version = chance.choice(self.MODELS)
        made = Switch(self.home / self.serial(number), self.serial(number),
                      f"00:1c:73:f0:{number >> 8 & 255:02x}:{number & 255:02x}", model, version)
        port = "Ethernet9" if self.plan[number - 1] == "refused" else "Ethernet1"
        uplinks = [("Ethernet1", "spine1", port), ("Ethernet2", "spine2", f"Ethernet{number}")]
        made.facts["readings"] = [[]] * chance.randrange(6) + [lldp(uplinks[:1]), lldp(uplinks)]
        made.facts["connected"] = ["Management1", "Ethernet1", "Ethernet2"]
        return made

    @staticmethod
    def serial(number):
        return f"FLEET{number:03}"

    def boot(self, number):
        """Boot one switch from its power-on to its end."""
        since, made, plan = time.monotonic(), self.switch(number), self.plan[number - 1]
        try:
            fetch(made, self.url)
        except ConnectionError as error:
            self.problem = self.problem or error
            return
        environment = {"ZTP_WAIT_SCALE": str(self.scale)}
        if plan == "failed":
            (made.home / "sitecustomize.py").write_text(self.FULL)
            environment["PYTHONPATH"] = str(made.home)
        with self.starting:
            if self.problem:
                return
            process = made.start(environment=environment, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
            self.processes.append(process)
        self.say(number, "powers on")
        state, reason = "failed", "the client ended without a reason"
        with process.stdout as log:
            for line in log:
                message = line.decode("utf-8", "replace").strip()
                _, failed, text = message.partition("the boot failed: ")
                if reason.endswith(":"):  # The next line has the first mismatch.
                    reason += " " + message.rpartition(f"{self.serial(number)}: ")[2]
                if failed:
                    reason = text
                    state = "refused" if "the server refuses this node" in text else "failed"
                elif plan == "stalled" and f"{self.serial(number)}: action " in message:
                    process.kill()
                    state, reason = "stalled", "its power was cut during its first action"
        if process.wait() == 0:
            state, reason = "booted", ""
        self.done[number] = state, time.monotonic() - since, reason
        self.say(number, state)

    def say(self, number, what):
        print(f"{time.monotonic() - self.began:6.1f} s  {self.serial(number)} {what}", flush=True)

    def summary(self):
        """The lines of a summary: the counts, and what each switch did."""
        counts = collections.Counter(state for state, _, _ in self.done.values())
        yield (f"fleet: {len(self.done)} switches in {time.monotonic() - self.began:.0f} s: "
               + ", ".join(f"{counts[state]} {state}" for state in self.STATES))
        for number, (state, seconds, reason) in sorted(self.done.items()):
            yield (f"  {self.serial(number)}  {state} after {seconds:.1f} s"
                   + (f": {reason}" if reason else ""))

    def is_as_planned(self):
        states = [self.done[number][0] for number in sorted(self.done)]
        return states == self.plan


def run_fleet(options):
    """Run a fleet, print its summary, and return the exit status."""
    scale = options.wait_scale
    if scale is None:
        scale = min(1, FLEET_SCALE * options.seconds / FLEET_SECONDS)
    with tempfile.TemporaryDirectory(prefix="fleet-") as home:
        fleet = Fleet(home, options.url, options.fleet, options.seconds, scale)
        fleet.run()
        if fleet.done or not fleet.problem:
            print("\n" + "\n".join(fleet.summary()), flush=True)
        if fleet.problem:
            sys.exit(f"switch: {fleet.problem}")
        return 0 if fleet.is_as_planned() else 1


def positive(kind):
    """A parser of numbers above zero."""

    def number(value):
        if not kind(value) > 0:
            raise argparse.ArgumentTypeError(f"'{value}' is not above 0")
        return kind(value)

    return number


def main():
    parser = argparse.ArgumentParser(
        prog="switch", description="Boot a simulated switch, and show the startup-config it gets;"
                                   " or boot many, and show what each of them did.")
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
        default=os.environ.get("ZTP_WAIT_SCALE"),
        help="what the waits of the boot are multiplied by, 1 for those of a real switch"
             f" ({WAIT_SCALE}; of a fleet {FLEET_SCALE} in {FLEET_SECONDS} seconds)")
    parser.add_argument("--keep", metavar="DIR",
                        help="where to keep the switch: DIR/flash is its flash, and stays")
    parser.add_argument("--fleet", type=positive(int), metavar="N",
                        help="boot N switches, FLEET001 and so on; of the others, only --url,"
                             " --seconds and --wait-scale count")
    parser.add_argument("--seconds", type=positive(float), default=FLEET_SECONDS,
                        help="the time in which the fleet powers on (%(default)s)")
    options = parser.parse_args()
    if options.fleet:
        sys.exit(run_fleet(options))

    home = options.keep or tempfile.mkdtemp(prefix="switch-")
    switch = Switch(home, options.serial, options.mac, options.model, options.version,
                    options.neighbor)
    try:
        try:
            fetch(switch, options.url)
        except ConnectionError as error:
            sys.exit(f"switch: {error}")
        wait_scale = WAIT_SCALE if options.wait_scale is None else options.wait_scale
        process = switch.start(environment={"ZTP_WAIT_SCALE": str(wait_scale)})
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
