"""Generates expressions and texts, and decides them with Python's re.match.

    python3 differential.py COUNT SEED

Prints one JSON object per line: {"pattern", "text"} with "match" (true or false) or, if Python rejects the expression,
"error". tests/differential.rs compares them with this crate.
"""

import json
import random
import re
import sys
import warnings

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


def random_text(rng):
    # Few letters make many matches, many kinds of characters find the rare differences.
    return "".join(rng.choice(rng.choice([TEXT, "ab", "abc1"])) for _ in range(rng.randint(0, 8)))


def decide(pattern, text):
    try:
        return {"match": re.match(pattern, text) is not None}
    except (re.error, OverflowError, RecursionError) as error:
        return {"error": str(error)}


def main():
    count, seed = (int(argument) for argument in sys.argv[1:])
    warnings.simplefilter("ignore")
    rng = random.Random(seed)
    for _ in range(count):
        pattern, text = random_expression(rng), random_text(rng)
        if sys.version_info >= (3, 14) and r"\B" in pattern and not text:
            # Since 3.14, `\B` matches in an empty text.
            continue
        print(json.dumps({"pattern": pattern, "text": text, **decide(pattern, text)}))


if __name__ == "__main__":
    main()
