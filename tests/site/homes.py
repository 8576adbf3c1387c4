#!/usr/bin/env python3
"""Makes the homes of simulated switches, each in a folder DIR/SERIAL that looks like EOS to the client.

    homes.py DIR SERIAL...

Prints one JSON object: {serial: {"home", "flash", "script", "tmp", "environment", "facts"}}.
"""

import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import switch  # noqa: E402 (found only below scripts)


def main():
    folder = pathlib.Path(sys.argv[1])
    homes = {}
    for serial in sys.argv[2:]:
        made = switch.Switch(folder / serial, serial=serial)
        environment = {name: value for name, value in made.environment().items()
                       if os.environ.get(name) != value}
        homes[serial] = {"home": str(made.home), "flash": str(made.flash), "tmp": str(made.tmp),
                         "script": str(made.script), "environment": environment,
                         "facts": made.facts}
    json.dump(homes, sys.stdout)


if __name__ == "__main__":
    main()
