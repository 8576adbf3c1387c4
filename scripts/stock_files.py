"""Write the lists of the files of ZTPServer's releases: the SHA-1 of each, never its contents.

    python3 scripts/stock_files.py FOLDER

FOLDER has a folder for each release, named after it, with the unpacked package. `pip download --no-deps ztpserver==1.6.0`
fetches one; those before 2.0 need the pip of Python 2.7.
"""
import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "crates/ztp/src/stock.txt"
CLIENTS = ROOT / "crates/core/src/stock.rs"


def key(path):
    """The key of a file of a package in a data_root, or None if it is not one of the stock files."""
    parts = path.parts
    if "test" in parts or "tests" in parts:
        return None
    if path.name == "bootstrap" and parts[-2] in ("client", "bootstrap"):
        return "bootstrap/bootstrap"
    if parts[-2] == "actions":
        return "actions/" + path.name
    if re.match(r"requests-.*\.tar\.gz$", path.name):
        return "files/lib/" + path.name
    return None


def number(release):
    return [int(part) for part in release.split(".")]


def main(folder):
    found = {}
    for release in sorted((path.name for path in folder.iterdir()), key=number):
        for path in sorted((folder / release).rglob("*")):
            name = path.is_file() and key(path.relative_to(folder / release))
            if name:
                sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
                found.setdefault((name, sha1), []).append(release)
    with LIST.open("w") as out:
        for (name, sha1), releases in sorted(found.items()):
            print(sha1, name, *releases, file=out)
    clients = sorted(sha1 for name, sha1 in found if name == "bootstrap/bootstrap")
    text = CLIENTS.read_text()
    hashes = "".join(f'    "{sha1}",\n' for sha1 in clients)
    head, rest = text.split("const CLIENTS", 1)
    rest = rest.split("];\n", 1)[1]
    CLIENTS.write_text(f"{head}const CLIENTS: [&str; {len(clients)}] = [\n{hashes}];\n{rest}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
