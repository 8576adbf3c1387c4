// The switches of the site: their facts, the readings of their LLDP over time, and their power cuts. All
// of it follows from the seed.

import { generator } from "../security/random.mjs";
import { NEW_VERSION, ROLES } from "./content.mjs";

/** The number of switches of each role, of a hundred. */
const SHARES = { leaf: 40, spine: 9, access: 15, border: 8, own: 6, registered: 10, always: 9, stranger: 3 };
const OLD_VERSION = "4.30.1F";
/** One switch in so many loses power. Two cuts in five hit a process, since those have a real flash. */
const CUT_OF = 20;
const CUT_PROCESSES_OF_FIVE = 2;
/** One switch in so many has a reservation in the pool. */
const RESERVED_OF = 8;
/** One leaf or access switch in so many has servers, which do not speak LLDP, on this many ports. */
const [SERVED_OF, SERVERS] = [3, 24];
/** Seconds within which each neighbor announces itself once its link is up. */
const LLDP_INTERVAL = 30;

/**
 * `count` switches, `processes` of which are played by the real client.
 *
 * A switch has `serial`, `systemmac`, `model`, `version`, `role`, `hostname` and the values of its
 * attributes; `reserved`, its address, if the pool has a reservation; `lldp`, its readings over time, each
 * with the ports that are `connected` besides Management;
 * `isProcess`; `cutAt`, the share of its boot (0 to 1) after which it loses power, if it does; and `random`,
 * a number for all that is drawn later.
 */
export function makeSwitches(count, processes, seed) {
  const random = generator(seed);
  const shuffled = (list) => {
    for (let at = list.length - 1; at > 0; at -= 1) {
      const other = random.below(at + 1);
      [list[at], list[other]] = [list[other], list[at]];
    }
    return list;
  };
  /** A value for each switch: `make(position)`, the positions in random order. */
  const deal = (make) => shuffled(Array.from({ length: count }, (_, at) => make(at)));

  const roles = deal((at) => roleAt(((at + 0.5) * 100) / count));
  const isProcess = deal((at) => at < processes);
  const isLate = deal((at) => at < count / 2);
  const cuts = Math.ceil(count / CUT_OF);
  const cutProcesses = Math.max(cuts - (count - processes), Math.min(processes, Math.ceil((cuts * CUT_PROCESSES_OF_FIVE) / 5)));
  const byKind = { true: cutProcesses, false: cuts - cutProcesses };
  const isCut = roles.map(() => false);
  for (const at of shuffled(roles.map((_, at) => at))) {
    isCut[at] = byKind[isProcess[at]] > 0;
    byKind[isProcess[at]] -= 1;
  }
  return roles.map((role, at) => {
    const number = at + 1;
    const made = {
      serial: `JPE26${String(number).padStart(5, "0")}`,
      systemmac: `00:1c:73:${[number >> 8, number & 255, 0].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`,
      model: role === "access" ? "DCS-7010TX-48-F" : "DCS-7050TX-64-R",
      version: random.chance(0.5) ? OLD_VERSION : NEW_VERSION,
      role,
      hostname: role === "stranger" ? "quarantine" : `${role}${number}`,
      asn: 4_200_000_000 + number,
      router: `10.255.${number >> 8}.${number & 255}`,
      isProcess: isProcess[at],
      isLate: isLate[at],
      cutAt: isCut[at] ? random.below(1000) / 1000 : undefined,
      random: random.below(0x7fffffff),
    };
    if (ROLES[role].templates && number % RESERVED_OF === 0) made.reserved = `10.21.${number >> 8}.${number & 255}/22`;
    const seen = neighborsOf(role, number);
    made.lldp = isLate[at] ? lateReadings(role, seen, random) : [{ after: 0, neighbors: seen }];
    for (const reading of made.lldp) {
      // The second link of a border switch comes up late, with its neighbor; all others are up at the power-on.
      const links = Object.keys(role === "border" ? reading.neighbors : seen).filter((port) => port !== "Management1");
      const hasServers = ["leaf", "access"].includes(role) && number % SERVED_OF === 0;
      const servers = Array.from({ length: hasServers ? SERVERS : 0 }, (_, at) => `Ethernet${at + 1}`);
      reading.connected = [...links, ...servers];
    }
    return made;
  });
}

function roleAt(share) {
  let sum = 0;
  for (const [role, size] of Object.entries(SHARES)) {
    sum += size;
    if (share < sum) return role;
  }
  return "leaf";
}

/** The neighbors of a switch once each has announced itself: { port: { device, port } }. */
function neighborsOf(role, number) {
  const oob = { Management1: { device: `oob${1 + (number % 9)}`, port: `Ethernet${1 + (number % 48)}` } };
  const far = `Ethernet${1 + (number % 32)}`;
  switch (role) {
    case "spine":
      return { ...oob, Ethernet1: { device: "leaf1", port: "Ethernet49" }, Ethernet2: { device: "leaf2", port: "Ethernet49" } };
    case "access":
      return { ...oob, Ethernet51: { device: "berlin-agg1", port: far } };
    case "border":
      return { ...oob, Ethernet1: { device: "core1", port: far }, Ethernet2: { device: "core2", port: far } };
    case "stranger":
      return oob;
    default:
      return { ...oob, Ethernet49: { device: "spine1", port: far }, Ethernet50: { device: "spine2", port: far } };
  }
}

/**
 * The readings of a switch whose neighbors announce themselves late: `after` is in seconds from the
 * power-on, `neighbors` are all that LLDP shows from then on.
 */
function lateReadings(role, seen, random) {
  const ports = Object.keys(seen);
  const readings = [{ after: 0, neighbors: {} }];
  const show = (after, ...shown) => readings.push({ after, neighbors: Object.fromEntries(shown.map((port) => [port, seen[port]])) });
  if (role === "border") {
    // Its second link comes up long after the first: its `node:` pattern refuses it until then.
    show(1 + random.below(3), "Management1");
    const first = 12 + random.below(20);
    show(first, "Management1", "Ethernet1");
    show(first + 8 + random.below(30), ...ports);
    return readings;
  }
  if (role !== "stranger" && random.chance(0.5)) return managementFirst(seen, random);
  // Nothing at all, then the management network, and the others at independent moments.
  const { Management1, ...uplinks } = seen;
  const moments = momentsOf(uplinks, random);
  show(Math.min(LLDP_INTERVAL, ...moments.map(({ after }) => after)), "Management1");
  return [...readings, ...arrivals({ Management1 }, moments, seen)];
}

/** Readings with the management network at once, then an uplink by its MAC address, then all by name. */
function managementFirst({ Management1, ...uplinks }, random) {
  const moments = momentsOf(uplinks, random);
  const [{ port, after }] = moments;
  const unnamed = { device: "001c.73aa.0001", port: "001c.73aa.0001" };
  const readings = [{ after: 0, neighbors: { Management1 } }];
  readings.push({ after: after * 0.6, neighbors: { Management1, [port]: unnamed } });
  return [...readings, ...arrivals({ Management1 }, moments, uplinks)];
}

/** When each neighbor announces itself, independent of the others: the earliest first. */
function momentsOf(neighbors, random) {
  const moments = Object.keys(neighbors).map((port) => ({ port, after: 2 + random.below((LLDP_INTERVAL - 2) * 10) / 10 }));
  return moments.sort((one, other) => one.after - other.after);
}

/** The readings in which these neighbors come in addition to `others`. */
function arrivals(others, moments, neighbors) {
  return moments.map(({ after }, at) => {
    const shown = moments.slice(0, at + 1).map(({ port }) => [port, neighbors[port]]);
    return { after, neighbors: { ...others, ...Object.fromEntries(shown) } };
  });
}

/** The entry of `lldp` that counts `seconds` after the power-on. */
export function readingAt({ lldp }, seconds) {
  return lldp.findLast(({ after }) => after <= seconds);
}
