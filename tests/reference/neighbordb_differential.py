"""Compares our matching with ztpserver 2.1.0's, on the fixtures and on generated pairs of a neighbordb and a node.

    python tests/reference/neighbordb_differential.py [--count N] [--seed S] [--show N]

Needs a Python with ztpserver==2.1.0. The script calls ztpserver's load_neighbordb and match_node, without a server. It
fails unless the intended differences (intended.py) explain every difference, or we reject the file with a reason in STRICTER.
ztpserver also checks each pattern that we store, with the same result as ours.
"""

import argparse
import collections
import itertools
import pathlib
import random
import re
import sys

import yaml

import intended
from domain_cases import ROOT, call

# Patterns that never match in ztpserver, or match by accident, and that we reject.
STRICTER = {
    "is not a valid call|calls an unknown function": "an invalid call of a function; in ztpserver an exact name",
    "more than one ':'": "a peer with more than one ':'; ztpserver cuts it off",
    "is another variable": "a variable with another variable as its value",
    "has no kind": "an interface without a kind; in ztpserver 'None1'",
    "the keys of a peer": "an unknown key of a peer; ztpserver ignores it",
    "must be a string": "null, a boolean or a mapping as a name; in ztpserver its Python text",
    "cannot be used as a regular expression": "an invalid or unsupported regular expression; ztpserver reports it only when it uses it",
    "is empty; give it a value": "an empty model; in ztpserver it matches any node",
    "the list has more than": "a range with too many interfaces",
    "must be a MAC address": "a node: that is not a MAC address",
}

DEVICES = ["spine1", "spine2", "leaf1", "core1", "anycast1", "nonesuch"]
PORTS = ["Ethernet1", "Ethernet2", "Ethernet3/1", "anyport"]
LOCAL = ["Ethernet1", "Ethernet2", "Ethernet3", "Management1"]
FUNCTIONS = ["regex('spine.*')", "regex('spine\\d$')", "regex('.*1')", "includes('pine')", "excludes('spine')", "exact('leaf1')", "regex('^(?:leaf|core)')", "regex(\"Ethernet[12]\")"]
LISTS = ["Ethernet1", "Ethernet2", "et1", "Ethernet1-2", "Ethernet1,3", "Ethernet1-3", "Ethernet1,Management1", "Management1", "any", "any", "any", "none", "none"]
TRAPS = ["1", "Ethernet0", "Vlan1", "Ethernet2-1"]
PEER_TRAPS = ["a:b:c", "regex('x", "regexp('x')", "regex(x)", "regex('(')", 5, True, {"device": 7}, {"device": "spine1", "prot": "Ethernet1"}, {"port": "Ethernet1"}, None, "two words", "", ":x", "$undefined"]


def random_name(rng, names, local="Ethernet1"):
    """A name, rarely a keyword that makes a line with `any` or `none` as its interface invalid."""
    kind = rng.random() * (0.8 if local in ("any", "none") and rng.random() < 0.9 else 1)
    if kind < 0.45:
        return rng.choice(names)
    if kind < 0.7:
        return rng.choice(FUNCTIONS)
    if kind < 0.8:
        return rng.choice(["$spine", "$port", "$own"])
    return rng.choice(["any", "none"])


def random_peer(rng, local):
    if rng.random() < 0.02:
        return rng.choice(PEER_TRAPS)
    if local == "none" and rng.random() < 0.4:
        return rng.choice(["none", "none:none", {"device": "none", "port": "none"}, "$own:none"])
    kind = rng.random()
    if kind < 0.2 and not (local in ("any", "none") and rng.random() < 0.9):
        return rng.choice(["any", "none"])
    device, port = random_name(rng, DEVICES, local), random_name(rng, PORTS, local)
    if kind < 0.45:
        return device
    if kind < 0.75:
        return {"device": device, "port": port} if rng.random() < 0.8 else {"device": device}
    return f"{device}:{port}"


def random_pattern(rng, index, ids):
    pattern = {"name": f"p{index}" if rng.random() < 0.95 else index, "definition": "leaf"}
    kind = rng.random()
    if kind < 0.15:
        pattern["node"] = rng.choice(ids)
    elif kind < 0.35:
        pattern["model"] = rng.choice(["DCS-7050.*", "vEOS", "(?i)veos", "DCS-(?!7280)"])
    if kind > 0.25 or rng.random() < 0.5:
        locals_ = [rng.choice(TRAPS) if rng.random() < 0.02 else rng.choice(LISTS) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))]
        pattern["interfaces"] = [{local: random_peer(rng, local)} for local in locals_]
    if rng.random() < 0.2:
        pattern["variables"] = rng.choice([{"own": "spine1"}, {"own": "regex('leaf')", "spine": "leaf1"}, {"own": "none"}, {"own": "$spine"}, {"own": 5}, None])
    if rng.random() < 0.04:
        pattern.update(rng.choice([{"config-handler": "h"}, {"config_handler": "h"}, {"unknown": 1}, {"definition": "a b"}, {"definition": 5}, {"name": None}, {"model": None}, {"interfaces": None}]))
    return pattern


def random_case(rng):
    identifier = rng.choice(["serialnumber", "serialnumber", "systemmac"])
    ids = ["SN1", "SN2", 1234] if identifier == "serialnumber" else ["001c731a2b3c", "00:1C:73:1a:2b:3c", "001c.731a.2b3d"]
    neighbordb = {"patterns": [random_pattern(rng, index, ids) for index in range(rng.randint(1, 4))]}
    if rng.random() < 0.8:
        neighbordb["variables"] = {"spine": rng.choice(["spine1", "regex('spine\\d')", "any"]), "port": "Ethernet1", "own": "core1"}
    elif rng.random() < 0.05:
        neighbordb["variables"] = rng.choice([None, ["spine"], {"any": "x"}])
    facts = {"serialnumber": rng.choice(["SN1", "SN2", "SN3", "1234"]), "systemmac": rng.choice(["001c731a2b3c", "00:1c:73:1A:2b:3d", "001c-731a-2b3f"]), "version": "4.30"}
    if rng.random() < 0.95:
        facts["model"] = rng.choice(["DCS-7050S-64", "DCS-7280SE", "vEOS"])
    seen = rng.sample(LOCAL + ["Port-Channel1"], rng.randint(0, 4))
    facts["neighbors"] = {
        interface: [{"device": rng.choice(DEVICES), rng.choice(["port", "remote_interface"]): rng.choice(PORTS)} for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 3]))]
        for interface in seen
    }
    return yaml.safe_dump(neighbordb, sort_keys=False), identifier, facts


def fixtures():
    for path in sorted(pathlib.Path(ROOT, "tests", "fixtures", "neighbordb").glob("*.yaml")):
        if path.stem == "regex-undecided":
            continue  # In Python the search would not end.
        fixture = yaml.safe_load(path.read_text(encoding="utf-8"))
        for node in fixture.get("nodes") or [{"sees": {}}]:
            peers = lambda seen: [dict(zip(("device", "port"), peer.split(":", 1))) for peer in seen]
            facts = {"neighbors": {interface: peers(seen) for interface, seen in (node.get("sees") or {}).items()}}
            facts.update({key: node[key] for key in ("serialnumber", "systemmac", "model") if key in node})
            yield fixture["neighbordb"], fixture.get("identifier", "serialnumber"), {"serialnumber": "SN1", "systemmac": "001c731a2b3c", **facts}


def classify(case, mine, reason):
    """The rules with which ztpserver has our result; None if there are none."""
    if intended.select(*case) == mine:
        return ()
    names = list(intended.RULES)
    subsets = itertools.chain(*(itertools.combinations(names, size) for size in (1, 2, 3)), [names])
    found = next((subset for subset in subsets if intended.select(*case, active=subset) == mine), None)
    if found is None and mine == ("error",):
        return next(((text,) for pattern, text in STRICTER.items() if re.search(pattern, reason)), None)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    cases = list(fixtures())
    written = len(cases)
    cases += [random_case(rng) for _ in range(args.count)]
    request = lambda op, case: {"op": op, "neighbordb": case[0], "identifier": case[1], "node": case[2]}
    results = call([request("match", case) for case in cases])
    outcomes, rules, failures, matched = collections.Counter(), collections.Counter(), 0, []
    for case, result in zip(cases, results):
        mine = ("match", result["match"]) if "match" in result else ("refused",) if "refused" in result else ("error",)
        outcomes[mine[0]] += 1
        reason = result.get("error", "")
        found = classify(case, mine, reason)
        if mine[0] == "match":
            matched.append(case)
        if found is None:
            failures += 1
            if failures <= args.show:
                print(f"UNEXPLAINED: ours {result}\n  ztpserver {intended.select(*case)}, with all rules {intended.select(*case, active=list(intended.RULES))}\n{case[1]} {case[2]}\n{case[0]}")
        else:
            rules[" + ".join(found) if found else "equal"] += 1

    # ztpserver checks each stored pattern for the node that matched and for another one.
    stored = call([request("store", case) for case in matched])
    checks = [(result["pattern"], facts) for case, result in zip(matched, stored) for facts in (case[2], random_case(rng)[2])]
    for (pattern, facts), result in zip(checks, call([{"op": "check", "pattern": pattern, "node": facts} for pattern, facts in checks])):
        mine = ("match",) if "match" in result else ("refused",) if "refused" in result else ("error",)
        theirs = intended.check(pattern, facts, active=list(intended.RULES))
        if mine != theirs:
            failures += 1
            if failures <= args.show:
                print(f"STORED: ours {result}\n  ztpserver {theirs}\n{facts}\n{pattern}")

    print(f"{written} nodes of fixtures and {args.count} generated pairs, our results: {dict(outcomes)}")
    for rule, count in rules.most_common():
        print(f"  {count:6} {rule}")
    print(f"  {len(checks):6} stored patterns checked by ztpserver")
    print(f"{failures} unexplained differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
