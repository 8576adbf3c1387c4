"""ZTPServer's own client, unmodified, where there are sites: ZTP_TEST_URL is below /t/TOKEN."""

import re

import server
import test_reference


class UnderTheTokenOfASite(test_reference.TheirClient):
    """The switch does not say who it is when it fetches the script."""

    def switch(self, **facts):
        made = super().switch(**facts)
        made.fetch = lambda url: made.script.write_bytes(server.fetch(url)[2])
        return made

    def boots(self, switch_, url=None, **environment):
        config = super().boots(switch_, url, **environment)
        self.assertIn((url or server.URL) + '"', re.sub("'", '"', switch_.script.read_text()))
        return config


class UnderTheUrlOfItsOwn(test_reference.TheirClient):
    """The switch says who it is, as EOS does."""

    # The proxy of that test knows one URL, and here every switch has another.
    test_boot_under_a_path_prefix = None

    def boots(self, switch_, url=None, **environment):
        config = super().boots(switch_, url, **environment)
        script = switch_.script.read_text()
        self.assertNotIn(server.URL, script)
        self.assertRegex(script, r"/t/amsterdam\." + self.serial + r"\.[0-9a-f]{64}['\"]")
        return config


def load_tests(loader, _tests, _pattern):
    """Only the classes above: what they build on runs elsewhere."""
    classes = (UnderTheTokenOfASite, UnderTheUrlOfItsOwn)
    return loader.suiteClass([loader.loadTestsFromTestCase(case) for case in classes])
