"""Packages from the Python package index for the tests, installed once in the build folder."""

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

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def _pip(*arguments, python=sys.executable):
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout.decode()}")


def _once(name, fill):
    """A folder in the build folder, after `fill` has filled it; others may ask for it at once."""
    place = BUILD / name
    if not place.exists():
        made = tempfile.mkdtemp(prefix="incomplete-", dir=BUILD)
        fill(made)
        try:
            os.rename(made, place)
        except OSError:
            if not place.exists():
                raise
            shutil.rmtree(made)  # Another one was first.
    return place


def _unpack(target):
    _pip("download", "--no-deps", "--dest", target, ZTPSERVER)
    (wheel,) = pathlib.Path(target).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)


@functools.lru_cache(maxsize=None)
def ztpserver():
    """The folder with ZTPServer's bootstrap/bootstrap and actions/*, as published."""
    place = _once(ZTPSERVER, _unpack)
    (bootstrap,) = place.glob("**/ztpserver/bootstrap/bootstrap")
    return bootstrap.parent.parent


@functools.lru_cache(maxsize=None)
def modules(*names, python=sys.executable):
    """A folder for PYTHONPATH with these packages and their dependencies."""
    name = "-".join(["python{}.{}".format(*pythons.version(python)), *names])
    return str(_once(name, lambda target: _pip("install", "--target", target, *names,
                                               python=python)))


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
            done = subprocess.run([*command, tempfile.gettempdir(), "test", "-d", "/mnt/flash"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0:
                return command
    raise unittest.SkipTest("unshare cannot make a mount namespace here")
