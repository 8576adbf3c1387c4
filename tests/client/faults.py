# -*- coding: utf-8 -*-
"""Boots the client again and again, each time with one thing that goes wrong; prints what is left.

Runs under the Pythons of a switch, 2.7 too. Each boot is a process of its own, forked from one that
has loaded the client, so that hundreds of them take seconds. Standard input has one JSON object:

    client    the path of the bootstrap script; the environment says on which switch
    template  a folder: how flash is before each boot
    faults    a list of [operation, fault]: at the operation of that number (from 1 on) on flash,
              the fault happens: an error (EIO, EROFS, ENOSPC), in place of the operation, or a
              signal (SIGTERM, SIGKILL, ...), after it, or -SIGTERM, before it. Of [] nothing
              goes wrong.
    then      whether another boot follows one that SIGKILL ended

It prints a JSON object a line for each: "fault"; "status" of the boot; "operations" that it did;
"output"; "trace", the last 200 of the operations, as names of calls and files; and how flash
differs from the template: "missing" (or changed) and "more", each {path: content in base64}; if
another boot follows, also "after": the same of that one.
"""
from __future__ import print_function, unicode_literals

import base64
import errno
import io
import json
import os
import shutil
import signal
import sys
import tempfile

# The functions that the client and the actions call; each is an attribute of the module os.
CALLS = ("open", "rename", "remove", "unlink", "rmdir", "mkdir", "lstat", "stat", "listdir",
         "scandir", "chmod", "write", "fsync")


class Faults(object):
    """Counts the operations on flash, and makes one of them fail."""

    def __init__(self, flash, number, fault):
        self.flash = os.path.realpath(flash)
        self.number = number
        self.fault = fault
        self.count = 0
        self.trace = []

    def is_on_flash(self, target):
        if isinstance(target, int):
            target = os.readlink(str("/proc/self/fd/{}").format(target))
        if not isinstance(target, str) or not target.startswith(self.flash):
            return False
        return target[len(self.flash):][:1] in ("", "/")

    def __call__(self, name, target, call):
        if not self.is_on_flash(target):
            return call()
        self.count += 1
        if isinstance(target, int):
            target = os.readlink(str("/proc/self/fd/{}").format(target))
        self.trace.append(str("{} {}").format(name, os.path.basename(target)))
        if self.count != self.number:
            return call()
        if hasattr(errno, self.fault):
            code = getattr(errno, self.fault)
            raise OSError(code, os.strerror(code), target)
        number = getattr(signal, self.fault.lstrip("-"))
        if self.fault.startswith("-"):
            os.kill(os.getpid(), number)
            return call()
        result = call()
        os.kill(os.getpid(), number)
        return result

    def install(self):
        for name in CALLS:
            if hasattr(os, name):
                setattr(os, name, self.wrapped(str(name), getattr(os, name)))
        real_open = io.open

        def opened(target, *arguments, **options):
            made = self(str("open"), target, lambda: real_open(target, *arguments, **options))
            return File(self, made)

        io.open = shutil.open = opened

    def wrapped(self, name, real):
        def call(target=".", *arguments, **options):
            return self(name, target, lambda: real(target, *arguments, **options))

        return call


class File(object):
    """An open file whose reads and writes count."""

    def __init__(self, faults, real):
        self.faults = faults
        self.real = real

    def __getattr__(self, name):
        found = getattr(self.real, name)
        if name not in ("read", "write", "flush"):
            return found
        return lambda *arguments: self.faults(
            str(name), self.real.fileno(), lambda: found(*arguments))

    def __iter__(self):
        return iter(self.real)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.real.close()


def contents(folder):
    """{path below: content, or the target of a link, or 'folder'}."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                content = b"-> " + os.readlink(path).encode("utf-8")
            elif os.path.isdir(path):
                content = b"folder"
            else:
                with io.open(path, "rb") as source:
                    content = source.read()
            found[os.path.relpath(path, folder)] = content
    return found


def difference(before, after):
    """What of `before` is missing or changed in `after`, and what is more there."""

    def encoded(found):
        return {name: base64.b64encode(content).decode("ascii") for name, content in found.items()}

    missing = {name: content for name, content in before.items() if after.get(name) != content}
    more = {name: content for name, content in after.items() if before.get(name) != content}
    return {"missing": encoded(missing), "more": encoded(more)}


def renew(flash, template, before, now):
    """Make flash, whose contents are `now`, what the template is."""
    for name in sorted(now, reverse=True):
        if now[name] != before.get(name):
            path = os.path.join(flash, name)
            if os.path.islink(path) or not os.path.isdir(path):
                os.remove(path)
            else:
                shutil.rmtree(path)
    for name in sorted(before):
        if now.get(name) != before[name]:
            source, path = os.path.join(template, name), os.path.join(flash, name)
            if os.path.isdir(source):
                os.mkdir(path)
            else:
                shutil.copy2(source, path)


def boot(client, arguments, flash, number=0, fault=None):
    """Boot in a process of its own: its status (or minus a signal), its output, its operations."""
    output = tempfile.TemporaryFile()
    counted, count = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.stdout = sys.stderr = io.open(1, "w", encoding="utf-8", closefd=False)
        if str is bytes:
            sys.stdout = sys.stderr = os.fdopen(1, str("w"))
        status = 99
        faults = Faults(flash, number, fault)
        try:
            sys.argv = ["bootstrap"] + arguments
            faults.install()
            status = client["main"]()
        except:  # noqa: E722
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os.close(counted)
            with os.fdopen(count, str("w")) as pipe:
                pipe.write(json.dumps([faults.count, faults.trace[-200:]]))
            os._exit(status)
    os.close(count)
    with os.fdopen(counted) as pipe:
        count, trace = json.loads(pipe.read() or "[0, []]")
    _, status = os.waitpid(child, 0)
    output.seek(0)
    return {"status": -(status & 127) or status >> 8, "operations": count, "trace": trace,
            "output": output.read().decode("utf-8", "replace")}


def main():
    order = json.load(sys.stdin)
    template = str(order["template"])
    flash = os.environ["ZTP_FLASH"]
    with io.open(order["client"], "rb") as source:
        code = compile(source.read(), "bootstrap", "exec", 0, True)
    arguments = [str(argument) for argument in order.get("arguments", [])]
    client = {"__name__": "bootstrap"}
    exec(code, client)
    before, now = contents(template), contents(flash)
    for fault in order["faults"]:
        renew(flash, template, before, now)
        done = boot(client, arguments, flash, *fault)
        now = contents(flash)
        done.update(difference(before, now), fault=fault)
        if order.get("then"):
            done["after"] = boot(client, arguments, flash)
            now = contents(flash)
            done["after"].update(difference(before, now))
        print(json.dumps(done))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
