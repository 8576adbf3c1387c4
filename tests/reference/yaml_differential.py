"""Compares our YAML parser with PyYAML's pure Python SafeLoader, on fixed and on generated texts.

    python tests/reference/yaml_differential.py [--count N] [--seed S] [--show N]

Needs PyYAML 6. Fails if the values of a text differ, or if only PyYAML rejects it. Texts that only our parser rejects are
counted, and fail only in the fixed corpus.
"""

import argparse
import collections
import datetime
import json
import random
import re
import sys

import yaml

from domain_cases import call

WRITTEN = [
    "", "~", "a", "a: 1", "- a\n- b", "{a: 1, b: [x, y]}", "a:\n- 1\n- 2\n", "a: b: c", "a: 'b: c'", "'a': \"b\\n\\x41\\u00e9\"",
    "a: |\n  x\n  y\n", "a: >-\n  x\n  y\n\n  z\n", "a: |+\n  x\n\nb: 1", "? a\n: b", "? [a]\n: b", "{[a]: b}", "{{a: b}: c}", "a: 1\na: 2",
    "1: a\ntrue: b\n1.0: c", "null: a\n~: b", "1.5: x", "1e3: x", "100000000000000000000.0: x", "0.00001: x", "a: &x 1\nb: *x", "b: *x",
    "a: &x 1\nb: &x 2\nc: *x", "a: &x [*x]", "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2", "a: &x {b: 1}\nc:\n  b: 3\n  <<: *x",
    "a: &x {b: 1}\ny: &y {b: 2, e: 4}\nc:\n  <<: [*x, *y]\n  d: 2", "<<: {a: 1}\na: 2", "a: 2\n<<: {a: 1, b: 3}", "<<: 1", "<<: [1]", "- <<", "a: <<",
    "<<: {<<: {a: 1}, b: 2}", "<<: {a: 1}\n<<: {a: 2, c: 3}", "=: 1", "a: =", "'=': 1", "'<<': {a: 1}", "!!str 123", "!!int '7'", "!!int 010", "!!int x",
    "!!float 1", "!!float '1e3'", "!!bool 'YeS'", "!!bool x", "!!null x", "!!seq [a]", "!!seq {a: b}", "!!map {a: b}", "!!map [a]", "!!set {a, b}",
    "!!omap [a: 1, b: 2]", "!!omap [{a: 1, b: 2}]", "!!pairs [a: 1, a: 2]", "!!pairs {a: 1}", "!!binary aGk=", "!!binary '*'", "!!timestamp 2001-01-01",
    "!!timestamp x", "!!python/object:os.system x", "!foo x", "! 12", "! '12'", "! [a]", "!!str [a]", "--- a\n--- b", "---\n...\n", "--- a\n...\n", "%YAML 1.1\n--- a",
    "%YAML 1.2\n--- yes", "%YAML 2.0\n--- a", "%TAG ! tag:yaml.org,2002:\n--- !str 1", "# only a comment", "a: b # c", "a: b#c", "a:b", "a :b", "[a:b]", "{a:1}", "{a: 1, }", "[a, ]", "[,]", "[a, , b]",
    "{a}", "{a, b: c}", "[a: b, c]", "a: [\n  b\n]", "a: [\nb\n]", "\ta: 1", "a:\n\tb: 1", "a:\t1", "a: \tb", "- \ta", "-\ta", "-a", "- - a\n  - b", "a: - b", "'a''b'",
    "\"a\\\n  b\"", "\"\\q\"", "\"\\x4\"", "'a\n\n  b'", "a\n b\n  c", "a: 'x\ny'", "a: b\n c: d", "a: *", "a: &", "a: @x", "a: `x", "a: %x", "a: x%y", "a: !x", "a: |x", "a: >2\n    x\n", "a: |2\n   x\n",
    "a: ?x", "a: -x", "a: :x", "a: ?", "a: -", "?", ":", "-", "? a", ": a", "{? a : b}", "{?a: b}", "[?a]", "[-a]", "{a: }", "{: a}", "[a\n]: b", "a: b:", "a::b", "a:: b", "\ufeffa: 1", "a: \ufeffb", "a\u0085b", "a: \"\u2028\"",
    "é: ü", "a: \x07", "a: \x7f", "a: 😀", "key with spaces: v", "x: 'tab\there'", "a: 1 # x\n#y\nb: 2", "a:\n  b:\n  c: 1", "a:\n b: 1\n  c: 2", "a:\n  b: 1\n c: 2", "- a\nb: c", "a: b\n- c",
    "interfaces:\n- Ethernet1: spine1:Ethernet1\n- any: regex('sp:x'):any", "x: regex('a\\d+')", "x: \"regex('a\\\\d+')\"", "a: 'x' y", "a: [x] y", "a: 1\n...\nb: 2", "a: 1\n---\n", "...", "---", "--- |\n x", "--- # c\na: 1",
]
SCALARS = """yes Yes YES yEs no on off On OFF true TRUE tRue false y n Y N null Null NULL nULL ~ ~~ 0 00 01 010 0o10 08 09 -0 +0 -010 0b1 0b 0b_ 0b12 0x 0xF 0xg 0x_ -0x1f +0b11 1_000 _1 1_ 1__0 0_
1:30 1:60 1:5:9 01:30 0:30 -1:30 1:30:00 12:30:45 1:3_0 190:20:30.15 1:30. 1:30.5 01:30.5 190:20:30 1. .5 -.5 +.5 1.5 1e5 1.e5 1.0e5 1.0e+5 1.5E-3 .5e+2 .e+2 1_0.5_0 1..2 .inf -.inf +.Inf .INF .nan .NaN -.nan .Nan . .. - + -- +1 1+ 1-
2001-01-01 2001-1-1 2001-13-01 2001-02-29 2000-02-29 0000-01-01 2001-01-01T10:20:30 2001-1-1t1:02:03 '2001-01-01 10:20:30.1' 2001-01-01T10:20:30Z 2001-01-01T10:20:30.123456789Z 2001-01-01T10:20:30+5 2001-01-01T10:20:30+05:30
2001-01-01T10:20:30-25:00 2001-01-01T24:00:00 2001-01-01T10:20 2001-01-01T10:20:30-00:00 2001-12-14t21:59:43.10-05:00 2001-01-01T10:20:30+24 20010101 1e400 1.0e+400 123456789012345678901234567890 9223372036854775808 18446744073709551616 -9223372036854775809
<< = <<= == 00:1c:73:aa:bb:cc 001c73aabbcc 001122334455 10.0.0.1 10.0.0.1/24 1.2.3 4.14.5F 1,2 1/2 0.1 0.30 1e-7 123e4 Ethernet1-2,4 $x ${x} %x a%b""".split()
PIECES = ["a", "b", "key", "1", "yes", " ", "  ", "\n", "\n  ", "\n- ", "\n    ", ": ", ":", "- ", "-", "? ", "?", ", ", ",", "[", "]", "{", "}", "'", '"', "#", " #", "&x ", "*x", "!!str ", "!", "|", ">", "|\n", "%", "@", "\t", "---\n", "...\n", "<<: ", "=", "\\", "~", "é", "\u2028", "x: 1\n", "- y\n", "{a: 1}", "[1, 2]", "'q'", '"d"', "&x {a: 1}"]


class Refused(Exception):
    pass


def iso(value):
    """Values in the form of our parser: dates as ISO strings. Values that JSON cannot express are errors."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {iso(key) if isinstance(key, datetime.date) else key: iso(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [iso(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -2**63 <= value < 2**64:
        raise Refused("too large")
    return value


def pyyaml(text):
    try:
        return json.dumps(iso(yaml.load(text, Loader=yaml.SafeLoader)), allow_nan=False)
    except RecursionError:
        return None
    except Exception:  # Any exception means that ztpserver rejects the file.
        return None


def random_scalar(rng):
    if rng.random() < 0.3:
        return rng.choice(SCALARS)
    alphabet = rng.choice(["0123456789:", "01_.", "0123456789-: TZ+.", "0x1aF_", "0b01_", "+-.0e1E", "yesnofftru", "<=~"])
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 12)))


def random_object(rng, depth):
    kind = rng.random()
    if depth == 0 or kind < 0.45:
        return rng.choice([None, True, False, rng.randint(-100, 10**6), rng.random() * 10 ** rng.randint(-8, 20), rng.choice(SCALARS), "two words", "x: y", "multi\nline\n", " lead", "#c", "ü", "", "'q\"", datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, rng.randint(0, 999999))])
    if kind < 0.7:
        return [random_object(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {rng.choice([rng.choice(SCALARS), "k%d" % rng.randint(0, 9), rng.randint(0, 20), True, None, 1.5]): random_object(rng, depth - 1) for _ in range(rng.randint(0, 4))}


def random_text(rng):
    kind = rng.random()
    if kind < 0.3:
        return "k: " + random_scalar(rng)
    if kind < 0.35:
        return random_scalar(rng) + ": v"
    if kind < 0.6:
        return yaml.safe_dump(random_object(rng, 4), default_flow_style=rng.choice([True, False, None]), default_style=rng.choice([None, None, "'", '"', "|", ">"]), width=rng.choice([20, 80]), indent=rng.choice([2, 4]), allow_unicode=rng.random() < 0.5)
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    written = WRITTEN + ["k: " + scalar for scalar in SCALARS] + [scalar + ": v" for scalar in SCALARS] + ["[" + scalar + "]" for scalar in SCALARS]
    texts = written + [random_text(rng) for _ in range(args.count)]
    counts = collections.Counter()
    failures = 0
    for index, (text, ours) in enumerate(zip(texts, call([{"op": "yaml", "text": text} for text in texts]))):
        theirs = pyyaml(text)
        mine = json.dumps(ours["json"]) if "json" in ours else None
        if mine == theirs or (None not in (mine, theirs) and ordered(mine) == ordered(theirs)):
            outcome = "equal" if mine is not None else "both reject"
        elif mine is None:
            outcome = "only we reject, a fixed text" if index < len(written) else "only we reject"
        elif theirs is not None:
            outcome = "different values"
        else:
            # Unlike PyYAML's scanner, libyaml accepts a tab as white space, and a comment directly after the | of a text.
            known = ", for a tab" if "\t" in text else ", for |#" if re.search("[|>][-+0-9]*#", text) else ""
            outcome = "only PyYAML rejects" + known
        counts[outcome] += 1
        bad = outcome in ("only we reject, a fixed text", "only PyYAML rejects", "different values")
        failures += bad
        if (bad or outcome == "only we reject") and counts[outcome] <= args.show:
            print(f"{outcome}: {text!r}\n  ours   {ours}\n  PyYAML {theirs}")
    print(f"{len(texts)} texts:", ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common()))
    return 1 if failures else 0


def ordered(text):
    return json.loads(text, object_pairs_hook=lambda pairs: ("mapping", list(dict(pairs).items())))


if __name__ == "__main__":
    sys.exit(main())
