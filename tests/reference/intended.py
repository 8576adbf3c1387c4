"""ztpserver 2.1.0's matching with our intended differences, each of which can be enabled by itself.

RULES describes them. A difference between ztpserver and us is explained only if ztpserver has our result with one or a few
of these rules enabled.
"""

import contextlib
import logging
import re

import yaml
from ztpserver import topology, validators
from ztpserver.config import runtime

logging.disable(logging.CRITICAL)

RULES = {
    "neighbors": "every LLDP neighbor on a port counts, not only the first",
    "negatives": "any: DEVICE:none, INTERFACES: any:none and INTERFACES: DEVICE:none can be satisfied",
    "always": "a line that forbids also applies to an interface that an earlier line has used",
    "config-handler": "config-handler is accepted",
    "written": "a number as a name is its source text",
    "mac": "with systemmac, the MAC address of node: is compared without :, . and -, in lower case",
    "no-model": "a node without a model does not match a model, and is not an error",
    "vendor": "the vendor before a model, as show version prints it, is ignored",
    "keywords": "any and none are whole words, so that a device may be called anycast1",
    "blanks": "a call of a function in a variable may contain spaces",
    "management-0": "Management0 is an interface",
    "around": "spaces around a serial number are removed",
    "variables": "an empty 'variables' or 'patterns' is the same as a missing one, and the value of a variable is checked like a name in its place",
}

_active = set()

_match = topology.InterfacePattern.match
_is_positive = topology.InterfacePattern.is_positive_constraint
_match_node = topology.Pattern.match_node
_substitution = topology.Pattern.variable_substitution


def match(self, interface, neighbors):
    if "neighbors" not in _active:
        return _match(self, interface, neighbors)
    results = [self.match_neighbor(interface, neighbor) for neighbor in neighbors]
    return False if False in results else True if True in results else None


def is_positive_constraint(self):
    return _is_positive(self) and not ("negatives" in _active and self.remote_interface == "none")


def match_node(self, node):
    if "vendor" in _active and str(self.model).startswith("Arista "):
        self.model = self.model[len("Arista "):]
    if self.model and node.model is None and "no-model" in _active:
        return False
    if "always" in _active:
        for interface, neighbors in node.neighbors.items():
            for entry in self.interfaces:
                for line in entry["patterns"]:
                    lonely = (line.interface, line.remote_device, line.remote_interface) == ("none", "none", "none")
                    if not lonely and not line.is_positive_constraint() and line.match(interface, neighbors) is False:
                        return False
    return _match_node(self, node)


def variable_substitution(self):
    _substitution(self)
    if "variables" in _active:
        for entry in self.interfaces:
            for line in entry["patterns"]:
                validators.InterfacePatternValidator(None)._validate_pattern(line.interface, line.remote_device, line.remote_interface)


topology.InterfacePattern.match = match
topology.InterfacePattern.is_positive_constraint = is_positive_constraint
topology.Pattern.match_node = match_node
topology.Pattern.variable_substitution = variable_substitution

_CALL = topology.FUNC_RE
_KEYWORDS = (validators.KW_ANY_RE, validators.KW_NONE_RE, list(validators.INVALID_INTERFACE_PATTERNS), list(validators.OPTIONAL_PATTERN_ATTRIBUTES))


@contextlib.contextmanager
def rules(active):
    """ztpserver with these rules."""
    _active.clear()
    _active.update(active)
    any_re, none_re, invalid, optional = _KEYWORDS
    if "keywords" in active:
        whole = {any_re: re.compile("any$"), none_re: re.compile("none$")}
        validators.KW_ANY_RE, validators.KW_NONE_RE = whole[any_re], whole[none_re]
        validators.INVALID_INTERFACE_PATTERNS[:] = [tuple(whole.get(part, part) for part in line) for line in invalid]
    if "blanks" in active:
        topology.FUNC_RE = re.compile("(?P<function>\\w+)\\(['\"](?P<arg>.+)['\"]\\)$")
    if "config-handler" in active:
        validators.OPTIONAL_PATTERN_ATTRIBUTES.append("config-handler")
    try:
        yield
    finally:
        _active.clear()
        topology.FUNC_RE = _CALL
        validators.KW_ANY_RE, validators.KW_NONE_RE = any_re, none_re
        validators.INVALID_INTERFACE_PATTERNS[:] = invalid
        validators.OPTIONAL_PATTERN_ATTRIBUTES[:] = optional


class _AsWritten(yaml.SafeLoader):
    """Numbers keep their source text."""


_AsWritten.yaml_constructors = {
    **yaml.SafeLoader.yaml_constructors,
    "tag:yaml.org,2002:int": yaml.SafeLoader.construct_yaml_str,
    "tag:yaml.org,2002:float": yaml.SafeLoader.construct_yaml_str,
}


def normalized(mac):
    return re.sub("[:.-]", "", mac).lower()


def ordinary(text):
    """The same text with a number that ztpserver accepts instead of that of Management0."""
    return text.replace("Management0", "Management98765")


def create_node(facts, active, identifier):
    facts = {key: value for key, value in facts.items() if key != "config"}
    facts["neighbors"] = {
        interface: [{"device": peer["device"], "port": peer.get("port", peer.get("remote_interface"))} for peer in peers]
        for interface, peers in (facts.get("neighbors") or {}).items()
    }
    if "management-0" in active:
        facts["neighbors"] = {ordinary(interface): peers for interface, peers in facts["neighbors"].items()}
    if "around" in active and isinstance(facts.get("serialnumber"), str):
        facts["serialnumber"] = facts["serialnumber"].strip()
    node = topology.create_node(facts)
    if "mac" in active and node.systemmac:
        node.systemmac = normalized(node.systemmac)
    return node


def select(neighbordb, identifier, facts, active=()):
    """ztpserver's result: ("match", name), ("refused",) or ("error",)."""
    runtime.set_value("identifier", identifier, "default")
    if "management-0" in active:
        neighbordb = ordinary(neighbordb)
    with rules(active):
        try:
            contents = yaml.load(neighbordb, Loader=_AsWritten if "written" in active else yaml.SafeLoader)
            if isinstance(contents, dict):
                patterns = contents.get("patterns") or []
                if "variables" in active:
                    if "patterns" in contents:
                        contents["patterns"] = patterns
                    for mapping in [contents, *patterns]:
                        if "variables" in mapping and mapping["variables"] is None:
                            mapping["variables"] = {}
                if "around" in active:
                    for pattern in patterns:
                        if isinstance(pattern.get("node"), str):
                            pattern["node"] = pattern["node"].strip()
                if "mac" in active and identifier == "systemmac":
                    for pattern in patterns:
                        if isinstance(pattern.get("node"), str):
                            pattern["node"] = normalized(pattern["node"])
            # With an empty one, ztpserver would read its file.
            loaded = topology.load_neighbordb("node", contents or {"patterns": []})
        except Exception:  # Any exception is 400 in ztpserver.
            loaded = None
        if loaded is None:
            return ("error",)
        try:
            matches = loaded.match_node(create_node(facts, active, identifier))
        except Exception:
            return ("error",)
        return ("match", str(matches[0].name)) if matches else ("refused",)


def check(pattern, facts, active=()):
    """ztpserver's result for a stored pattern."""
    runtime.set_value("identifier", "serialnumber", "default")
    if "management-0" in active:
        pattern = ordinary(pattern)
    with rules(active):
        try:
            loaded = topology.load_pattern(yaml.safe_load(pattern), node_id="node")
            return ("match",) if loaded.match_node(create_node(facts, active, "serialnumber")) else ("refused",)
        except Exception:
            return ("error",)
