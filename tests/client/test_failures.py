"""Boots that fail: each logs the reason, ends with 1, and restores flash byte for byte."""

import os
import signal
import time

import server
from boots import BootCase, tree, used_flash
from pythons import each_python

# Makes every kind of change to flash, and fails.
WRECK = '''
import os
def main(attributes):
    node = attributes.get("NODE")
    flash = node.flash()
    node.append_startup_config_lines(["hostname half"])
    node.append_rc_eos_lines(["echo half"])
    os.makedirs(flash + "/.extensions")
    node.make_folder(flash + "/new/folder")
    for name in ("boot-extensions", ".extensions/old.swix", ".extensions/new.swix", "boot-config",
                 "new/folder/file"):
        node.keep(flash + "/" + name)
        with open(flash + "/" + name, "w") as output:
            output.write("half")
    node.keep(flash + "/link")
    os.symlink("/etc", flash + "/link")
    node.retrieve_url("files/small", flash + "/EOS-old.swi")
    node.retrieve_url("files/small", "/mnt/flash/notes/rack.txt")
    node.retrieve_url("files/small", flash + "/notes/new.txt")
    %s
'''


@each_python
class Failures(BootCase):
    def setUp(self):
        super().setUp()
        self.used = self.switch()
        used_flash(self.used)
        server.put_file("small", "small\n")

    def wreck(self, ending):
        name = "wreck_" + self.serial
        server.put_action(name, WRECK % ending)
        server.define(self.serial, {"action": name, "onfailure": "call the night shift"})

    def test_an_action_that_fails(self):
        self.wreck("raise RuntimeError('out of luck')")
        output = self.refused(self.used, "out of luck")
        self.assertIn("call the night shift", output)

    def test_an_action_with_a_bug(self):
        self.wreck("{}['absent']")
        self.assertIn("KeyError", self.refused(self.used, "absent"))

    def test_an_action_that_exits(self):
        self.wreck("raise SystemExit(0)")
        self.refused(self.used, "failed")

    def test_an_action_that_is_not_python(self):
        server.put_action("broken_" + self.serial, "def main(:\n")
        server.define(self.serial, ("broken_" + self.serial, {}))
        self.refused(self.used, "invalid syntax")

    def test_a_missing_action(self):
        server.define(self.serial, ("no_such_action", {}))
        self.refused(self.used, "GET actions/no_such_action: the server responded 404")

    def test_a_missing_file(self):
        proxy = self.proxy()
        server.define(self.serial, ("replace_config", {"url": "files/absent"}))
        self.refused(self.used, "GET meta/files/absent: the server responded 500", proxy.url)
        self.assertEqual(proxy.paths("absent"), ["/meta/files/absent"])

    def test_no_startup_config_at_the_end(self):
        server.put_file("blank", " \n\n")
        server.define(self.serial, ("replace_config", {"url": "files/blank"}))
        self.refused(self.used, "no action left a startup-config: files/blank is empty")

    def test_an_empty_stored_startup_config_is_named_as_the_cause(self):
        for content in (b"", b" \n\t\n"):
            server.put_kv(f"nodes/{self.serial}/startup-config", content)
            reason = f"/nodes/{self.serial}/startup-config is empty on the server"
            self.assertIn(reason, self.refused(self.used, "no action left a startup-config: "))

    def test_a_url_that_is_not_http_is_rejected(self):
        for url in ("file:///etc/passwd", "FILE:/etc/passwd", "data:text/plain,hostname%20x",
                    "ftp://127.0.0.1/config", "image:EOS.swi"):
            server.define(self.serial, ("replace_config", {"url": url}))
            started = time.monotonic()
            self.refused(self.used, f"'{url}' is not an http or https URL")
            self.assertLess(time.monotonic() - started, 30)

    def test_a_location_that_is_not_http_is_rejected(self):
        for location in ("file:///etc/passwd", "data:application/json,%7B%7D"):
            proxy = self.proxy(lambda request, location=location: request.local_path == "/nodes"
                               and (request.reply(201, {"Content-Type": "text/html",
                                                        "Location": location}, b"") or True))
            self.refused(self.used, f"'{location}' is not an http or https URL", proxy.url)

    def test_an_unknown_node(self):
        proxy = self.proxy()
        self.refused(self.used, "the server refuses this node (400)", proxy.url)
        self.assertEqual(proxy.paths("^/nodes"), ["/nodes"])

    def test_no_actions(self):
        proxy = self.proxy(lambda request: request.local_path == f"/nodes/{self.serial}" and (
            request.reply(200, {"Content-Type": "application/json"}, b'{"name": "x"}') or True))
        server.define(self.serial)
        self.refused(self.used, "the definition has no list of actions", proxy.url)

    def test_a_server_that_is_not_ztpserver(self):
        proxy = self.proxy(lambda request: request.local_path != "/bootstrap" and (
            request.reply(200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>") or True))
        self.refused(self.used, "is 127.0.0.1:", proxy.url)

    def test_a_server_that_redirects(self):
        proxy = self.proxy(lambda request: request.local_path == "/nodes" and request.fail(
            301, "moved", Location="https://ztp.example.net/nodes"))
        self.refused(self.used, "redirects to https://ztp.example.net/nodes", proxy.url)

    def test_a_server_that_does_not_respond(self):
        proxy = self.proxy(lambda request: request.local_path != "/bootstrap" and request.cut())
        output = self.refused(self.used, "gave up after", proxy.url)
        self.assertGreater(len(proxy.paths("config")), 6, output)

    def test_a_server_with_permanent_errors(self):
        proxy = self.proxy(lambda request: request.local_path == "/nodes"
                           and request.fail(500, "<p>out of <b>order</b></p>"))
        self.refused(self.used, "the server responded 500: out of order", proxy.url)

    def test_missing_space_on_flash_is_an_error_before_the_download(self):
        proxy = self.proxy(lambda request: request.local_path.startswith("/meta/") and (
            request.reply(200, {"Content-Type": "application/json"},
                          b'{"size": 1000000000000000, "sha1": "' + b"0" * 40 + b'"}') or True))
        server.define(self.serial, ("replace_config", {"url": "files/small"}))
        self.refused(self.used, "no room for files/small: it has 1000000000000000 bytes", proxy.url)
        self.assertEqual(proxy.paths("^/files"), [])

    def test_a_permanently_wrong_checksum(self):
        proxy = self.proxy(lambda request: request.local_path == "/files/small" and (
            request.reply(200, {"Content-Type": "text/plain"}, b"smell\n") or True))
        server.define(self.serial, ("replace_config", {"url": "files/small"}))
        self.refused(self.used, "meta says", proxy.url)
        self.assertEqual(len(proxy.paths("^/files")), 3)

    def test_no_fastcli(self):
        (self.used.home / "bin" / "FastCli").unlink()
        self.refused(self.used, "cannot run")

    def test_a_command_that_eos_rejects(self):
        self.used.facts["refused"] = ["ip rooting"]
        server.put_file("commands", "show version\nconfigure\nip rooting\nhostname x\n")
        server.define(self.serial, ("run_cli_commands", {"url": "files/commands"}))
        self.refused(self.used, "ip rooting")
        self.assertNotIn("hostname x", (self.used.home / "commands.log").read_text())

    def test_interrupted(self):
        self.wreck("import time; print('asleep'); sys = __import__('sys'); sys.stdout.flush();"
                   " time.sleep(60)")
        before = tree(self.used.flash)
        process = self.start(self.used)
        for line in process.stdout:
            if line.strip() == b"asleep":
                process.send_signal(signal.SIGTERM)
        process.stdout.close()
        self.assertEqual(process.wait(60), 1)
        self.assertEqual(tree(self.used.flash), before)

    def test_a_power_failure(self):
        """The next boot restores the files that the interrupted boot had renamed."""
        name = "sleep_" + self.serial
        server.put_action(name, "import time\ndef main(attributes):\n    time.sleep(60)\n")
        server.define(self.serial, {"action": name})
        before = tree(self.used.flash)
        process = self.start(self.used)
        for line in process.stdout:
            if b"GET actions/" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        self.assertNotIn("startup-config", os.listdir(self.used.flash))
        server.define(self.serial, ("no_such_action", {}))
        self.assertEqual(self.boot(self.used).status, 1)
        self.assertEqual(tree(self.used.flash), before)

    def test_no_flash_factory_restore(self):
        self.wreck("raise RuntimeError('out of luck')")
        before = tree(self.used.flash)
        booted = self.boot(self.used, arguments=["--no-flash-factory-restore"])
        self.assertEqual(booted.status, 1, booted.output)
        after = tree(self.used.flash)
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(after["startup-config.ztp"], b"hostname half\n")
        self.assertEqual(after["boot-config.ztp"], b"half")
        self.assertEqual(after[".extensions.ztp/new.swix"], b"half")
        self.assertEqual(after["new/folder/file"], b"half")


@each_python
class Retries(BootCase):
    """A transient error does not end a boot."""

    def test_every_request_fails_at_first(self):
        seen = {}

        def rule(request):
            count = seen[request.local_path] = seen.get(request.local_path, 0) + 1
            if request.local_path == "/bootstrap" or count > 3:
                return False
            if count == 1:
                return request.cut()
            return request.fail(503 if count == 2 else 429, "busy", **{"Retry-After": "7"})

        proxy = self.proxy(rule)
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname retried\n")
        self.assertEqual(self.boots(self.switch(), proxy.url), "hostname retried\n")
        self.assertEqual(len(proxy.paths("^/nodes$")), 4)

    def created(self, status, lag):
        """A proxy that responds to a new node, and has its definition `lag` requests later."""

        def rule(request):
            if request.local_path == "/nodes":
                forwarded, headers, body = request.forward()
                request.reply(status or forwarded, headers, body)
                return True
            asked = len(proxy.paths(f"^/nodes/{self.serial}$"))
            if request.local_path == f"/nodes/{self.serial}" and asked <= lag:
                return request.fail(400, "no definition yet")
            return False

        proxy = self.proxy(rule)
        server.put_kv(f"nodes/{self.serial}/startup-config", "hostname new\n")
        return proxy

    def test_a_new_definition_may_lag(self):
        proxy = self.created(201, 3)
        self.assertEqual(self.boots(self.switch(), proxy.url), "hostname new\n")

    def test_the_wait_for_a_new_definition_is_bounded(self):
        proxy = self.created(201, 1000)
        self.refused(self.switch(), "no definition yet (gave up after", proxy.url)
        # 180 seconds of waits: 1, 2, 4, 8, then 10 each.
        self.assertGreater(len(proxy.paths(f"^/nodes/{self.serial}$")), 16)
        self.assertEqual(proxy.paths("^/nodes$"), ["/nodes"])

    def test_the_definition_of_a_known_node_may_lag(self):
        proxy = self.created(409, 12)
        self.assertEqual(self.boots(self.switch(), proxy.url), "hostname new\n")
        self.assertEqual(len(proxy.paths(f"^/nodes/{self.serial}$")), 13)
