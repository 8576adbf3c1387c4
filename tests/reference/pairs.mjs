// Random pairs of a neighbordb and a node, from a fixed seed.
//
// A pair is plain data, so that the cause of a difference can be removed from it: see
// differences_selection.mjs. `node: "self"` is the id of the node, `"self number"` the id as a number.

const DEVICES = ["spine1", "spine2", "leaf1", "core1", "anycast1", "nonesuch"];
const PORTS = ["Ethernet1", "Ethernet2", "Ethernet3/1", "anyport", "17"];
const SEEN = ["Ethernet1", "Ethernet2", "Ethernet3", "Ethernet4/1", "Ethernet5/35/1", "Management1", "Port-Channel1"];
const LOCAL = [
  "Ethernet1", "ethernet2", "eth1", "et3", "E2", "Ethernet5/35/1", "Management1", "ma1", "m1", "Ethernet1-2", "et1-et3", "Ethernet1,3", "Ethernet1-2,3",
  "Ethernet4/1", "Ethernet4/1-2", "e1, e2", "Ethernet1,Management1", "any", "any", "any", "none", "none",
];
const DEVICE_FUNCTIONS = [
  "exact('spine1')", "regex('spine')", "regex('spine\\d$')", "regex('.*1')", "regex('pine')", "regex('^(?!spine)')", "regex('(?i)SPINE[12]')",
  "regex(\"(leaf|core)\\d+\\Z\")", "includes('pine')", "includes('1')", "excludes('spine')", 'excludes("1")',
];
const PORT_FUNCTIONS = ["exact('Ethernet1')", "regex('Ethernet\\d$')", "regex('.*1$')", "includes('/')", "excludes('Ethernet1')", "regex('\\d+')"];
const MODELS = ["DCS-7050", "DCS-7050.*-64", ".*TX", "7050", "(?i)dcs", "DCS-(7280|7050)[A-Z]+", "vEOS$"];
const SEEN_MODELS = ["DCS-7050TX-64", "DCS-7280SE-72", "vEOS", "DCS-7050QX-32S"];

/** Values that at least one of the servers rejects. */
export const TRAPS = {
  local: ["1", "Ethernet0", "Vlan1", "Ethernet2-1", "Ethernet1-2-3", "Ethernet1-Management2", "Ethernet1/3-2/4", "Ethernet01", ""],
  peer: ["a:b:c", "regex('x", "regex(x)", "regexp('x')", "regex('(')", "regex('a')b", "two words", "", ":x", "$undefined", 5, true, null, { port: "x" }, { device: "x", prot: "y" }],
};

/** `count` pairs, the same for the same seed. */
export function pairs(count, seed) {
  const random = generator(seed);
  return Array.from({ length: count }, () => pair(random));
}

/** Random choices from numbers from 0 up to 1 (mulberry32). */
function generator(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit) => Math.floor(next() * limit);
  return {
    chance: (probability) => next() < probability,
    below,
    one: (list) => list[below(list.length)],
    some: (list, count) => list.map((item) => [next(), item]).sort(([a], [b]) => a - b).slice(0, count).map(([, item]) => item),
  };
}

function pair(random) {
  const seen = random.some(SEEN, random.one([0, 1, 2, 2, 3, 4]));
  const neighbors = Object.fromEntries(
    seen.map((interface_) => [
      interface_,
      Array.from({ length: random.one([0, 1, 1, 1, 1, 1, 1, 2, 3]) }, () => ({ device: random.one(DEVICES), port: random.one(PORTS) })),
    ]),
  );
  const facts = { model: random.one(SEEN_MODELS), systemmac: "00:1c:73:01:02:03", version: "4.28.0F", neighbors };
  if (random.chance(0.03)) delete facts.model;

  const neighbordb = { patterns: Array.from({ length: random.one([1, 2, 3, 4]) }, (_, index) => pattern(random, `p${index}`, facts)) };
  if (random.chance(0.8)) {
    neighbordb.variables = {
      device: random.one(["spine1", "leaf1", "regex('spine\\d')", "excludes('core')", "any"]),
      port: random.one(["Ethernet1", "regex('Ethernet')", "any"]),
      unused: "x",
    };
    if (random.chance(0.05)) neighbordb.variables.device = random.one(["none", 7, "regex('('"]);
    if (random.chance(0.02)) neighbordb.variables.any = "x";
  }
  return { neighbordb, facts };
}

function pattern(random, name, facts) {
  const pattern = { name, definition: "leaf" };
  const kind = random.below(100);
  if (kind < 12) pattern.node = random.one(["self", "self", "self number", "other"]);
  else if (kind < 25) pattern.model = random.one(MODELS);
  if (kind >= 6 && !(kind >= 12 && kind < 16)) {
    pattern.interfaces = Array.from({ length: random.one([0, 1, 1, 1, 2, 2, 3, 4]) }, () => line(random, facts));
  }
  if (random.chance(0.15)) pattern.variables = { device: random.one(["spine1", "leaf1", "regex('.')"]), own: random.one(DEVICES) };
  if (random.chance(0.03)) {
    Object.assign(pattern, random.one([{ "config-handler": "save" }, { color: "red" }, { definition: "absent" }, { definition: "a b" }, { name: 7 }, { node: "self", model: "x" }]));
  }
  return pattern;
}

/** One line of `interfaces`, in most cases one that the node can satisfy. */
function line(random, facts) {
  if (random.chance(0.02)) return { [random.one(TRAPS.local)]: random.one(DEVICES) };
  if (random.chance(0.06)) return { none: random.one(["none", "none:none", { device: "none", port: "none" }]) };
  const seen = Object.entries(facts.neighbors).filter(([, peers]) => peers.length > 0);
  if (seen.length > 0 && random.chance(0.6)) {
    const [interface_, peers] = random.one(seen);
    const peer = random.one(peers);
    const local = random.chance(0.3) || interface_.startsWith("Port") ? "any" : interface_;
    return { [local]: written(random, random.one([peer.device, peer.device, device(random)]), random.one([peer.port, "any", "any"])) };
  }
  const local = random.one(LOCAL);
  if (random.chance(0.03)) return { [local]: random.one(TRAPS.peer) };
  return { [local]: written(random, device(random), random.one([random.one(PORTS), random.one(PORT_FUNCTIONS), "$port", "any", "any", "none"])) };
}

function device(random) {
  return random.one([random.one(DEVICES), random.one(DEVICES), random.one(DEVICE_FUNCTIONS), random.one(DEVICE_FUNCTIONS), "$device", "any", "none"]);
}

/** A peer in one of its notations. */
function written(random, device, port) {
  const forms = [{ device, port }];
  if (port === "any") forms.push({ device });
  if (port === "any" && device !== "none") forms.push(device);
  if (port === "none" && device === "none") forms.push("none");
  if (!`${device}${port}`.includes(":")) forms.push(`${device}:${port}`);
  return random.one(forms);
}
