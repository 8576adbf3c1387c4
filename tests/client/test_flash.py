"""Nothing of flash is lost, whatever ends a boot and whenever: errors, signals, power cuts.

With ZTP_TEST_FULL=1, at every millisecond and every operation; otherwise at some of them, which
differ from one Python to the next.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor

import switch
from boots import NEIGHBORS, STUBS, Boot, tree
from pythons import SHARE, each_python
from small_server import SmallServer, bootstrap

FULL = bool(os.environ.get("ZTP_TEST_FULL"))
FAULTS = pathlib.Path(__file__).resolve().parent / "faults.py"
STEP = 41  # Of a short run: one operation of so many.
ENDING = ("SIGTERM", "SIGHUP", "SIGINT")
ERRORS = ("EIO", "EROFS", "ENOSPC")

# The operator's files on flash, some of them under names that a boot might take for its own.
USED = {
    "startup-config": b"hostname before\n",
    "rc.eos": b"#!/bin/bash\necho before\n",
    "boot-extensions": b"old.swix\n",
    ".extensions/old.swix": b"\x00old extension\xff",
    "boot-config": b"SWI=flash:/EOS-old.swi\n",
    "zerotouch-config": b"DISABLE=False\n",
    "EOS-old.swi": bytes(range(256)) * 64,
    "EOS-4.31.0F.swi": b"an older build of the same name",
    "Schlüssel.txt": "grün\n".encode(),
    "startup-config.ztp-new": b"mine\n",
    "startup-config.ztp-old": b"mine, too\n",
    "startup-config.ztp": b"mine as well\n",
    "rc.eos.ztp": b"and this\n",
    ".EOS-4.31.0F.swi.ztp-part": b"and that\n",
    "old/x.ztp-old": b"1", "old/y.ztp-part": b"2", "old/z.ztp": b"3",
    "scripts/tool.sh": b"old tool\n",
    "scripts/tool.sh.backup": b"older tool\n",
    ".ztp-plugins/mine.py": b"pass\n",
}
FILES = {
    "config": b"hostname after\n",
    "more": b"ip routing\n" * 1000,
    "images/EOS.swi": b"an image " * 10000,
    "tool.sh": b"new tool\n",
    "tool.swix": b"an extension",
    "plugin.py": b"pass\n",
    "script": b"#!/bin/sh\necho ntp server 192.0.2.1 >> \"$$ZTP_FLASH/startup-config\"\n",
}
OWN = b'''
import os
def main(attributes):
    node = attributes.get("NODE")
    deep = os.path.join(node.flash(), "new", "deep")
    node.make_folder(deep)
    for path in (os.path.join(deep, "file"), os.path.join(node.flash(), "old", "z.ztp")):
        node.keep(path)
        with open(path, "w") as output:
            output.write("by its own means")
'''
FAIL = b"def main(attributes):\n    raise RuntimeError('out of luck')\n"
ACTIONS = [
    {"action": "replace_config", "attributes": {"url": "files/config"}},
    {"action": "install_image", "attributes": {
        "url": "files/images/EOS.swi", "version": "4.31.0F"}},
    {"action": "copy_file", "attributes": {
        "src_url": "files/tool.sh", "dst_url": "/mnt/flash/scripts", "overwrite": "backup"}},
    {"action": "copy_file", "attributes": {
        "src_url": "files/tool.sh", "dst_url": "/mnt/flash/a/b/"}},
    {"action": "copy_file", "attributes": {"src_url": "files/tool.sh", "dst_url": "/etc"}},
    {"action": "install_extension", "attributes": {"url": "files/tool.swix"}},
    {"action": "install_cli_plugin", "attributes": {"url": "files/plugin.py"}},
    {"action": "add_config", "attributes": {"url": "files/more"}},
    {"action": "run_bash_script", "attributes": {"url": "files/script"}},
    {"action": "own"},
]
CONFIG = b"hostname after\n" + FILES["more"] + b"ntp server 192.0.2.1\n"


def fill(flash, many):
    """Put on flash what USED has, and `many` files in nested folders."""
    files = dict(USED)
    for number in range(many):
        folders = "/".join("d" + digit for digit in f"{number // 10:02}")
        files[f"nested/{folders}/file {number}"] = f"content of {number}\n".encode() * 9
    for name, content in files.items():
        path = flash / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (flash / "empty").mkdir()


class FlashCase:
    """A switch with a full flash, in memory where that can be: a boot syncs every step."""

    def setUp(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="ztp-flash-", dir=memory))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.server = SmallServer()
        self.addCleanup(self.server.close)
        self.server.files = FILES
        self.server.actions = {"own": OWN, "fail": FAIL}
        self.server.entries = ACTIONS

    def switch(self, name="switch", many=1000):
        made = switch.Switch(self.home / name, serial="SMALL", neighbors=NEIGHBORS)
        for stub, script in STUBS.items():
            path = made.home / "bin" / stub
            path.write_text(script)
            path.chmod(0o755)
        made.script.write_bytes(bootstrap(self.server.url))
        fill(made.flash, many)
        return made

    def start(self, made, *arguments):
        return made.start(self.python, arguments, {"ZTP_WAIT_SCALE": "0.005"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def boot(self, made, *arguments):
        process = self.start(made, *arguments)
        output, _ = process.communicate(timeout=120)
        return Boot(process.returncode, output.decode("utf-8"))

    def spread(self, numbers, step):
        """All of them in a full run, else every `step`th, other ones for each Python."""
        numbers = list(numbers)
        offset = sys.version_info[1] + len(self.python)
        # A fifth of them in the short share: of six kinds of faults, it has each in turn, too.
        return numbers if FULL else numbers[offset % step::5 * step if SHARE == "short" else step]


@each_python
class Signals(FlashCase):
    """A signal at whatever moment ends the boot, and flash is as it was."""

    def test_every_file_survives_a_signal_in_the_first_200_ms(self):
        self.server.entries = ACTIONS + [{"action": "fail"}]
        moments = [(since, milliseconds / 1000, name) for since in ("start", "first line")
                   for milliseconds in range(200) for name in ENDING]
        moments = self.spread(moments, 31)
        lanes = 4
        with ThreadPoolExecutor(lanes) as pool:
            results = pool.map(self.interrupt_at, range(lanes),
                               [moments[lane::lanes] for lane in range(lanes)])
            ended = sum(results, [])
        self.assertEqual(len(ended), len(moments))
        self.assertIn(1, ended)  # Some were ended by the client's own hand.

    def interrupt_at(self, lane, moments):
        made = self.switch(f"lane{lane}")
        before = tree(made.flash)
        ended = []
        for since, delay, name in moments:
            process = self.start(made)
            if since == "first line":
                process.stdout.readline()
            time.sleep(delay)
            process.send_signal(getattr(signal, name))
            output, _ = process.communicate(timeout=60)
            if since == "first line":
                self.assertEqual(process.returncode, 1, output)
            else:  # A signal may end a Python that still starts, in whatever way.
                self.assertNotEqual(process.returncode, 0, output)
            self.assertEqual(tree(made.flash), before, (since, delay, name, output))
            ended.append(process.returncode)
        return ended

    def test_every_file_survives_a_signal_during_each_request(self):
        self.server.entries = ACTIONS + [{"action": "fail"}]
        made = self.switch()
        before = tree(made.flash)
        paths = []
        self.server.on_request = paths.append
        self.assertEqual(self.boot(made).status, 1)
        for number in self.spread(range(len(paths)), 3):
            for name in ENDING if FULL else (ENDING[number % 3],):
                output, process = self.interrupt_during(made, number, getattr(signal, name))
                self.assertEqual(process.returncode, 1, output)
                self.assertIn(b"interrupted by signal", output)
                self.assertIn(b"flash is restored", output)
                self.assertEqual(tree(made.flash), before, (paths[number], name, output))

    def interrupt_during(self, made, number, ending):
        """Boot, and send a signal when the request of this number has arrived."""
        seen, started = [], Future()

        def interrupt(path):
            seen.append(path)
            if len(seen) == number + 1:
                started.result().send_signal(ending)

        self.server.on_request = interrupt
        process = self.start(made)
        started.set_result(process)
        output, _ = process.communicate(timeout=60)
        return output, process

    def test_further_signals_do_not_stop_the_restoring(self):
        self.server.actions["sleep"] = (
            b"import time\ndef main(attributes):\n    print('asleep')\n"
            b"    __import__('sys').stdout.flush()\n    time.sleep(60)\n")
        self.server.entries = ACTIONS + [{"action": "sleep"}]
        made = self.switch()
        before = tree(made.flash)
        for round_ in range(20 if FULL else 3):
            process = self.start(made)
            for line in process.stdout:
                if line.strip() == b"asleep":
                    break
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) * 20:
                process.send_signal(number)
                time.sleep(0.0003 * round_)
            output, _ = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, output)
            self.assertEqual(tree(made.flash), before, output)

    def test_an_action_that_swallows_the_signal_does_not_keep_the_boot_going(self):
        self.server.actions["stubborn"] = (
            b"import os, signal, time\ndef main(attributes):\n    try:\n"
            b"        os.kill(os.getpid(), signal.SIGTERM)\n        time.sleep(60)\n"
            b"    except BaseException:\n        pass\n")
        self.server.entries = ACTIONS + [{"action": "stubborn"}]
        made = self.switch(many=0)
        before = tree(made.flash)
        booted = self.boot(made)
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn("interrupted by signal 15", booted.output)
        self.assertEqual(tree(made.flash), before)

    def test_whatever_an_action_raises_flash_is_restored(self):
        raised = ["GeneratorExit()", "BaseException('odd')", "KeyboardInterrupt()", "SystemExit(0)",
                  "type('CancelledError', (BaseException,), {})('late')"]
        if "2.7" in self.python:
            raised.append("Old()")
        made = self.switch(many=0)
        before = tree(made.flash)
        self.server.entries = ACTIONS + [{"action": "odd", "onfailure": "call somebody"}]
        for error in raised:
            self.server.actions["odd"] = (
                f"class Old:\n    pass\ndef main(attributes):\n    raise {error}\n").encode()
            booted = self.boot(made)
            self.assertEqual(booted.status, 1, booted.output)
            self.assertIn("action odd failed", booted.output)
            self.assertIn("call somebody", booted.output)
            self.assertIn("flash is restored", booted.output)
            self.assertEqual(tree(made.flash), before, error)


@each_python
class Faults(FlashCase):
    """One operation on flash goes wrong: each of them, in each way, in turn."""

    def setUp(self):
        super().setUp()
        self.made = self.switch("template")
        shutil.copytree(self.made.flash, self.home / "flash")
        self.before = tree(self.made.flash)

    def trials(self, faults, then=False):
        """Boots with these faults, in processes side by side: the results of faults.py."""
        lanes = min(3, len(faults))
        with ThreadPoolExecutor(lanes) as pool:
            return sum(pool.map(lambda lane: self.run_lane(lane, faults[lane::lanes], then),
                                range(lanes)), [])

    def run_lane(self, lane, faults, then):
        lane_switch = switch.Switch(self.home / f"lane{lane}", serial="SMALL",
                                    neighbors=NEIGHBORS)
        shutil.copy(self.made.home / "bin" / "sudo", lane_switch.home / "bin" / "sudo")
        (lane_switch.home / "facts.json").write_text(json.dumps(lane_switch.facts))
        order = {"client": str(self.made.script), "template": str(self.made.flash),
                 "faults": faults, "then": then}
        done = subprocess.run(
            [self.python, str(FAULTS)], input=json.dumps(order).encode(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=str(lane_switch.tmp), timeout=3600,
            env={**lane_switch.environment(), "ZTP_WAIT_SCALE": "0.001"})
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [self.decoded(json.loads(line)) for line in done.stdout.splitlines()]

    def decoded(self, result):
        for kind in ("missing", "more"):
            result[kind] = {name: re.sub(rb"/lane\d/", b"/lane/", base64.b64decode(content))
                            for name, content in result[kind].items()}
        if "after" in result:
            self.decoded(result["after"])
        return result

    def without_fault(self):
        (result,) = self.trials([[]])
        return result

    def every_operation(self, step, kinds):
        """[operation, fault] for each operation of a boot; in a short run one fault for each."""
        operations = range(1, self.without_fault()["operations"] + 1)
        chosen = self.spread(operations, step)
        return [[number, kind] for number in chosen
                for kind in (kinds if FULL else (kinds[number // step % len(kinds)],))]

    def test_a_boot_does_what_the_others_are_compared_with(self):
        good = self.without_fault()
        self.assertEqual(good["status"], 0, good["output"])
        self.assertEqual(good["more"]["startup-config"], CONFIG)
        self.assertEqual(sorted(good["missing"]), [
            ".extensions/old.swix", "EOS-4.31.0F.swi", "boot-config", "boot-extensions",
            "old/z.ztp", "rc.eos", "scripts/tool.sh", "scripts/tool.sh.backup", "startup-config"])
        self.assertEqual(sorted(good["more"]), [
            ".extensions/tool.swix", ".ztp-files", ".ztp-files/etc", ".ztp-files/etc/tool.sh",
            ".ztp-plugins/plugin.py", "EOS-4.31.0F.swi", "a", "a/b", "a/b/tool.sh", "boot-config",
            "boot-extensions", "new", "new/deep", "new/deep/file", "old/z.ztp", "rc.eos",
            "scripts/tool.sh", "scripts/tool.sh.backup", "startup-config"])
        self.assertEqual(good["more"]["scripts/tool.sh.backup"], b"old tool\n")

    def check(self, results, good):
        """Each boot ended either way completely."""
        self.assertTrue(results)
        for result in results:
            what = (result["fault"], result["output"])
            if result["status"] == 0:
                self.assertEqual(result["missing"], good["missing"], what)
                self.assertEqual(result["more"], good["more"], what)
            else:
                self.assertEqual(result["status"], 1, what)
                self.assertEqual(result["missing"], {}, what)
                self.assertEqual(result["more"], {}, what)

    def test_every_file_survives_an_error_of_any_operation(self):
        good = self.without_fault()
        self.check(self.trials(self.every_operation(STEP, ERRORS)), good)
        self.server.entries = ACTIONS + [{"action": "fail"}]
        self.check(self.trials(self.every_operation(STEP, ERRORS)), None)

    def test_every_file_survives_a_signal_at_any_operation(self):
        kinds = ENDING if FULL else ENDING + tuple("-" + name for name in ENDING)
        good = self.without_fault()
        self.check(self.trials(self.every_operation(STEP, kinds)), good)
        self.server.entries = ACTIONS + [{"action": "fail"}]
        self.check(self.trials(self.every_operation(STEP, kinds)), None)

    def test_a_power_cut_at_any_operation_leaves_no_half_configuration(self):
        """At once: nothing, the old or the new one. After the next boot: all files are there."""
        good = self.without_fault()
        lent = self.lent_configs()
        failing = ACTIONS + [{"action": "fail"}]
        for entries, second in ((ACTIONS, good), (failing, None)):
            self.server.entries = entries
            results = self.trials(self.every_operation(STEP, ("SIGKILL",)), then=True)
            self.assertTrue(results)
            for result in results:
                what = (result["fault"], result["output"], result["after"]["output"])
                if result["status"] != -signal.SIGKILL:  # Removing the output of the last line.
                    continue
                config = result["more"].get("startup-config")
                if "startup-config" in result["missing"] and config is not None:
                    self.assertIn(config, [CONFIG] + lent, what)
                self.check_all_is_somewhere(result, what)
                self.check_next_boot(result["after"], second, config == CONFIG, what)

    def lent_configs(self):
        """What startup-config may be while the script that names it runs, and only then."""
        return [b"hostname after\n" + FILES["more"], CONFIG]

    def check_all_is_somewhere(self, result, what):
        """Right after the power cut: what is not in its place is set aside."""
        if "startup-config" in result["more"] and result["more"]["startup-config"] == CONFIG:
            return  # Committed: what was set aside is being removed.
        asides = [content for name, content in result["more"].items() if ".ztp-old" in name]
        for name, content in result["missing"].items():
            self.assertTrue(content == b"folder" or content in asides, (name, what))

    def check_next_boot(self, after, good, committed, what):
        left = {name for name in after["more"] if not re.search(r"\.ztp(-2)?(/|\Z)", name)}
        if good is None:
            self.assertEqual(after["status"], 1, what)
            if committed:
                return
            self.assertEqual(after["missing"], {}, what)
            # Complete downloads may stay, and the folders that they are in.
            allowed = {".ztp-files", ".ztp-files/etc", ".ztp-files/etc/tool.sh", "a", "a/b",
                       "a/b/tool.sh", ".ztp-plugins/plugin.py", "new", "new/deep", "new/deep/file"}
            self.assertLessEqual(left, allowed, what)
        else:
            self.assertEqual(after["status"], 0, what)
            self.assertEqual(after["more"]["startup-config"], CONFIG, what)
            self.assertEqual(set(after["missing"]), set(good["missing"]), what)
            self.assertLessEqual(left, set(good["more"]), what)

    def test_the_configuration_is_stored_before_it_gets_its_place(self):
        trace = self.without_fault()["trace"]
        staged = "startup-config.ztp-new-2"  # USED has one without a number.
        place = len(trace) - trace[::-1].index(f"rename {staged}") - 1
        before, after = trace[:place], trace[place + 1:]
        self.assertIn(f"fsync {staged}", before)
        self.assertEqual(before[-2:], ["write .ztp-journal", "fsync .ztp-journal"])
        self.assertEqual(after[:2], ["open flash", "fsync flash"])
        removed = [line for line in trace if line.startswith(("remove", "rmdir", "unlink"))]
        self.assertTrue(set(removed) <= set(after), trace)
        self.assertEqual(after[-2:], ["open flash", "fsync flash"])


def action(*lines):
    """The source of an action with these lines. `place` is startup-config's, not written out."""
    lines = ("node = attributes.get('NODE')", "flash = node.flash()",
             "place = os.path.join(flash, '-'.join(['startup', 'config']))", *lines)
    return "\n".join(["import os, sys, time", "def main(attributes):"]
                     + ["    " + line for line in lines]).encode()


ASLEEP = ("print('asleep')", "sys.stdout.flush()", "time.sleep(60)")


class SmallFlashCase(FlashCase):
    def setUp(self):
        super().setUp()
        self.made = self.switch(many=0)

    def boots(self, *entries, **actions):
        """Boot with these actions, and expect success. Returns startup-config."""
        self.server.actions = actions
        self.server.entries = [entry if isinstance(entry, dict) else {"action": entry}
                               for entry in entries]
        booted = self.boot(self.made)
        self.assertEqual(booted.status, 0, booted.output)
        self.output = booted.output
        left = {name for name in tree(self.made.flash) if ".ztp-" in name} - set(USED)
        self.assertLessEqual(left, {".ztp-files", ".ztp-plugins"})
        return (self.made.flash / "startup-config").read_text()

    def cut_short(self, *entries, **actions):
        """Boot until an action says that it is asleep; then the power fails."""
        self.server.actions = {"sleep": action(*ASLEEP), **actions}
        self.server.entries = [entry if isinstance(entry, dict) else {"action": entry}
                               for entry in entries]
        process = self.start(self.made)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.strip() == b"asleep":
                break
        else:
            self.fail(b"".join(lines))
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def fails(self):
        """Boot with an action that fails. Returns its output."""
        self.server.actions = {"fail": FAIL}
        self.server.entries = [{"action": "fail"}]
        booted = self.boot(self.made)
        self.assertEqual(booted.status, 1, booted.output)
        return booted.output


CONFIGURE = {"action": "replace_config", "attributes": {"url": "files/config"}}


@each_python
class Staging(SmallFlashCase):
    """startup-config gets its place when the boot has succeeded, whoever writes it, and how."""

    def test_it_is_built_beside_its_place(self):
        self.boots("probe", probe=action(
            "assert not os.path.exists(place)",
            "assert node.startup_config().startswith(place)",
            "node.append_startup_config_lines(['hostname x'])",
            "assert node.has_startup_config() and not os.path.exists(place)",
            "assert open(node.startup_config()).read() == 'hostname x\\n'"))

    def test_after_a_power_cut_there_is_none(self):
        self.cut_short(CONFIGURE, "sleep")
        self.assertFalse((self.made.flash / "startup-config").exists())
        self.assertEqual((self.made.flash / "startup-config.ztp-new-2").read_bytes(),
                         FILES["config"])
        self.assertEqual(self.boots(CONFIGURE), "hostname after\n")

    def test_a_download_to_its_place_is_staged(self):
        for path in ("'/mnt/flash/' + os.path.basename(place)",
                     "flash + '/.' + place[len(flash):]"):
            config = self.boots("fetch", "look", fetch=action(
                f"node.retrieve_url('files/config', {path})"), look=action(
                "assert not os.path.exists(place)"))
            self.assertEqual(config, "hostname after\n")

    def test_a_command_that_names_its_place_finds_it_there(self):
        place = str(self.made.flash / "startup-config")
        config = self.boots(CONFIGURE, "edit", "look", edit=action(
            f"assert node.bash_cmds(['sed -i s/after/edited/ {place}']) == (None,) * 4",
            f"assert node.bash_cmds(['echo ntp >> \"{place}\"', 'test ! -e {place}.x']) "
            "== (None,) * 4"), look=action(
            "assert not os.path.exists(place)"))
        self.assertEqual(config, "hostname edited\nntp\n")

    def test_a_script_that_names_its_place_finds_it_there(self):
        script = {"action": "run_bash_script", "attributes": {"url": "files/script"}}
        config = self.boots(CONFIGURE, script, script)
        self.assertEqual(config, "hostname after\n" + 2 * "ntp server 192.0.2.1\n")

    def test_an_action_that_names_its_place_finds_it_there(self):
        config = self.boots(CONFIGURE, "edit", CONFIGURE, "edit", edit=action(
            "with open(os.path.join(flash, 'startup-config'), 'a') as output:",
            "    output.write('ntp\\n')",
            "node.append_startup_config_lines(['ip routing'])",
            "assert node.startup_config() == os.path.join(flash, 'startup-config')"))
        self.assertEqual(config, "hostname after\nntp\nip routing\n")

    def test_a_command_may_name_the_place_where_it_is_built(self):
        config = self.boots(CONFIGURE, "edit", edit=action(
            "assert node.bash_cmds(['echo ntp >> ' + node.startup_config()]) == (None,) * 4"))
        self.assertEqual(config, "hostname after\nntp\n")

    def test_one_that_is_written_unforeseen_replaces_it_and_the_log_says_so(self):
        config = self.boots(CONFIGURE, "write", "look", write=action(
            "with open(place, 'w') as output:",
            "    output.write('hostname other\\n')"), look=action(
            "assert not os.path.exists(place)"))
        self.assertEqual(config, "hostname other\n")
        self.assertIn("action write wrote", self.output)

    def test_eos_saves_it_in_its_place(self):
        config = self.boots(CONFIGURE, "save", "look", save=action(
            "node.api_enable_cmds(['copy startup-config running-config'])",
            "node.api_config_cmds(['ip routing', 'end', 'write memory'])"), look=action(
            "assert not os.path.exists(place)"))
        self.assertEqual(config, "hostname after\nip routing\n")
        self.assertNotIn("wrote", self.output)


@each_python
class Leaving(SmallFlashCase):
    """A failed boot removes what it made, and nothing else."""

    def test_what_eos_and_the_log_write_meanwhile_stays(self):
        log = self.made.flash / "ztp.log"
        self.server.config = {"logging": [{"destination": f"file:{log}", "level": "DEBUG"}],
                              "xmpp": {}}
        before = tree(self.made.flash)
        self.server.actions = {"eos": action(
            "for name in ('ztp-debug/ztp.log', 'schedule/tech-support/one.gz', 'empty/made'):",
            "    path = os.path.join(flash, name)",
            "    if not os.path.isdir(os.path.dirname(path)):",
            "        os.makedirs(os.path.dirname(path))",
            "    with open(path, 'w') as output:",
            "        output.write(name)"), "fail": FAIL}
        self.server.entries = ACTIONS[:-1] + [{"action": "eos"}, {"action": "fail"}]
        booted = self.boot(self.made)
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn("flash is restored", booted.output)
        after = tree(self.made.flash)
        self.assertEqual({name: after.get(name) for name in before}, before)
        self.assertEqual(set(after) - set(before), {
            "ztp.log", "ztp-debug", "ztp-debug/ztp.log", "schedule", "schedule/tech-support",
            "schedule/tech-support/one.gz", "empty/made"})
        self.assertIn(b"out of luck", after["ztp.log"])

    def test_what_cannot_be_restored_is_said_and_restored_by_the_next_boot(self):
        before = tree(self.made.flash)
        self.server.actions = {"jam": action(
            "real = os.rename",
            "def rename(source, target):",
            "    if target.endswith('/rc.eos'):",
            "        raise OSError(5, 'Input/output error')",
            "    real(source, target)",
            "os.rename = rename",
            "raise RuntimeError('jammed')")}
        self.server.entries = [{"action": "jam"}]
        booted = self.boot(self.made)
        self.assertEqual(booted.status, 1, booted.output)
        self.assertIn(f"cannot restore {self.made.flash}/rc.eos.ztp-old: Input/output error",
                      booted.output)
        self.assertNotIn("flash is restored", booted.output)
        self.assertEqual((self.made.flash / "rc.eos.ztp-old").read_bytes(), before["rc.eos"])
        os.remove(self.made.flash / "startup-config")  # As `write erase`: EOS starts ZTP again.
        self.fails()
        after = tree(self.made.flash)
        del before["startup-config"]
        self.assertEqual(after, before)

    def test_a_second_boot_beside_the_first_is_refused_and_disturbs_nothing(self):
        self.server.actions = {"sleep": action(*ASLEEP), "fail": FAIL}
        self.server.entries = [CONFIGURE, {"action": "sleep"}]
        before = tree(self.made.flash)
        process = self.start(self.made)
        for line in process.stdout:
            if line.strip() == b"asleep":
                break
        during = tree(self.made.flash)
        self.assertIn("another boot is running", self.fails())
        self.assertEqual(tree(self.made.flash), during)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(tree(self.made.flash), before)


@each_python
class Recovery(SmallFlashCase):
    """The next boot finishes what a power cut left, and touches nothing that is somebody's."""

    def test_a_configuration_written_since_is_left_alone_with_all_the_rest(self):
        self.cut_short(*ACTIONS[:-1], "sleep")
        for name in ("startup-config", "rc.eos", "boot-extensions", "boot-config"):
            (self.made.flash / name).write_text("the operator's\n")
        before = tree(self.made.flash)
        output = self.fails()
        self.assertIn("there is a startup-config since: not restoring", output)
        after = tree(self.made.flash)
        self.assertEqual(after["rc.eos.ztp-old"], USED["rc.eos"])
        ours = {name for name in before
                if name in (".ztp-journal", "startup-config.ztp-new-2", "boot-config.ztp-old")}
        self.assertEqual(len(ours), 3)
        self.assertEqual({name: after.get(name) for name in set(before) - ours},
                         {name: before[name] for name in set(before) - ours})

    def test_an_image_that_has_gone_since_is_not_booted(self):
        self.cut_short(ACTIONS[1], "sleep")
        (self.made.flash / "EOS-old.swi").unlink()
        self.fails()
        self.assertEqual((self.made.flash / "boot-config").read_text(),
                         "SWI=flash:/EOS-4.31.0F.swi\n")

    def test_a_startup_config_that_was_lent_is_not_booted(self):
        """The power failed while a script that names it ran."""
        self.cut_short(CONFIGURE, "lent", lent=action(
            "with open(flash + '/startup-config', 'a') as output:",
            "    output.write('half\\n')", *ASLEEP))
        half = (self.made.flash / "startup-config").read_bytes()
        self.assertEqual(half, b"hostname after\nhalf\n")
        self.fails()
        self.assertEqual((self.made.flash / "startup-config.ztp-2").read_bytes(), half)
        self.assertEqual((self.made.flash / "startup-config").read_bytes(), USED["startup-config"])

    def test_what_is_not_a_journal_is_kept(self):
        for content, kept in ((b"a list of trips\n", True), (b"", False), (bytes(512), False),
                              (b"\nztp-edge jour", True), (b"\nztp-edge journal 2 .\n", True)):
            journal = self.made.flash / ".ztp-journal"
            journal.write_bytes(content)
            before = tree(self.made.flash)
            self.fails()
            after = tree(self.made.flash)
            if kept:
                aside = max(name for name in after if name.startswith(".ztp-journal.ztp-old"))
                self.assertEqual(after.pop(aside), content)
                os.remove(self.made.flash / aside)
            del before[".ztp-journal"]
            self.assertEqual(after, before)

    def test_a_journal_removes_nothing_by_a_damaged_line_or_a_strange_path(self):
        before = tree(self.made.flash)
        victim = self.made.home / "victim"
        victim.write_text("precious")
        (self.made.flash / ".ztp-journal").write_bytes(
            b"\nztp-edge journal 1 .\n\ntemp EOS-old.swi\ntemp notes\0 .\n"
            b"\ntemp ../victim .\n\ntemp " + str(victim).encode() + b" .\n\ntemp . .\n"
            b"\ntemp old/../EOS-old.swi .\n\nfrobnicate EOS-old.swi .\n\nnew EOS-old.swi .\n\ntemp")
        output = self.fails()
        self.assertEqual(tree(self.made.flash), before, output)
        self.assertEqual(victim.read_text(), "precious")
