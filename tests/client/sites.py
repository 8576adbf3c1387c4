"""ZTPServer's own client, unmodified, and backups, with sites: ZTP_TEST_URL is below /t/TOKEN."""

import re
import sys
import unittest

import boots
import server
import test_backup
import test_reference


class UnderTheTokenOfASite(test_reference.TheirClient):
    """The switch sends no id when it fetches the script."""

    def switch(self, **facts):
        made = super().switch(**facts)
        made.fetch = lambda url: made.script.write_bytes(server.fetch(url)[2])
        return made

    def boots(self, switch_, url=None, **environment):
        config = super().boots(switch_, url, **environment)
        self.assertIn((url or server.URL) + '"', re.sub("'", '"', switch_.script.read_text()))
        return config


class UnderTheUrlOfItsOwn(test_reference.TheirClient):
    """The switch sends its id, as EOS does."""

    # The proxy of that test has one URL, and here every switch has its own.
    test_boot_under_a_path_prefix = None

    def boots(self, switch_, url=None, **environment):
        config = super().boots(switch_, url, **environment)
        script = switch_.script.read_text()
        self.assertNotIn(server.URL, script)
        self.assertRegex(script, r"/t/amsterdam\." + self.serial + r"\.[0-9a-f]{64}['\"]")
        return config


class BackupsBelowTheUrlOfTheNode(test_backup.Backups, boots.BootCase, unittest.TestCase):
    """The client of this server; the switch sends its id, as EOS does."""

    python = sys.executable

    def test_the_backup_has_the_credential_of_this_node_only(self):
        switch = self.run_action("add_config", test_backup.put_template("backup.template"))
        own = rf"/t/amsterdam\.{self.serial}\.[0-9a-f]{{64}}/nodes/{self.serial}/startup-config"
        self.assertRegex(self.config, own)
        self.assertNotIn(server.URL, self.config)
        self.assertEqual(self.back_up(switch), (0, ""))
        self.assertEqual(self.stored(self.serial), b"hostname written\n! \xff\n")


def load_tests(loader, _tests, _pattern):
    """Only the classes above: their base classes run in test_reference."""
    classes = (UnderTheTokenOfASite, UnderTheUrlOfItsOwn, BackupsBelowTheUrlOfTheNode)
    return loader.suiteClass([loader.loadTestsFromTestCase(case) for case in classes])
