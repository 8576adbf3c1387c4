"""Runs `ztps --validate-config` of ztpserver 2.1.0 on the broken data_roots, and lists those with a reported error.

    python3 tests/ztp/reference.py [--ztps PATH]

Without PATH, ztpserver is installed with pip into a temporary virtual environment. Every data_root gets the folders that
ztpserver requires, so that a missing empty folder is not counted as an error.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv

FIXTURES = pathlib.Path(__file__).resolve().parent / "broken"
FOLDERS = ("actions", "bootstrap", "definitions", "files", "nodes", "plugins", "resources")
# ztpserver checks only that these files exist.
PLUGINS = ("allocate", "sqlite")


def install(folder):
    """Install ztps in a new virtual environment, and return its path."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(pip + ["ztpserver==2.1.0"], check=True)
    return folder / "bin" / "ztps"


def make(root, line):
    """Create a file that git cannot store; the recipes are those of broken.rs."""
    kind, rest = line.split(" ", 1)

    def prepare_path(path):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        return root / path

    if kind == "file":
        path, size = rest.rsplit(" ", 1)
        with open(prepare_path(json.loads(path)), "wb") as file:
            file.truncate(int(size))
    elif kind == "link":
        path, target = rest.split(" ", 1)
        prepare_path(json.loads(path)).symlink_to(json.loads(target))
    elif kind == "fifo":
        os.mkfifo(prepare_path(json.loads(rest)))
    elif kind == "long":
        path, size = rest.split(" ")
        while len(path) < int(size):
            path += "/" + "n" * max(1, min(200, int(size) - len(path) - 1))
        prepare_path(path).write_text("actions: []\n")
    elif kind == "bytes-name":
        folder, name = rest.split(" ")
        path = os.fsencode(root / folder) + b"/" + bytes.fromhex(name)
        with open(path, "wb") as file:
            file.write(b"x")
    else:
        raise ValueError(line)


def prepare(fixture, root):
    """Copy a fixture, with the files and folders that ztpserver requires."""
    if fixture is not None:
        shutil.copytree(fixture / "root", root)
    for folder in FOLDERS:
        if not (root / folder).is_file():
            (root / folder).mkdir(parents=True, exist_ok=True)
    for plugin in PLUGINS:
        (root / "plugins" / plugin).touch()
    recipe = fixture and fixture / "make"
    if recipe and recipe.exists():
        for line in recipe.read_text().splitlines():
            make(root, line)
    neighbordb = root / "neighbordb"
    if not neighbordb.exists():
        neighbordb.write_text("patterns: []\n")


def finds(ztps, root):
    """Whether ztps reports an error in a data_root, or fails."""
    environment = {**os.environ, "ZTPS_DEFAULT_DATAROOT": str(root)}
    command = [str(ztps), "--validate-config"]
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode != 0 or b"ERROR" in done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--ztps", type=pathlib.Path, help="an installed ztps 2.1.0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        ztps = arguments.ztps or install(temporary / "venv")
        prepare(None, temporary / "clean")
        if finds(ztps, temporary / "clean"):
            sys.exit("ztps reports an error in an empty data_root, so its reports are useless")
        found = []
        fixtures = sorted(path for path in FIXTURES.iterdir() if path.is_dir())
        for fixture in fixtures:
            root = temporary / fixture.name
            prepare(fixture, root)
            if finds(ztps, root):
                found.append(fixture.name)
                print(fixture.name)
            shutil.rmtree(root)
        print("ztpserver 2.1.0 reports {} of {} broken data_roots; ztp validate reports all".format(
            len(found), len(fixtures)))


main()
