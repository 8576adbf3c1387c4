"""Compares our regular expressions with Python's re.match, on generated expressions and texts.

    python tests/reference/regex_differential.py [--count N] [--seed S] [--show N]

Needs Python 3.11 or newer, whose syntax ours follows. Fails if a match is decided otherwise here, or if an expression is
accepted here that Python refuses. Expressions that only we refuse are counted by the reason.
"""

import argparse
import collections
import random
import re
import sys
import warnings

from domain_cases import ask

ATOMS = ["a", "b", "c", "1", "-", "spine", "leaf", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[ab]", "[^a]", "[a-c1]", r"[\d-]", "[]a]", "[^]]", r"[\w.]", r"\.", r"\-", r"\n", r"\x61", r"\141", r"\u0062", "é", "ü", "[é-ü]", "S", "[A-C]", "K", "_", " "]
ANCHORS = ["^", "$", r"\b", r"\B", r"\A", r"\Z"]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,2}", "{2,}", "{0}", "{1,3}?", "{", "{a", "{,}", "{}"]
SOUP = list("ab1-()[]{}*+?|^$.\\:=!<>P#i,2 ")
TEXT = list("aabbc11-. _") + ["spine", "leaf", "\n", "é", "ü", "S", "A", "k", "K", "ſ", "s", "\t", "½", "٣"]


def expression(rng, depth, groups):
    kind = rng.random()
    if depth == 0 or kind < 0.35:
        return rng.choice(ATOMS)
    if kind < 0.42:
        return rng.choice(ANCHORS)
    if kind < 0.6:
        return "".join(expression(rng, depth - 1, groups) for _ in range(rng.randint(2, 3)))
    if kind < 0.7:
        return "(?:" + "|".join(expression(rng, depth - 1, groups) for _ in range(rng.randint(1, 3))) + ")"
    if kind < 0.8:
        body = expression(rng, depth - 1, groups)
        groups.append(len(groups) + 1)
        return "(" + body + ")"
    if kind < 0.86:
        return rng.choice(["(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?s:", "(?a:", "(?m:", "(?x:", "(?-i:"]) + expression(rng, depth - 1, groups) + ")"
    if kind < 0.9 and groups:
        return "\\" + str(rng.choice(groups))
    if kind < 0.93:
        name = f"n{len(groups)}"
        groups.append(len(groups) + 1)
        return f"(?P<{name}>" + expression(rng, depth - 1, groups) + ")" + (f"(?P={name})" if rng.random() < 0.5 else "")
    return expression(rng, depth - 1, groups) + rng.choice(QUANTIFIERS)


def random_expression(rng):
    if rng.random() < 0.15:
        return "".join(rng.choice(SOUP) for _ in range(rng.randint(1, 10)))
    flags = rng.choice(["", "", "", "(?i)", "(?s)", "(?m)", "(?a)", "(?x)", "(?im)"])
    return flags + "".join(expression(rng, 3, []) if rng.random() < 0.5 else expression(rng, 2, []) for _ in range(rng.randint(1, 2))) + rng.choice(["", "", "$", r"\Z"])


def python(pattern, text):
    try:
        return {"match": re.match(pattern, text) is not None}
    except re.error as error:
        return {"error": str(error)}
    except (OverflowError, RecursionError) as error:
        return {"error": str(error)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=8)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = random.Random(args.seed)
    # Few letters make many matches, many kinds of characters find the odd ones.
    cases = [(random_expression(rng), "".join(rng.choice(rng.choice([TEXT, "ab", "abc1"])) for _ in range(rng.randint(0, 8)))) for _ in range(args.count)]
    counts = collections.Counter()
    failures = 0
    for (pattern, text), ours in zip(cases, ask([{"op": "regex", "pattern": pattern, "text": text} for pattern, text in cases])):
        theirs = python(pattern, text)
        if "undecided" in ours:
            outcome = "undecided here"
        elif "error" in ours:
            outcome = "both refuse" if "error" in theirs else "only we refuse: " + re.sub(r"\s*\(at character.*|'.*?'|, not for.*", "", ours["error"])
        elif "error" in theirs:
            outcome = "ONLY PYTHON REFUSES"
        else:
            outcome = ("both match" if ours["match"] else "neither matches") if ours == theirs else "DECIDED OTHERWISE"
        counts[outcome] += 1
        failures += outcome.isupper()
        if outcome.isupper() and counts[outcome] <= args.show:
            print(f"{outcome}: {pattern!r} on {text!r}\n  ours   {ours}\n  Python {theirs}")
    print(f"{len(cases)} cases:")
    for outcome, count in counts.most_common():
        print(f"  {count:6} {outcome}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
