"""ZTPServer's own client, unmodified, with sites: ZTP_TEST_URL is below /t/TOKEN."""

import re

import server
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


def load_tests(loader, _tests, _pattern):
    """Only the classes above: their base classes run in test_reference."""
    classes = (UnderTheTokenOfASite, UnderTheUrlOfItsOwn)
    return loader.suiteClass([loader.loadTestsFromTestCase(case) for case in classes])
