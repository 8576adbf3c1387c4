"""Effects between switch and server: Cloudflare's errors, TLS, invalid lengths, large bodies."""

import os
import random
import re
import signal
import socket
import threading
import time

import server
import switch as switches
from boots import BootCase, tree
from pythons import each_python

MAX_BODY = 8 * 1024 * 1024
HANDSHAKE_FAILURE, PROTOCOL_VERSION, UNRECOGNIZED_NAME = 40, 70, 112  # RFC 8446, 6
FILE = random.Random(5).getrandbits(8 * 300_000).to_bytes(300_000, "big")


class TlsServer:
    """Sends the same bytes on every connection, and closes it."""

    def __init__(self, reply_bytes):
        self.reply_bytes = reply_bytes
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "https://127.0.0.1:{}".format(self.listener.getsockname()[1])
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                connection.recv(65536)
                connection.sendall(self.reply_bytes)
                connection.shutdown(socket.SHUT_WR)
                try:
                    connection.recv(65536)  # An immediate close would reset the connection.
                except OSError:
                    pass  # The client has closed it.


def alert(description):
    """A fatal alert of TLS 1.2."""
    return bytes([21, 3, 3, 0, 2, 2, description])


def is_running(pid):
    """Whether a process runs. An ended process may remain as a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@each_python
class Refusals(BootCase):
    def test_an_error_of_cloudflare_is_distinguished_from_one_of_the_server(self):
        server.put_file("small", "small\n")
        server.define(self.serial, ("replace_config", {"url": "files/small"}))
        said = "Cloudflare itself refused the request, before the server saw it: 403, error code: "
        for path in ("/bootstrap/config", "/nodes", f"/nodes/{self.serial}",
                     "/actions/replace_config", "/meta/files/small", "/files/small"):
            for page, code in ((b"error code: 1010", "1010"),
                               (b"<h1>Error <b>1020</b></h1><p>Access denied", "1020")):
                proxy = self.proxy(lambda request, path=path, page=page: request.local_path == path
                                   and (request.reply(403, {"Content-Type": "text/html"}, page)
                                        or True))
                self.refused(self.switch(), said + code, proxy.url)
                self.assertEqual(proxy.paths(f"^{re.escape(path)}$"), [path])

    def test_a_403_of_the_server_is_reported_as_the_server_s(self):
        for reason in ("read only", "no node 1010", "error code: 2010"):
            proxy = self.proxy(lambda request, reason=reason: request.local_path == "/nodes"
                               and request.fail(403, reason))
            self.refused(self.switch(), "the server responded 403: " + reason, proxy.url)


@each_python
class Tls(BootCase):
    def boot_from(self, tls, reason, **environment):
        """Boot a switch whose script has the URL of another server; expect one attempt."""
        switch = self.switch()

        def fetch(url):
            switches.Switch.fetch(switch, url)
            script = switch.script.read_text(encoding="utf-8")
            switch.script.write_text(script.replace(server.URL, tls.url), encoding="utf-8")

        switch.fetch = fetch
        output = self.refused(switch, reason, **environment)
        self.assertIn("cannot reach " + tls.url[len("https://"):], output)
        self.assertNotIn("gave up", output)
        return output

    def server(self, reply_bytes):
        made = TlsServer(reply_bytes)
        self.addCleanup(made.listener.close)
        return made

    def test_a_permanent_tls_alert_is_reported_with_advice_and_not_retried(self):
        for description, reason in (
                (HANDSHAKE_FAILURE, "nothing in common with this switch's, or no certificate for"),
                (UNRECOGNIZED_NAME, "no certificate for the name 127.0.0.1: check the URL"),
                (PROTOCOL_VERSION, "127.0.0.1 requires a newer TLS: lower the zone's Minimum TLS")):
            tls = self.server(alert(description))
            self.boot_from(tls, reason)
            self.assertEqual(tls.connections, 1)

    def test_an_https_url_of_a_port_without_tls_is_reported(self):
        tls = self.server(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        self.boot_from(tls, "127.0.0.1 does not speak TLS on this port")
        self.assertEqual(tls.connections, 1)

    def python_without(self, what, source):
        """A PYTHONPATH that hides a feature of the client's Python."""
        folder = os.path.join(self.home, what)
        os.mkdir(folder)
        with open(os.path.join(folder, "sitecustomize.py"), "w") as output:
            output.write(source)
        return folder

    def test_a_python_without_sni_is_reported(self):
        path = self.python_without("sni", "import ssl\nssl.HAS_SNI = False\n")
        tls = self.server(alert(HANDSHAKE_FAILURE))
        output = self.boot_from(tls, "does not name the server when it opens TLS (SNI)",
                                PYTHONPATH=path)
        self.assertIn("boot a newer EOS, or from an http URL", output)
        self.assertLessEqual(tls.connections, 1)

    def test_a_python_without_tls_is_reported(self):
        path = self.python_without("tls", "import sys\nsys.modules['ssl'] = None\n")
        tls = self.server(b"")
        self.boot_from(tls, "has no TLS: boot a newer EOS, or from an http URL", PYTHONPATH=path)
        self.assertEqual(tls.connections, 0)


@each_python
class Lengths(BootCase):
    def copy(self, name):
        """A boot that copies files/`name` to flash."""
        server.put_file(name, FILE)
        server.put_file("end", "hostname end\n")
        server.define(self.serial,
                      ("copy_file", {"src_url": "files/" + name, "dst_url": "/mnt/flash"}),
                      ("add_config", {"url": "files/end"}))
        return self.switch()

    def test_an_invalid_or_missing_content_length_is_ignored(self):
        switch = self.copy("odd")
        for length in (None, "12, 12", "x", "-5", "1e3", "5, 7", "²", "99999999999999999999x"):

            def rule(request, length=length):
                if request.local_path == "/bootstrap":
                    return False
                status, headers, body = request.forward()
                same = length and length.replace("12, 12", f"{len(body)}, {len(body)}")
                request.reply(status, headers, body, length=same)
                return True

            self.boots(switch, self.proxy(rule).url)
            self.assertEqual(tree(switch.flash)["odd"], FILE, length)
            os.remove(switch.flash / "odd")

    def test_an_invalid_retry_after_is_ignored(self):
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname known\n")
        values = ["9" * 400, "soon", "²", "-1", "1, 1"]

        def rule(request):
            return request.local_path == "/nodes" and bool(values) and (
                request.fail(503, "busy", **{"Retry-After": values.pop()}))

        # The longest one uses all of the retry budget.
        self.assertEqual(self.boots(self.switch(), self.proxy(rule).url), "hostname known\n")

    def test_a_truncated_response_is_detected_by_the_size_in_meta_and_resumed(self):
        switch = self.copy("cut")
        for length in (None, "5, 7"):
            asked = []

            def rule(request, asked=asked, length=length):
                if request.local_path != "/files/cut":
                    return False
                asked.append(request.headers.get("Range"))
                status, headers, body = request.forward()
                request.reply(status, headers, body, 100_000, length)
                return True

            self.boots(switch, self.proxy(rule).url)
            self.assertEqual(tree(switch.flash)["cut"], FILE)
            self.assertEqual(asked, [None, "bytes=100000-", "bytes=200000-"])
            os.remove(switch.flash / "cut")

    def test_a_complete_response_without_a_length_is_not_resumed_forever_with_a_wrong_meta(self):
        """Three attempts, as with a length, and one more request to find the end."""
        meta = b'{"size": 300001, "sha1": "' + b"0" * 40 + b'"}'
        for ranges, chunked, requests in ((True, False, 4), (False, False, 4), (True, True, 3)):
            switch = self.copy("other")

            def rule(request, ranges=ranges, chunked=chunked):
                if request.local_path == "/meta/files/other":
                    request.reply(200, {"Content-Type": "application/json"}, meta)
                elif request.local_path == "/files/other":
                    if not ranges:
                        del request.headers["Range"]
                    status, headers, body = request.forward()
                    if not chunked:
                        request.reply(status, headers, body, length=None)
                        return True
                    request.send_response(status)
                    request.send_header("Content-Type", "text/plain")
                    request.send_header("Transfer-Encoding", "chunked")
                    request.end_headers()
                    request.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
                else:
                    return False
                return True

            proxy = self.proxy(rule)
            self.refused(switch, "meta says 300001, 3 times", proxy.url)
            self.assertEqual(len(proxy.paths("^/files/other")), requests, (ranges, chunked))

    def test_a_body_over_the_limit_is_an_error_at_once(self):
        action = b"def main(attributes):\n    node = attributes.get('NODE')\n" \
                 b"    node.append_startup_config_lines(['! large'])\n#"
        server.define(self.serial, ("large", {}))
        for length in ("", None):
            for over in (0, 1):
                body = action + b"x" * (MAX_BODY + over - len(action))
                proxy = self.proxy(lambda request, body=body, length=length: (
                    request.local_path == "/actions/large" and (request.reply(
                        200, {"Content-Type": "text/x-python"}, body, length=length) or True)))
                if not over:
                    self.assertEqual(self.boots(self.switch(), proxy.url), "! large\n")
                    continue
                self.refused(self.switch(), "GET actions/large: the response is too large: it has"
                                            f" over {MAX_BODY} bytes", proxy.url)
                self.assertEqual(proxy.paths("^/actions/large"), ["/actions/large"])


# Starts a process that starts others. All write their process ids, and it waits for them.
COMMAND = ("sh -c 'echo $$ >> PIDS; exec sleep 600' & "
           "(sh -c 'echo $$ >> PIDS; exec sleep 600' & wait) & echo $$ >> PIDS; wait; true hidden")
RUN = '''
import sys
def main(attributes):
    run_process = sys.modules["__main__"].run_process
    sys.stdout.write("started\\n")
    sys.stdout.flush()
    run_process(attributes.get("command"), attributes.get("seconds"), shell=True)
'''

# The same, but a signal arrives when the process runs and Popen has not returned yet.
RUN_AND_SIGNAL = '''
import os
import signal
import subprocess
import sys
import time

Popen = subprocess.Popen


class Signaled(Popen):
    def __init__(self, command, **options):
        Popen.__init__(self, command, **options)
        while len(open(self.pids).read().split()) < 3:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)


def main(attributes):
    subprocess.Popen, Signaled.pids = Signaled, attributes.get("pids")
    run_process = sys.modules["__main__"].run_process
    run_process(attributes.get("command"), attributes.get("seconds"), shell=True)
'''


@each_python
class Commands(BootCase):
    def pids(self, command_runs):
        """The processes of COMMAND, once all of them have written that they run."""
        deadline = time.monotonic() + 60
        path = os.path.join(self.home, "pids")
        while command_runs() and time.monotonic() < deadline:
            with open(path) as source:
                pids = source.read().split()
            if len(pids) == 3:
                return pids
            time.sleep(0.05)
        raise AssertionError("the command did not start")

    def define(self, seconds, action=RUN):
        server.put_action("run_" + self.serial, action)
        pids = os.path.join(self.home, "pids")
        open(pids, "w", encoding="utf-8").close()
        server.define(self.serial, ("run_" + self.serial, {
            "command": COMMAND.replace("PIDS", pids), "seconds": seconds, "pids": pids}))

    def assert_ended(self, pids):
        deadline = time.monotonic() + 10
        while any(map(is_running, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual([pid for pid in pids if is_running(pid)], [])

    def test_a_command_that_exceeds_its_timeout_ends_with_its_children(self):
        self.define(3)
        output = self.refused(self.switch(), "sh did not end within 3 s")
        self.assertNotIn("hidden", output)
        self.assert_ended(self.pids(lambda: True))

    def test_an_interrupted_command_ends_with_its_children(self):
        self.define(600)
        switch = self.switch()
        process = self.start(switch)
        self.addCleanup(process.kill)
        pids = self.pids(lambda: process.poll() is None)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assert_ended(pids)

    def test_a_command_that_is_starting_when_a_signal_arrives_ends_with_its_children(self):
        self.define(600, RUN_AND_SIGNAL)
        process = self.start(self.switch())
        self.addCleanup(process.kill)
        pids = self.pids(lambda: True)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assert_ended(pids)
