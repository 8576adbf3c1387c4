"""Each stock action, run by the client on a switch."""

import email
import hashlib
import os
import socketserver
import stat
import subprocess
import threading

import server
from boots import BootCase, tree
from pythons import each_python


class Relay(socketserver.ThreadingTCPServer):
    """An SMTP relay that keeps its messages: (recipients, message)."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RelaySession)
        self.mails = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RelaySession(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 relay\r\n")
        recipients = []
        for line in self.rfile:
            command = line.split(b":")[0].strip().upper()
            reply = b"250 fine"
            if command == b"RCPT TO":
                recipients.append(line.split(b"<")[1].split(b">")[0].decode())
            elif command == b"DATA":
                self.wfile.write(b"354 go\r\n")
                lines = []
                for data in self.rfile:
                    if data == b".\r\n":
                        break
                    lines.append(data)
                self.server.mails.append((recipients, email.message_from_bytes(b"".join(lines))))
            elif command == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(reply + b"\r\n")


@each_python
class Actions(BootCase):
    def fails(self, name, attributes, reason):
        server.define(self.serial, (name, attributes))
        return self.refused(self.switch(), reason)

    def commands(self, switch):
        return (switch.home / "commands.log").read_text().splitlines()

    def restart(self, switch):
        """Run rc.eos, as EOS does at every start."""
        script = str(switch.flash / "rc.eos")
        subprocess.run(["bash", script], check=True, env=switch.environment())

    def rc_eos(self, switch):
        return (switch.flash / "rc.eos").read_text()

    def test_add_config(self):
        server.put_file("add.t", "hostname $name\nbanner $other\n$$\n")
        self.run_action("add_config", {"url": "files/add.t", "variables": {"name": "x", "n": 1}})
        self.assertEqual(self.config, "hostname x\nbanner $other\n$\nhostname end\n")
        strict = {"url": "files/add.t", "variables": {"name": "x"}, "substitution_mode": "strict"}
        self.fails("add_config", strict, "no value for 'other'")
        self.fails("add_config", dict(strict, substitution_mode="x"), "loose or strict")
        self.fails("add_config", {"url": "files/add.t", "variables": ["x"]}, "not a mapping")
        self.fails("add_config", {}, "'url' is missing")

    def test_add_config_refuses_a_null_variable_that_the_template_uses(self):
        server.put_file("null.t", "! $$hostname\nhostname ${hostname}\n")
        for mode in ("loose", "strict"):
            null = {"url": "files/null.t", "variables": {"hostname": None},
                    "substitution_mode": mode}
            self.fails("add_config", null, "files/null.t, line 2: the variable 'hostname' is null")
        unused = {"url": "files/null.t", "variables": {"hostname": "x", "other": None}}
        self.run_action("add_config", unused)
        self.assertEqual(self.config, "! $hostname\nhostname x\nhostname end\n")

    def test_scripts_and_commands_refuse_a_null_variable_that_they_use(self):
        server.put_file("grün.t", "show version\nshow $what\n")
        for action in ("run_bash_script", "run_cli_commands"):
            null = {"url": "files/grün.t", "variables": {"what": None}}
            self.fails(action, null, "files/grün.t, line 2: the variable 'what' is null")

    def test_add_config_logs_variables_without_a_value_with_file_and_line(self):
        config = ("hostname $name\nip route $mgmt via ${gw}\n$$done\n"
                  "enable secret sha512 $6$salt$hash\nradius-server key pa$word\n")
        server.put_file("undefined.grün", config)
        self.run_action("add_config", {"url": "files/undefined.grün", "variables": {"name": "x"}})
        self.assertTrue(self.config.startswith(
            config.replace("$name", "x").replace("$$", "$")), self.config)
        logged = [line.split("add_config: ", 1)[1] for line in self.output.splitlines()
                  if "stays as it is" in line]
        self.assertEqual(logged, [f"files/undefined.grün, line {at} has no value and stays as it is"
                                  for at in ("2: $mgmt", "2: $gw", "4: a variable",
                                             "4: a variable", "5: a variable")])

    def test_add_config_logs_at_most_20_variables_without_a_value(self):
        for number in (20, 21):
            name = f"undefined.{number}"
            server.put_file(name, "".join(f"! $v{at}\n" for at in range(number)))
            self.run_action("add_config", {"url": "files/" + name})
            self.assertEqual(self.output.count("stays as it is"), 20)
            self.assertEqual(f"files/{name}: and 1 more" in self.output, number == 21)

    def test_replace_config(self):
        server.put_file("replace.c", b"hostname bytes \xff\x00\n\n")
        server.define(self.serial, ("replace_config", {"url": "files/replace.c"}))
        switch = self.switch()
        booted = self.boot(switch)
        self.assertEqual(booted.status, 0, booted.output)
        config = (switch.flash / "startup-config").read_bytes()
        self.assertEqual(config, b"hostname bytes \xff\x00\n\n")

    def test_copy_file_to_flash(self):
        server.put_file("d/script.sh", "echo new")
        switch = self.switch()
        target = switch.flash / "scripts" / "script.sh"
        copy = {"src_url": "files/d/script.sh", "dst_url": "/mnt/flash/scripts/", "mode": 700}
        self.run_action("copy_file", copy, switch)
        self.assertEqual(target.read_text(), "echo new")
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o700)
        target.write_text("echo old")
        self.run_action("copy_file", dict(copy, overwrite="if-missing"), switch)
        self.assertEqual(target.read_text(), "echo old")
        self.run_action("copy_file", dict(copy, overwrite="backup"), switch)
        self.assertEqual(target.read_text(), "echo new")
        self.assertEqual(target.with_name("script.sh.backup").read_text(), "echo old")
        for mode in (644, "0644", "777"):
            self.run_action("copy_file", dict(copy, mode=mode), switch)
            self.assertEqual(stat.S_IMODE(target.stat().st_mode), int(str(mode), 8))
        self.fails("copy_file", dict(copy, mode=0o644), "mode is 420")
        self.fails("copy_file", dict(copy, mode="rwx"), "mode is rwx")
        self.fails("copy_file", dict(copy, overwrite="never"), "overwrite is 'never'")

    def test_copy_file_elsewhere_is_repeated_by_rc_eos(self):
        server.put_file("motd", "welcome")
        place = os.path.join(self.home, "et c")
        target = os.path.join(place, "motd")
        os.mkdir(place)
        for overwrite, old, expected, backup in (
                ("replace", "old", "welcome", None), ("if-missing", "old", "old", None),
                ("if-missing", None, "welcome", None), ("backup", "old", "welcome", "old")):
            for left in os.listdir(place):
                os.remove(os.path.join(place, left))
            if old:
                with open(target, "w") as output:
                    output.write(old)
            switch = self.switch()
            copy = {"src_url": "files/motd", "dst_url": place, "overwrite": overwrite, "mode": 640}
            self.run_action("copy_file", copy, switch)
            self.restart(switch)
            with open(target) as copied:
                self.assertEqual(copied.read(), expected, overwrite)
            self.assertEqual(os.path.exists(target + ".backup"), backup is not None)

    def test_install_image(self):
        server.put_file("images/a.swi", b"an image")
        image = {"url": "files/images/a.swi", "version": "4.31.0F"}
        switch = self.run_action("install_image", image)
        self.assertEqual((switch.flash / "EOS-4.31.0F.swi").read_bytes(), b"an image")
        self.assertIn("install source flash:EOS-4.31.0F.swi", self.commands(switch))
        switch = self.run_action("install_image", dict(image, image_name_from_url=True))
        self.assertEqual((switch.flash / "boot-config").read_text(), "SWI=flash:/a.swi\n")
        switch = self.run_action("install_image", dict(image, version="4.30.1F"))
        self.assertEqual(sorted(tree(switch.flash)), ["startup-config"])
        switch = self.run_action("install_image", dict(image, version="4.9.10", downgrade=False))
        self.assertEqual(sorted(tree(switch.flash)), ["startup-config"])
        switch = self.run_action("install_image", dict(image, version="4.9.10"))
        self.assertIn("EOS-4.9.10.swi", tree(switch.flash))
        self.fails("install_image", {"url": "files/images/a.swi"}, "'version' is missing")
        self.fails("install_image", dict(image, version="new", downgrade=False), "not a version")

    def test_install_image_compares_versions_in_the_spelling_of_eos(self):
        server.put_file("images/b.swi", b"an image")
        build = "4.31.1F-34554157.4311F (engineering build)"
        for wanted, running, installs in (
                ("4.31.1F", build, False), ("4.31.1f", build, False),
                ("4.31.1F-34554157.4311F", build, False), (build, build, False),
                ("4.31.1F-34554158.4311F", build, True), ("4.31.10F", build, True),
                ("4.31.1M", build, True), ("4.31.1", build, True),
                ("4.31.1F-34554157.4311F", "4.31.1F", True),
                ("4.22.3M", "4.22.3M-INT", True), ("4.22.3M-INT", "4.22.3M-INT", False),
                ("4.22.3M-INT", "4.22.3M-INT-1234567.4223M", False),
                ("4.21.8M-2GB", "4.21.8M-2GB", False), ("4.21.8M", "4.21.8M-2GB", True),
                ("lab", "lab", False), ("lab", "4.31.1F", True)):
            image = {"url": "files/images/b.swi", "version": wanted}
            switch = self.run_action("install_image", image, self.switch(version=running))
            self.assertEqual("boot-config" in tree(switch.flash), installs, (wanted, running))
        image = {"url": "files/images/b.swi", "version": "4.30.1F", "downgrade": False}
        switch = self.run_action("install_image", image, self.switch(version=build))
        self.assertEqual(sorted(tree(switch.flash)), ["startup-config"])

    def test_verify_image(self):
        server.put_file("images/a.swi", b"an image")
        server.put_file("verify.c", "hostname x\n")
        verify = ("verify_image", {"url": "files/images/a.swi"})
        switch = self.switch()
        (switch.flash / "boot-config").write_text("SWI=flash:/a.swi\n")
        server.define(self.serial, verify, ("add_config", {"url": "files/verify.c"}))
        self.refused(switch, "a.swi is missing")
        (switch.flash / "a.swi").write_bytes(b"an image")
        self.boots(switch)
        self.assertIn("is the same as files/images/a.swi", self.output)
        os.remove(switch.flash / "startup-config")
        (switch.flash / "a.swi").write_bytes(b"an imagE")
        sha1 = hashlib.sha1(b"an imagE").hexdigest()
        self.assertIn(sha1, self.refused(switch, "it is damaged, or a different image"))
        (switch.flash / "a.swi").write_bytes(b"longer image")
        self.refused(switch, "they are different images")
        self.fails("verify_image", {"url": "files/images/a.swi"}, "boot-config is missing")
        self.fails("verify_image", {"url": "http://192.0.2.1/a", "path": "/etc/passwd"},
                   "is not on the provisioning server")

    def test_install_extension(self):
        server.put_file("e/one.rpm", b"1")
        server.put_file("e/two.swix", b"2")
        server.put_file("extension.c", "hostname x\n")
        server.define(self.serial,
                      ("install_extension", {"url": "files/e/one.rpm"}),
                      ("install_extension", {"url": "files/e/two.swix", "force": True}),
                      ("install_extension", {"url": "files/e/one.rpm", "force": "False"}),
                      ("add_config", {"url": "files/extension.c"}))
        switch = self.switch()
        self.boots(switch)
        found = tree(switch.flash)
        self.assertEqual(found["boot-extensions"], b"two.swix force\none.rpm\n")
        self.assertEqual(found[".extensions/one.rpm"], b"1")
        self.assertEqual(found[".extensions/two.swix"], b"2")

    def test_install_cli_plugin(self):
        server.put_file("my plugin.py", "pass")
        switch = self.run_action("install_cli_plugin", {"url": "files/my plugin.py"})
        self.assertEqual(tree(switch.flash)[".ztp-plugins/my plugin.py"], b"pass")
        plugins = os.path.join(self.home, "python9", "CliPlugin")
        os.makedirs(plugins)
        script = self.rc_eos(switch)
        self.assertTrue(script.startswith("#!/bin/bash\n"))
        script = script.replace("/usr/lib*/python*/site-packages", self.home + "/python*")
        subprocess.run(["bash", "-c", script], check=True, env=switch.environment())
        self.assertEqual(os.listdir(plugins), ["my plugin.py"])

    def test_run_bash_script(self):
        server.put_file("bash.s", "#!/bin/sh\necho $what > $$ZTP_FLASH/made\n")
        script = {"url": "files/bash.s", "variables": {"what": "ü"}}
        switch = self.run_action("run_bash_script", script, LC_ALL="C")
        self.assertEqual(tree(switch.flash)["made"], "ü\n".encode())
        self.fails("run_bash_script", {"url": "files/bash.s"}, "no value for 'what'")
        server.put_file("bash.s2", "echo before\nexit 5\n")
        self.fails("run_bash_script", {"url": "files/bash.s2"}, "ended with status 5: before")
        server.put_file("bash.s3", "echo trouble >&2\n")
        self.fails("run_bash_script", {"url": "files/bash.s3"}, "trouble")

    def test_run_cli_commands(self):
        server.put_file("cli.c", "show version\n\nconfigure\nhostname $name\nend\nwrite memory\n")
        commands = {"url": "files/cli.c", "variables": {"name": "x"}}
        switch = self.run_action("run_cli_commands", commands)
        expected = ["show version", "configure", "hostname x", "end", "write memory"]
        self.assertEqual(self.commands(switch)[-5:], expected)

    def test_send_email(self):
        relay = Relay()
        self.addCleanup(relay.server_close)
        self.addCleanup(relay.shutdown)
        attached = os.path.join(self.home, "log.bin")
        with open(attached, "wb") as output:
            output.write(b"\x00\xff\n")
        self.run_action("send_email", {
            "smarthost": "127.0.0.1:{}".format(relay.server_address[1]),
            "sender": "ztp@example.com", "receivers": ["a@example.com", "b@example.com"],
            "subject": "Grüße", "body": "Schalter läuft", "commands": "show version",
            "attachments": [attached, "/no/such/file"]})
        (recipients, mail), = relay.mails
        self.assertEqual(recipients, ["a@example.com", "b@example.com"])
        subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
        self.assertEqual((subject, mail["To"]), ("Grüße", "a@example.com, b@example.com"))
        body, log, version = [part.get_payload(decode=True) for part in mail.get_payload()]
        self.assertTrue(body.decode().startswith("Schalter läuft\n"))
        self.assertIn(b"/no/such/file is missing", body)
        self.assertEqual(log, b"\x00\xff\n")
        self.assertIn(b"modelName: vEOS", version)
        self.fails("send_email", {"smarthost": "a", "sender": "x"}, "'receivers' is missing")

    def test_configure_ansible_client(self):
        server.put_file("key.pub", "ssh-ed25519 AAAA ansible\n")
        root = os.path.join(self.home, "persist")
        # A user and a group that exist on every machine; useradd creates nothing here.
        user = {"user": "root", "passwd": "s3cr et", "group": "root", "root": root,
                "key": "files/key.pub"}
        switch = self.run_action("configure_ansible_client", user)
        keys = os.path.join(root, "root", ".ssh", "authorized_keys")
        with open(keys) as written:
            self.assertEqual(written.read(), "ssh-ed25519 AAAA ansible\n")
        modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (keys, os.path.dirname(keys))]
        self.assertEqual(modes, [0o600, 0o700])
        arguments = (switch.home / "useradd.log").read_text().splitlines()
        self.assertRegex(arguments[1], r"^\$6\$[0-9a-f]{16}\$.{86}$")
        self.assertEqual(arguments[:1] + arguments[2:],
                         ["-p", "-d", os.path.join(root, "root"), "-G", "root", "root"])
        os.remove(switch.home / "useradd.log")
        self.restart(switch)
        self.assertEqual((switch.home / "useradd.log").read_text().splitlines(), arguments)
        self.assertNotIn("s3cr et", self.output + self.rc_eos(switch))
        self.run_action("configure_ansible_client", user, USERADD_STATUS="9")
        with open(keys) as written:
            self.assertEqual(written.read(), "ssh-ed25519 AAAA ansible\n")
        self.run_action("configure_ansible_client", {"user": "root", "root": root})
        server.define(self.serial, ("configure_ansible_client", user))
        booted = self.boot(self.switch(), USERADD_STATUS="1")
        self.assertIn("cannot create user root", booted.output)
