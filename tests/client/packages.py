"""Packages from the Python package index for the tests, in a folder that is removed at the end."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import pythons

ZTPSERVER = "ztpserver==2.1.0"

_folder = tempfile.TemporaryDirectory(prefix="ztp-packages-")


def _pip(*arguments, python=sys.executable):
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout.decode()}")


@functools.lru_cache(maxsize=None)
def ztpserver():
    """The folder with ZTPServer's bootstrap/bootstrap and actions/*, as published."""
    target = pathlib.Path(_folder.name, "ztpserver")
    _pip("download", "--no-deps", "--dest", str(target), ZTPSERVER)
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    (bootstrap,) = target.glob("**/ztpserver/bootstrap/bootstrap")
    return bootstrap.parent.parent


@functools.lru_cache(maxsize=None)
def modules(*names, python=sys.executable):
    """A folder for PYTHONPATH with these packages and their dependencies."""
    target = tempfile.mkdtemp(dir=_folder.name)
    _pip("install", "--target", target, *names, python=python)
    return target


def python_with(module):
    """The newest Python here that has a module of the standard library and pip."""
    for _, python in sorted(pythons.installed().items(), reverse=True):
        command = [python, "-W", "ignore", "-c", f"import {module}, pip"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            return python
    raise unittest.SkipTest(f"no Python here has {module} and pip")


@functools.lru_cache(maxsize=None)
def mount_flash():
    """A command before a command: it runs where a folder, its first argument, is /mnt/flash.

    In a mount namespace of its own: nothing of this machine changes.
    """
    script = ("mount -t tmpfs tmpfs /mnt && mkdir /mnt/flash && mount --bind \"$1\" /mnt/flash"
              " && shift && exec \"$@\"")
    for options in (["--mount"], ["--mount", "--user", "--map-root-user"]):
        if shutil.which("unshare") and os.path.isdir("/mnt"):
            command = ["unshare", *options, "sh", "-c", script, "sh"]
            done = subprocess.run([*command, _folder.name, "test", "-d", "/mnt/flash"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return command
    raise unittest.SkipTest("unshare cannot make a mount namespace here")
