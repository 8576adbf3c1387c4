"""The client's reports to the server: their contents, their end, and that they change nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor

import switch
from boots import NEIGHBORS, Boot, tree, used_flash
from pythons import each_python
from small_server import SmallServer, bootstrap
from test_secrets import LINES

MAX_REPORT, MAX_LOG, MAX_REASON = 8192, 4096, 2048
REPORT_TIMEOUT, MAX_REPORTS = 3, 200

FILES = {"config": b"hostname after\n", "images/EOS.swi": bytes(range(256)) * 4096}
CONFIG = {"action": "replace_config", "name": "the config", "attributes": {"url": "files/config"}}
IMAGE = {"action": "copy_file", "attributes": {
    "src_url": "files/images/EOS.swi", "dst_url": "/mnt/flash"}}
FAIL = {"action": "fail"}
NONE = {"action": "none"}
ACTIONS = {
    "fail": b"def main(attributes):\n    raise RuntimeError('out of luck')\n",
    "none": b"def main(attributes):\n    pass\n",
    # Logs lines, and raises the reason.
    "speak": b"def main(attributes):\n    node = attributes.get('NODE')\n"
             b"    for line in attributes.get('lines'):\n        node.log_msg(line)\n"
             b"    reason = attributes.get('reason')\n"
             b"    raise RuntimeError(reason.encode('utf-8') if str is bytes else reason)\n",
    "run": b"def main(attributes):\n"
           b"    attributes.get('NODE').bash_cmds(['echo visible hostname inside'])\n",
    "thread": b"import threading\ndef main(attributes):\n    node = attributes.get('NODE')\n"
              b"    load = threading.Thread(target=node.retrieve_url, args=(\n"
              b"        'files/images/EOS.swi', node.flash() + '/image'))\n"
              b"    load.start()\n    load.join()\n",
}
WHOLE = ["boot-started", "action-started", "downloaded", "action-succeeded", "action-started",
         "downloaded", "action-succeeded", "boot-succeeded"]


class Site:
    """A switch and a small server that receives its reports."""

    def __init__(self, case):
        self.case = case
        self.home = tempfile.mkdtemp(prefix="ztp-reports-")
        case.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.server = SmallServer()
        case.addCleanup(self.server.close)
        self.server.files = FILES
        self.server.actions = ACTIONS

    def switch(self):
        """The same switch each time, as it was in use."""
        shutil.rmtree(self.home)
        made = switch.Switch(os.path.join(self.home, "switch"), serial="SMALL",
                             neighbors=NEIGHBORS)
        used_flash(made)
        made.script.write_bytes(bootstrap(self.server.url))
        return made

    def start(self, made, *entries):
        self.server.entries = list(entries)
        self.server.reports.clear()
        return made.start(self.case.python, (), {"ZTP_WAIT_SCALE": "0.005"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def boot(self, *entries, made=None):
        """Boot with these actions. Returns the Boot, also with `flash` and `seconds`."""
        made = made or self.switch()
        since = time.monotonic()
        output, status = ended(self.start(made, *entries))
        booted = Boot(status, output)
        booted.seconds = time.monotonic() - since
        booted.flash = tree(made.flash)
        return booted

    def reports(self):
        """The reports of the last boot. All of them are within the limits of the server."""
        case = self.case
        for body in self.server.reports:
            case.assertLessEqual(len(body), MAX_REPORT)
        found = [json.loads(body.decode("utf-8")) for body in self.server.reports]
        for report in found:
            case.assertLessEqual(len(report.get("log", "").encode("utf-8")), MAX_LOG)
            case.assertLessEqual(len(report.get("reason", "").encode("utf-8")), MAX_REASON)
        return found

    def events(self):
        return [report["event"] for report in self.reports()]


def ended(process):
    """(output, status) of a boot."""
    output, _ = process.communicate(timeout=120)
    return output.decode("utf-8", "replace"), process.returncode


class ReportsCase:
    """A test with one site."""

    maxDiff = None

    def setUp(self):
        self.site = Site(self)
        self.server = self.site.server
        self.boot, self.switch = self.site.boot, self.site.switch
        self.reports, self.events = self.site.reports, self.site.events


@each_python
class Contents(ReportsCase):
    def test_a_boot_reports_each_step_in_order_with_its_fields(self):
        booted = self.boot(CONFIG, IMAGE)
        self.assertEqual(booted.status, 0, booted.output)
        found = self.reports()
        self.assertEqual([report["event"] for report in found], WHOLE)
        self.assertEqual([report["seq"] for report in found], list(range(1, len(WHOLE) + 1)))
        self.assertEqual(len({report["boot"] for report in found}), 1)
        self.assertRegex(found[0]["boot"], "^[a-z0-9]{8,32}$")
        times = [report["at"] for report in found]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 0)
        self.assertLess(times[-1], booted.seconds)
        common = {"boot", "seq", "at", "event"}
        rest = [{name: value for name, value in report.items() if name not in common}
                for report in found]
        for fields in rest:
            self.assertTrue(0 <= fields.pop("seconds", 0) < booted.seconds)
        self.assertEqual(rest, [
            {}, {"action": "replace_config"},
            {"path": "files/config", "bytes": len(FILES["config"])}, {"action": "replace_config"},
            {"action": "copy_file"},
            {"path": "files/images/EOS.swi", "bytes": len(FILES["images/EOS.swi"])},
            {"action": "copy_file"}, {}])
        timed = {report["event"] for report in found if "seconds" in report}
        self.assertEqual(timed, {"downloaded", "action-succeeded", "boot-succeeded"})

    def test_two_boots_have_different_names(self):
        names = []
        for _ in range(2):
            self.boot(CONFIG)
            names.append(self.reports()[0]["boot"])
        self.assertNotEqual(*names)

    def test_a_failed_boot_reports_the_action_the_reason_and_the_end_of_the_log(self):
        booted = self.boot(CONFIG, FAIL)
        self.assertEqual(booted.status, 1)
        found = self.reports()
        self.assertEqual(self.events(), WHOLE[:4] + [
            "action-started", "action-failed", "boot-failed"])
        self.assertEqual((found[-2]["action"], found[-2]["reason"]), ("fail", "out of luck"))
        self.assertEqual(found[-1]["reason"], "action fail failed: out of luck")
        self.assertIn("RuntimeError: out of luck\n", found[-1]["log"])
        # Flash is safe before the report is sent.
        self.assertTrue(found[-1]["log"].endswith(
            "the boot failed: action fail failed: out of luck\n"
            "flash is restored to its state before the boot\n"), found[-1]["log"])

    def test_a_boot_without_a_startup_config_reports_the_reason(self):
        self.boot(NONE)
        self.assertEqual(self.events(), ["boot-started", "action-started", "action-succeeded",
                                         "boot-failed"])
        self.assertEqual(self.reports()[-1]["reason"], "no action left a startup-config")

    def test_a_file_that_is_there_already_is_not_reported_as_downloaded(self):
        self.boot(IMAGE, dict(IMAGE, attributes=dict(IMAGE["attributes"], overwrite="replace")),
                  CONFIG)
        self.assertEqual(self.events().count("downloaded"), 2)

    def test_a_definition_without_actions_fails_after_the_start(self):
        original = self.server.response_to
        self.server.response_to = lambda path: (
            (200, "application/json", b'{"name": "x"}') if path == "/nodes/SMALL"
            else original(path))
        self.assertEqual(self.boot(CONFIG).status, 1)
        self.assertEqual(self.events(), ["boot-started", "boot-failed"])

    def test_a_boot_that_is_interrupted_reports_it(self):
        self.server.actions = dict(ACTIONS, kill=b"import os, signal\ndef main(attributes):\n"
                                                 b"    os.kill(os.getpid(), signal.SIGTERM)\n")
        booted = self.boot({"action": "kill"})
        self.assertEqual(booted.status, 1)
        self.assertEqual(self.events(), ["boot-started", "action-started", "boot-failed"])
        self.assertEqual(self.reports()[-1]["reason"], "it was interrupted by signal 15")

    def test_a_refused_node_reports_nothing(self):
        original = self.server.httpd.RequestHandlerClass.do_POST

        def refuse(handler):
            if handler.path != "/nodes":
                return original(handler)
            handler.rfile.read(int(handler.headers["Content-Length"]))
            return handler.reply(400, "text/html", b"nobody knows it")

        self.server.httpd.RequestHandlerClass.do_POST = refuse
        self.assertIn("nobody knows it", self.boot(CONFIG).output)
        self.assertEqual(self.events(), [])

    def test_a_definition_that_is_refused_is_the_reason_of_a_failure(self):
        original = self.server.response_to
        self.server.response_to = lambda path: (
            (400, "text/html", b"the cables are wrong") if path == "/nodes/SMALL"
            else original(path))
        self.assertEqual(self.boot(CONFIG).status, 1)
        self.assertEqual(self.events(), ["boot-failed"])
        self.assertIn("the cables are wrong", self.reports()[0]["reason"])

    def test_a_download_in_another_thread_of_an_action_is_not_reported(self):
        booted = self.boot({"action": "thread"}, CONFIG)
        self.assertEqual(booted.status, 0, booted.output)
        self.assertEqual(self.events().count("downloaded"), 1)

    def test_texts_are_cut_to_the_limits_of_the_server(self):
        for character in ("x", "ü", "€", "\U0001f600", "\x1b", '"', "\ud800"):
            self.boot({"action": "speak", "attributes": {
                "lines": [f"{number} " + character * 999 for number in range(9)],
                "reason": "begin " + character * 99999}}, dict(FAIL, action="x"))
            action, failed = self.reports()[-2:]
            self.assertEqual((action["event"], failed["event"]), ("action-failed", "boot-failed"))
            self.assertTrue(action["reason"].startswith("begin "))
            self.assertTrue(failed["reason"].startswith("action speak failed: begin "))
            self.assertTrue(failed["log"].endswith(
                "flash is restored to its state before the boot\n"))
            # Characters have up to six bytes; nothing is cut that fits.
            for value, limit in ((action["reason"], MAX_REASON), (failed["reason"], MAX_REASON),
                                 (failed["log"], MAX_LOG)):
                size = len(json.dumps(value, ensure_ascii=False).encode("utf-8")) - 2
                self.assertTrue(limit - 12 < size <= limit, (character, size, limit))

    def test_long_names_are_cut(self):
        self.server.actions = {"a" * 3000: ACTIONS["fail"]}
        self.boot({"action": "a" * 3000})
        self.assertEqual(self.events(), ["boot-started", "action-started", "action-failed",
                                         "boot-failed"])
        self.assertEqual(self.reports()[1]["action"], "a" * 512)

    def test_no_secret_is_reported(self):
        lines = [line for line, _ in LINES]
        for first in range(0, len(lines), 8):
            some = lines[first:first + 8]
            self.boot({"action": "speak", "attributes": {"lines": some, "reason": some[0]}})
            self.assertEqual(self.events()[-2:], ["action-failed", "boot-failed"])
            for body in self.server.reports:
                self.assertNotIn(b"hidden", body)
            for line, shown in LINES[first:first + 8]:
                self.assertIn(shown.split("\n")[0], self.reports()[-1]["log"], line)

    def test_the_token_in_the_server_s_path_is_not_reported(self):
        made = self.switch()
        url = self.server.url
        made.script.write_bytes(bootstrap(url + "/t/s3cret"))
        original = self.server.response_to
        self.server.response_to = lambda path: original(path.replace("/t/s3cret", ""))
        handler = self.server.httpd.RequestHandlerClass

        def below(method):
            def strip(self):
                self.path = self.path.replace("/t/s3cret", "", 1)
                method(self)

            return strip

        handler.do_GET, handler.do_POST = below(handler.do_GET), below(handler.do_POST)
        reason = f"GET {url}/t/s3cret/files/x failed"
        self.boot({"action": "speak", "attributes": {"lines": [reason], "reason": reason}},
                  made=made)
        self.assertEqual(self.events()[-1], "boot-failed")
        for body in self.server.reports:
            self.assertNotIn(b"s3cret", body)

    def test_the_output_of_scripts_is_not_reported(self):
        booted = self.boot({"action": "run"}, FAIL)
        self.assertIn("visible hostname inside", booted.output)
        self.assertEqual(self.events()[-1], "boot-failed")
        for body in self.server.reports:
            self.assertNotIn(b"visible hostname inside", body)

    def test_the_last_report_of_a_long_boot_is_within_the_number_that_the_server_accepts(self):
        booted = self.boot(*[NONE] * (MAX_REPORTS // 2 + 10), CONFIG)
        self.assertEqual(booted.status, 0, booted.output)
        self.assertEqual(len(self.reports()), MAX_REPORTS)
        self.assertEqual(self.reports()[-1]["event"], "boot-succeeded")
        self.assertEqual(self.reports()[-1]["seq"], MAX_REPORTS)


def responds(status, **headers):
    """A server that responds to each report with this status."""
    return lambda handler, _report: handler.reply(status, "text/html", b"no", headers) or True


def hangs(handler, _report):
    """No response until the client has closed the connection, or much later than its timeout."""
    handler.connection.settimeout(20)
    try:
        handler.connection.recv(1)
    except OSError:
        pass
    handler.close_connection = True
    return True


def drips(handler, _report):
    """A byte now and then, so that no timeout of a socket expires."""
    try:
        for byte in b"HTTP/1.1 204 No Content\r\nX: " + b"x" * 100:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.3)
    except OSError:
        pass
    handler.close_connection = True
    return True


def breaks(handler, _report):
    """Something that is not HTTP."""
    handler.wfile.write(b"\xff\xfe\r\n\r\n")
    handler.close_connection = True
    return True


def delayed(seconds):
    """A server that accepts each report after a while."""
    return lambda _handler, _report: time.sleep(seconds)


@each_python
class Endings:
    """Each boot has the result of one without reports, and its log apart from reports."""

    maxDiff = None

    def check(self, limit, expected, *on_reports):
        """Boot well and badly, with each `on_report`: all of these boots side by side.

        `limit` is how many seconds the reports may cost, `expected` the events of the two boots.
        """
        with ThreadPoolExecutor(4) as pool:
            boots = [pool.submit(self.check_boot, limit, entries, events, on_report)
                     for on_report in on_reports
                     for entries, events in zip(((CONFIG, IMAGE), (IMAGE, FAIL)), expected)]
            for boot in boots:
                boot.result()

    def check_boot(self, limit, entries, events, on_report):
        site = Site(self)
        silent = site.switch()
        silent.script.write_bytes(silent.script.read_bytes().replace(
            b"\nREPORT_BUDGET = 6", b"\nREPORT_BUDGET = 0"))
        expected = site.boot(*entries, made=silent)
        self.assertEqual(site.server.reports, [])
        site.server.on_report = on_report
        booted = site.boot(*entries)
        self.assertEqual(booted.status, expected.status, booted.output)
        self.assertEqual(booted.flash, expected.flash)
        self.assertEqual(self.lines(booted), self.lines(expected))
        self.assertLess(booted.seconds, expected.seconds + limit + 2)
        self.assertEqual(site.events(), events)

    @staticmethod
    def lines(booted):
        return [line for line in re.sub(r"ztp-\w+", "ztp-", booted.output).splitlines()
                if not line.startswith("SMALL: report ")]

    FAILED = WHOLE[:1] + ["action-started", "downloaded", "action-succeeded", "action-started",
                          "action-failed", "boot-failed"]

    ALL = [WHOLE, FAILED]

    def test_a_server_that_takes_reports_changes_nothing(self):
        self.check(0, self.ALL, None)

    def test_a_server_without_reports_receives_one(self):
        self.check(0, [["boot-started"]] * 2, responds(404), responds(405))

    def test_two_failures_in_a_row_end_reporting(self):
        self.check(0, [["boot-started", "action-started"]] * 2, responds(500), responds(429),
                   responds(200), breaks)

    def test_a_redirect_is_a_failure_and_is_not_followed(self):
        other = SmallServer()
        self.addCleanup(other.close)
        paths = []
        other.on_request = paths.append
        self.check(0, [["boot-started", "action-started"]] * 2, *[
            responds(status, Location=other.url + "/bootstrap/config")
            for status in (301, 303, 308)])
        self.assertEqual((paths, other.reports), ([], []))

    def test_a_server_that_hangs_costs_two_timeouts(self):
        self.check(2 * REPORT_TIMEOUT, [["boot-started", "action-started"]] * 2, hangs, drips)

    def test_a_server_that_hangs_at_the_end_costs_one_timeout(self):
        """After the end of a boot no signal raises, and the timeout still does."""

        def at_the_end(fault):
            return lambda handler, report: (
                report["event"] in ("boot-succeeded", "boot-failed") and fault(handler, report))

        self.check(REPORT_TIMEOUT, self.ALL, at_the_end(hangs), at_the_end(drips))

    def test_a_failure_between_successes_does_not_end_reporting(self):
        self.check(REPORT_TIMEOUT, self.ALL,
                   lambda handler, report: report["seq"] % 2 and responds(500)(handler, report),
                   lambda handler, report: report["seq"] == 2 and hangs(handler, report))

    def test_a_server_that_hangs_again_and_again_costs_two_timeouts(self):
        self.check(2 * REPORT_TIMEOUT, [WHOLE[:3]] * 2,
                   lambda handler, report: report["seq"] % 2 and hangs(handler, report))

    def test_a_slow_server_receives_the_first_reports_and_the_last(self):
        for seconds, number in ((2.4, 1), (1.4, 2)):
            expected = [events[:number] + events[-1:] for events in self.ALL]
            self.check(2 * REPORT_TIMEOUT, expected, delayed(seconds))

    def test_a_server_that_is_gone_changes_nothing(self):
        """The end of the only action is the first report that fails; no other arrives."""
        site = Site(self)

        def leave(handler, report):
            if report["event"] != "action-succeeded":
                return False
            site.server.httpd.socket.close()
            return responds(500)(handler, report)

        site.server.on_report = leave
        booted = site.boot(CONFIG)
        self.assertEqual(booted.status, 0, booted.output)
        self.assertEqual(booted.flash["startup-config"], FILES["config"])
        self.assertEqual(site.events()[-1], "action-succeeded")
        self.assertIn("report boot-succeeded: ", booted.output)


@each_python
class Signals(ReportsCase):
    def interrupt(self, made, entries, numbers, is_at):
        """Boot, and send signals during the report for which `is_at` is true, which then hangs.

        Returns output, status and the seconds from the signals to the end.
        """
        started, sent = Future(), []

        def interrupt(handler, report):
            if not is_at(report):
                return False
            sent.append(time.monotonic())
            for number in numbers:
                started.result().send_signal(number)
            return hangs(handler, report)

        self.server.on_report = interrupt
        process = self.site.start(made, *entries)
        started.set_result(process)
        return (*ended(process), time.monotonic() - sent[0])

    def test_a_signal_during_a_report_ends_the_boot_at_once(self):
        for seq in range(1, len(WHOLE)):
            made = self.switch()
            before = tree(made.flash)
            output, status, seconds = self.interrupt(
                made, [CONFIG, IMAGE], [signal.SIGTERM],
                lambda report, seq=seq: report["seq"] == seq)
            self.assertEqual(status, 1, output)
            self.assertLess(seconds, REPORT_TIMEOUT - 0.5, output)
            self.assertIn("interrupted by signal 15", output)
            self.assertEqual(tree(made.flash), before)
            self.assertEqual(self.events(), WHOLE[:seq] + ["boot-failed"])

    def test_a_signal_during_the_last_report_changes_nothing(self):
        for entries, status, last in (([CONFIG], 0, "boot-succeeded"), ([FAIL], 1, "boot-failed")):
            output, ended_with, _ = self.interrupt(
                self.switch(), entries, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
                lambda report, last=last: report["event"] == last)
            self.assertEqual(ended_with, status, output)
            self.assertNotIn("interrupted", output)
            self.assertEqual(self.events()[-1], last)
