// The intended differences in the selection of a pattern; see differences.mjs.
//
// `without` removes the cause of a difference from a pair. If the two servers then select alike, this was the cause.

import { same } from "./json.mjs";
import { TRAPS } from "./pairs.mjs";

const RECORDS = /\/(\.node|pattern|definition|config-handler)$/;

/** Whether a response or a record differs because only the Worker accepts the request, or only ztpserver. */
export const isAccepted = ({ reference, worker }) => reference.status === 400 && [200, 201].includes(worker.status);
export const isRefused = ({ reference, worker }) => [200, 201].includes(reference.status) && worker.status === 400;
export const isProvisioned = ({ key, reference }) => reference === undefined && RECORDS.test(key);
export const isNotProvisioned = ({ key, worker }) => worker === undefined && RECORDS.test(key);

export const selection = [
  {
    id: "every-neighbor",
    text: "Every LLDP neighbor of a port counts: any of them can satisfy a line that requires one, or violate a line that forbids one; ztpserver checks only the first.",
    without: ({ neighbordb, facts }) => ({
      neighbordb,
      facts: { ...facts, neighbors: mapValues(facts.neighbors, (peers) => peers.slice(0, 1)) },
    }),
    response: (finding) => isAccepted(finding) || isRefused(finding),
    stored: (finding) => isProvisioned(finding) || isNotProvisioned(finding),
  },
  {
    id: "forbidden-first",
    text: "A line that forbids a neighbor applies to every interface; in ztpserver not to an interface that has satisfied an earlier line.",
    without: (pair) => withLines(pair, (lines) => [...lines.filter(forbids), ...lines.filter((line) => !forbids(line))]),
    response: isRefused,
    stored: isNotProvisioned,
  },
  {
    id: "port-none",
    text: "A line for an interface or `any` whose port is `none` (`Ethernet1: any:none`, `any: spine1:none`) forbids the neighbor, as documented; in ztpserver it also does, but no node can satisfy it.",
    without: (pair) => withLines(pair, (lines) => lines.filter(({ local, device, port }) => local === "none" || device === "none" || port !== "none")),
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "keyword-prefix",
    text: "Only `any` and `none` are keywords; ztpserver rejects a device or port whose name begins with one (`anycast1`) in the places where it rejects the keyword.",
    without: ({ neighbordb, facts }) => {
      const rename = (text) => text.replace(/\b(anycast1|nonesuch|anyport)\b/g, "x-$1");
      return { neighbordb: mapTexts(neighbordb, rename), facts: mapTexts(facts, rename) };
    },
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "management-0",
    text: "`Management0` is an interface, as on a chassis and cEOS; in ztpserver it makes neighbordb unusable.",
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "host-function",
    text: "`host('spine1')` matches a device in any case and with any domain; ztpserver has no such function, and no node matches.",
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "short-ports",
    text: "A port of a peer in the short form of EOS (`Et49/1`, `Ma0`, `Po1`) also matches the full name, which LLDP announces; in ztpserver it does not.",
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "model-vendor",
    text: "`Arista ` at the beginning of a `model:` is ignored, so the first line of `show version` can be copied; in ztpserver it is part of the expression, and no switch sends it.",
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "number-names",
    text: "A number as `node:`, `definition:`, `name:` or variable is used as its text; in ztpserver it matches no node, or stops all matching.",
    without: ({ neighbordb, facts }) => ({
      neighbordb: mapScalars(neighbordb, (value) => (typeof value === "number" ? String(value) : value === "self number" ? "self" : value)),
      facts,
    }),
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "no-model",
    text: "A node that sends no model does not match a `model:` pattern, and the next pattern is checked; in ztpserver it is 400.",
    without: ({ neighbordb, facts }) => ({ neighbordb, facts: { ...facts, model: facts.model ?? "-" } }),
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "config-handler",
    text: "`config-handler` works in neighbordb, and the script is stored with the node; ztpserver rejects the key.",
    without: ({ neighbordb, facts }) => ({
      neighbordb: { ...neighbordb, patterns: neighbordb.patterns.map(({ "config-handler": _, ...others }) => others) },
      facts,
    }),
    response: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "checked-neighbordb",
    text: "A condition that can never be met makes neighbordb unusable, and the response has the reason and the position: a call without quotes or with text after it, an invalid regular expression, a peer with two `:`, a boolean or an unknown key as peer, a keyword in a variable that makes a line impossible. ztpserver uses it as text, cuts it off, or fails when it uses it.",
    without: (pair) => withLines(pair, (lines) => lines.filter((line) => !isTrap(line))),
    response: isRefused,
    stored: isNotProvisioned,
  },
  {
    id: "usable-patterns",
    text: "A `node:` or `model:` pattern without interfaces, or a `node:` pattern with interfaces that match, accepts the node, also on GET /nodes/{id}; ztpserver rejects the stored pattern as invalid, so that GET is always 400.",
    /** Whether this is why GET differs, if both servers selected the same pattern. */
    onGet: (pattern) => pattern.node !== undefined || (pattern.interfaces ?? []).length === 0,
    response: isAccepted,
  },
];

const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

function mapScalars(value, change) {
  if (Array.isArray(value)) return value.map((item) => mapScalars(item, change));
  if (value !== null && typeof value === "object") return mapValues(value, (inner) => mapScalars(inner, change));
  return change(value);
}

const mapTexts = (value, change) => mapScalars(value, (scalar) => (typeof scalar === "string" ? change(scalar) : scalar));

/** The pair with changed lines: `change` receives those of a pattern as `{local, device, port}`, with variables replaced. */
function withLines({ neighbordb, facts }, change) {
  const patterns = neighbordb.patterns.map((pattern) => {
    if (pattern.interfaces === undefined) return pattern;
    const variables = { ...neighbordb.variables, ...pattern.variables };
    const lines = pattern.interfaces.flatMap((line) => Object.entries(line).map((entry) => readLine(entry, variables)));
    const changed = change(lines);
    if (same(changed, lines)) return pattern;
    const interfaces = changed.map(({ local, peer, device, port }) => ({ [local]: device === undefined ? peer : { device, port } }));
    return { ...pattern, interfaces };
  });
  return { neighbordb: { ...neighbordb, patterns }, facts };
}

function readLine([local, peer], variables) {
  if (isTrapPeer(peer)) return { local, peer };
  const put = (text) => (text.startsWith("$") ? String(variables[text.slice(1)] ?? text) : text);
  const [device, port] =
    typeof peer === "string" ? (peer.includes(":") ? peer.split(":") : [peer, peer === "none" ? "none" : "any"]) : [peer.device, peer.port ?? "any"];
  return { local, device: put(device), port: put(port) };
}

const isTrapPeer = (peer) => TRAPS.peer.some((trap) => JSON.stringify(trap) === JSON.stringify(peer));

/** Whether at most one of the two servers rejects a line: a trap, or a line that can never be satisfied. */
function isTrap({ local, device, port }) {
  if (device === undefined || TRAPS.local.includes(local) || [device, port].includes("regex('('")) return true;
  if (local === "any") return device === "none" || (device === "any" && port === "none");
  if (forbidsOthers({ local, device, port })) return false;
  return local === "none" && (device === "none" || (device === "any" && ["any", "none"].includes(port)));
}

/** Whether a line means that no other interface has a neighbor. */
const forbidsOthers = ({ local, device, port }) => local === "none" && device === "none" && port === "none";

/** Whether a line forbids a neighbor independently of earlier lines, by the list in ztpserver's documentation. */
function forbids({ local, device, port }) {
  return !forbidsOthers({ local, device, port }) && (local === "none" || device === "none" || port === "none");
}
