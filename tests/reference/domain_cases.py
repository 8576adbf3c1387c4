"""Asks our domain code: runs the example domain_cases over a list of questions (see examples/domain_cases.rs)."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ask(questions):
    """The answers to the questions, in order."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    command = ["cargo", "run", "--quiet", "--example", "domain_cases"]
    done = subprocess.run(command, cwd=ROOT, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if len(answers) != len(questions):
        raise RuntimeError(f"{len(answers)} answers to {len(questions)} questions")
    return answers
