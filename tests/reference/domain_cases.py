"""Calls the rules in ztp_core: runs crates/core/examples/domain_cases.rs with a list of requests."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def call(requests):
    """The results of the requests, in order."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    command = ["cargo", "run", "--quiet", "--example", "domain_cases"]
    done = subprocess.run(command, cwd=ROOT, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if len(results) != len(requests):
        raise RuntimeError(f"{len(results)} results of {len(requests)} requests")
    return results
