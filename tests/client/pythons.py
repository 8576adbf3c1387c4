"""The Pythons that run the client, and tests that run once with each.

ZTP_TEST_SHARE=short runs each test once, with the oldest Python, and those of test_boot.py with
each; ZTP_TEST_SHARE=rest runs the others, and those of test_flash.py with each, since the short
share has fewer operations of them.
"""

import glob
import os
import shutil
import subprocess
import sys
import unittest

OLDEST = (3, 6)
SHARE = os.environ.get("ZTP_TEST_SHARE")


def version(python):
    """(major, minor) of an interpreter, or None if it does not run."""
    command = [python, "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    try:
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                check=True, timeout=30).stdout
        major, minor = output.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def installed():
    """Every Python found, as {(major, minor): path}."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], 20)] + ["python2.7", "python3"]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    candidates += glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python"))
    found = {}
    for candidate in candidates:
        number = version(candidate)
        if number:
            found.setdefault(number, candidate)
    return found


def chosen():
    """[(name, path)] of the Pythons to test with."""
    listed = os.environ.get("ZTP_TEST_PYTHONS")
    if listed:
        found = {version(path): path for path in listed.split(":")}
        if None in found:
            sys.exit(f"ZTP_TEST_PYTHONS: {found[None]} is not a Python that runs")
        numbers = sorted(found)
    else:
        found = installed()
        threes = sorted(number for number in found if number >= OLDEST)
        numbers = sorted({*threes[:1], *threes[-1:], *({(2, 7)} & set(found))})
    return [("python{}_{}".format(*number), found[number]) for number in numbers]


PYTHONS = chosen()


def of_share(module):
    """The Pythons for the tests of a module, in the share that is to run."""
    if SHARE == "short":
        return PYTHONS if module == "test_boot" else PYTHONS[:1]
    if SHARE == "rest":
        return {"test_boot": [], "test_flash": PYTHONS}.get(module, PYTHONS[1:])
    return PYTHONS


def each_python(case):
    """Make a class of tests into one TestCase for each Python, with its path in `python`."""
    module = sys.modules[case.__module__]
    for name, path in of_share(case.__module__):
        full_name = f"{case.__name__}_{name}"
        members = {"python": path, "__module__": case.__module__}
        setattr(module, full_name, type(full_name, (case, unittest.TestCase), members))
    return case
