"""No log contains secrets of configurations, users or URLs."""

import server
from boots import BootCase
from pythons import each_python

# Lines in the form of EOS, its tools and scripts; every word with "hidden" is secret.
LINES = [
    ("username admin secret sha512 $6$hidden$hiddenhash.", "username admin secret ..."),
    ("username admin privilege 15 secret 0 hidden words", "username admin privilege 15 secret ..."),
    ("username ansible sshkey ssh-rsa AAAAhidden ansible@hidden", "username ansible sshkey ..."),
    ("username ansible ssh-key ssh-ed25519 AAAAhidden", "username ansible ssh-key ..."),
    ("enable password hidden", "enable password ..."),
    ("enable password sha512 $6$hidden$hidden", "enable password ..."),
    ("aaa root secret 5 $1$hidden$hidden", "aaa root secret ..."),
    ("radius-server key 7 0832hidden", "radius-server key ..."),
    ("radius-server host 192.0.2.1 vrf m key hidden", "radius-server host 192.0.2.1 vrf m key ..."),
    ("tacacs-server key hidden", "tacacs-server key ..."),
    ("tacacs-server host 192.0.2.1 key 8a $hidden", "tacacs-server host 192.0.2.1 key ..."),
    ("snmp-server community hidden ro", "snmp-server community ..."),
    ("snmp-server host 192.0.2.1 version 2c hidden", "snmp-server host ..."),
    ("snmp-server host 192.0.2.1 traps hidden", "snmp-server host ..."),
    ("snmp-server user nms group v3 auth sha hidden priv aes hidden", "snmp-server user ..."),
    ("  nms v3 localized 80:00 auth sha256 0x1hidden priv aes128 hidden",
     "nms v3 localized 80:00 auth sha256 ..."),
    ("ntp authentication-key 1 md5 7 hidden", "ntp authentication-key ..."),
    ("ip ospf authentication-key 7 hidden", "ip ospf authentication-key ..."),
    ("ip ospf message-digest-key 1 md5 7 hidden", "ip ospf message-digest-key ..."),
    ("ipv6 ospf authentication ipsec spi 3 sha1 passphrase 7 hidden",
     "ipv6 ospf authentication ipsec spi 3 sha1 passphrase ..."),
    ("neighbor SPINES password 7 hidden==", "neighbor SPINES password ..."),
    ("isis authentication key 7 hidden level-1", "isis authentication key ..."),
    ("authentication key-id 1 algorithm sha-1 key 7 hidden",
     "authentication key-id 1 algorithm sha-1 key ..."),
    ("vrrp 1 peer authentication hidden", "vrrp 1 peer authentication ..."),
    ("vrrp 1 authentication text hidden", "vrrp 1 authentication text ..."),
    ("vrrp 1 peer authentication ietf-md5 key-string 7 hidden", "vrrp 1 peer authentication ..."),
    ("key 0a 7 06070Dhidden", "key 0a 7 ..."),
    ("   key hidden", "key ..."),
    ("shared-key 7 hidden", "shared-key ..."),
    ("pre-shared-key hidden", "pre-shared-key ..."),
    ("exec /usr/bin/TerminAttr -ingestauth=key,hidden -taillogs",
     "exec /usr/bin/TerminAttr -ingestauth=... -taillogs"),
    ("SNMP-SERVER COMMUNITY hidden", "SNMP-SERVER COMMUNITY ..."),
    ('{"user": "a", "password": "hidden", "x": 1}', '{"user": "a", "password": ...'),
    ("passwd=hidden", "passwd=..."),
    ("Password: hidden", "Password: ..."),
    ("Authorization: Bearer hidden.hidden", "Authorization: ..."),
    ("curl -H 'X: bearer hidden'", "curl -H 'X: bearer ..."),
    ("root:$6$hidden$hidden:19000:0:99999", "root:..."),
    ("useradd -p '$y$j9T$hidden$hidden' -G eosadmin a", "useradd -p '...' -G eosadmin a"),
    ("https://user:hidden@files.example.com/a?sig=hidden&x=1 is late",
     "https://...@files.example.com/a?... is late"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIhidden\nhidden\n-----END RSA PRIVATE KEY-----\nafter it",
     "after it"),
]
# Text that a keyword with another meaning must not hide.
PROSE = [
    "the attribute 'key' is missing",
    "the key `nodes/SAMPLE01/pattern` is not a mapping",
    "no value for 'password'; a dollar sign for its own sake is doubled",
    "its sha1 is 0123456789, meta says 9876543210",
    "set it with wrangler secret put ZTP_TOKENS",
    "cannot install the ssh keys of ansible: no space",
    "Ethernet1 is connected to spine1, which has the token of another site",
]
LOGS = '''
def main(attributes):
    node = attributes.get("NODE")
    for line in attributes.get("lines"):
        node.log_msg(line)
    node.bash_cmds(["cat " + attributes.get("file")])
    raise RuntimeError(attributes.get("lines")[0])
'''


@each_python
class Secrets(BootCase):
    def cli(self, lines, messages):
        """Boot with CLI commands, some of which fail in EOS. Returns the output."""
        switch = self.switch()
        switch.facts["messages"] = messages
        name = "cli." + self.serial
        server.put_file(name, "".join(line + "\n" for line in lines))
        server.define(self.serial, ("run_cli_commands", {"url": "files/" + name}))
        return self.refused(switch, "action run_cli_commands failed: ")

    def test_no_secret_of_any_source_is_logged(self):
        server.put_action("logs_" + self.serial, LOGS)
        lines = [line for line, _ in LINES]
        printed = self.home + "/printed"
        with open(printed, "w") as output:
            output.write("\n".join(lines))
        server.define(self.serial, ("logs_" + self.serial,
                                    {"lines": lines + PROSE, "file": printed}))
        output = self.refused(self.switch(), "failed: username admin secret ...")
        for line in output.splitlines():
            self.assertNotIn("hidden", line)
        logged = [line.split(": ", 1)[-1].strip() for line in output.splitlines()]
        for line, shown in LINES:
            self.assertEqual(logged.count(shown), [other for _, other in LINES].count(shown) * 2,
                             (line, shown, output))
        for sentence in PROSE:
            self.assertIn(sentence, logged)

    def test_a_configuration_session_that_fails_logs_numbers_and_words_of_eos(self):
        lines = ["show version", "configure", "hostname leaf", "ip rooting",
                 "username admin secret hidden bad"]
        for line, message, expected in (
                (lines[3], "Invalid input (at token 1: 'rooting')",
                 "command 4 failed: % Invalid input (at token 1: 'rooting')"),
                (lines[4], "Invalid input (at token 3: 'hidden')",
                 "command 5 failed: % Invalid input (at token 3: '...')"),
                (lines[4], "Incomplete command",
                 "one of the commands 2 to 5 failed: % Incomplete command"),
                (lines[2], "Unavailable at line 2", "command 3 failed: % Unavailable at line 2"),
        ):
            output = self.cli(lines, {line: message})
            self.assertIn("run_cli_commands failed: " + expected, output)
            for secret in ("hidden", "hostname leaf", "ip rooting", "username"):
                self.assertNotIn(secret, output)

    def test_commands_from_configuration_mode_are_counted_without_configure(self):
        action = "config_" + self.serial
        server.put_action(action, "def main(attributes):\n    attributes.get('NODE')"
                          ".api_config_cmds(['vlan 7', 'enable secret hidden'])\n")
        server.define(self.serial, (action, {}))
        switch = self.switch()
        switch.facts["messages"] = {"enable secret hidden": "Invalid input at 'secret hidden'"}
        output = self.refused(switch, "failed: command 2 failed: % Invalid input at '...'")
        self.assertNotIn("hidden", output)

    def test_a_command_that_shows_a_configuration_and_not_json_is_not_repeated(self):
        action = "show_" + self.serial
        server.put_action(action, "def main(attributes):\n    attributes.get('NODE')"
                          ".api_enable_cmds(['show running-config'])\n")
        server.define(self.serial, (action, {}))
        switch = self.switch()
        fastcli = switch.home / "bin" / "FastCli"
        shows = "show running-config | json"
        fastcli.write_text(fastcli.read_text().replace(
            "configuring = False", f"if commands == ['{shows}']:\n    print('hostname hidden')\n"
                                   "    sys.exit()"))
        output = self.refused(switch, "'show running-config' did not print a JSON object")
        self.assertNotIn("hidden", output)
