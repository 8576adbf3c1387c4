// The wanted differences in which pattern a node is given; see differences.mjs.
//
// `without` takes the cause of a difference out of a pair: where that makes the two servers decide
// alike, the difference came from there.

import { same } from "./json.mjs";
import { TRAPS } from "./pairs.mjs";

const RECORDS = /\/(\.node|pattern|definition|config-handler)$/;

/** Whether an answer, or the record of a node, is there because only we accept a request, or is not because only we refuse it. */
export const isAccepted = ({ reference, worker }) => reference.status === 400 && [200, 201].includes(worker.status);
export const isRefused = ({ reference, worker }) => [200, 201].includes(reference.status) && worker.status === 400;
export const isProvisioned = ({ key, reference }) => reference === undefined && RECORDS.test(key);
export const isNotProvisioned = ({ key, worker }) => worker === undefined && RECORDS.test(key);

export const selection = [
  {
    id: "every-neighbor",
    text: "Every LLDP neighbour of a port counts: a line that wants one is met by any of them, a line that forbids one is broken by any; there only the first is looked at.",
    without: ({ neighbordb, facts }) => ({
      neighbordb,
      facts: { ...facts, neighbors: mapValues(facts.neighbors, (peers) => peers.slice(0, 1)) },
    }),
    answer: (finding) => isAccepted(finding) || isRefused(finding),
    stored: (finding) => isProvisioned(finding) || isNotProvisioned(finding),
  },
  {
    id: "forbidden-first",
    text: "A line that forbids a neighbour holds for every interface; there not for one that has met a line above it.",
    without: (pair) => withLines(pair, (lines) => [...lines.filter(forbids), ...lines.filter((line) => !forbids(line))]),
    answer: isRefused,
    stored: isNotProvisioned,
  },
  {
    id: "port-none",
    text: "A line for an interface or `any` whose port is `none` (`Ethernet1: any:none`, `any: spine1:none`) forbids the neighbour, as documented; there it does, and besides no node can meet it.",
    without: (pair) => withLines(pair, (lines) => lines.filter(({ local, device, port }) => local === "none" || device === "none" || port !== "none")),
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "keyword-prefix",
    text: "Only `any` and `none` are keywords; there a device or port whose name begins like one (`anycast1`) is refused where the keyword would be.",
    without: ({ neighbordb, facts }) => {
      const rename = (text) => text.replace(/\b(anycast1|nonesuch|anyport)\b/g, "x-$1");
      return { neighbordb: mapTexts(neighbordb, rename), facts: mapTexts(facts, rename) };
    },
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "management-0",
    text: "`Management0` is an interface, as a chassis and cEOS have it; there it makes neighbordb unusable.",
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "number-names",
    text: "A number as `node:`, `definition:`, `name:` or variable is the same as its text; there it fits no node, or stops all matching.",
    without: ({ neighbordb, facts }) => ({
      neighbordb: mapScalars(neighbordb, (value) => (typeof value === "number" ? String(value) : value === "self number" ? "self" : value)),
      facts,
    }),
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "no-model",
    text: "A node that did not say its model does not fit a `model:` pattern, and the next one is tried; there it is 400.",
    without: ({ neighbordb, facts }) => ({ neighbordb, facts: { ...facts, model: facts.model ?? "-" } }),
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "config-handler",
    text: "`config-handler` works in neighbordb, and the script is stored with the node; there the key is refused.",
    without: ({ neighbordb, facts }) => ({
      neighbordb: { ...neighbordb, patterns: neighbordb.patterns.map(({ "config-handler": _, ...others }) => others) },
      facts,
    }),
    answer: isAccepted,
    stored: isProvisioned,
  },
  {
    id: "checked-neighbordb",
    text: "What could never be met as it is meant makes neighbordb unusable, and the answer says why and where: a call without quotes or with something behind it, a bad regular expression, a peer with two `:`, a boolean or an unknown key as peer, a keyword in a variable where it makes a line that cannot be met; there it is taken as text, cut off, or found out when it is used.",
    without: (pair) => withLines(pair, (lines) => lines.filter((line) => !isTrap(line))),
    answer: isRefused,
    stored: isNotProvisioned,
  },
  {
    id: "usable-patterns",
    text: "A `node:` or `model:` pattern without interfaces accepts any node, also on GET /nodes/{id}, and so does a `node:` pattern with interfaces that fit; there their stored pattern is refused as invalid, so that GET is always 400.",
    /** Whether it is this that makes GET differ, where both gave the node the same pattern. */
    onGet: (pattern) => pattern.node !== undefined || (pattern.interfaces ?? []).length === 0,
    answer: isAccepted,
  },
];

const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

function mapScalars(value, change) {
  if (Array.isArray(value)) return value.map((item) => mapScalars(item, change));
  if (value !== null && typeof value === "object") return mapValues(value, (inner) => mapScalars(inner, change));
  return change(value);
}

const mapTexts = (value, change) => mapScalars(value, (scalar) => (typeof scalar === "string" ? change(scalar) : scalar));

/** The pair with other lines: `change` gets those of a pattern as `{local, device, port}`, variables put in. */
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

/** Whether a line is one that at most one of the two refuses: a trap, or one that could never be met. */
function isTrap({ local, device, port }) {
  if (device === undefined || TRAPS.local.includes(local) || [device, port].includes("regex('('")) return true;
  if (local === "any") return device === "none" || (device === "any" && port === "none");
  if (isLonely({ local, device, port })) return false;
  return local === "none" && (device === "none" || (device === "any" && ["any", "none"].includes(port)));
}

/** Whether a line says that no other interface has a neighbour. */
const isLonely = ({ local, device, port }) => local === "none" && device === "none" && port === "none";

/** Whether a line forbids something whatever stands above it, as ztpserver's documentation lists the forms. */
function forbids({ local, device, port }) {
  return !isLonely({ local, device, port }) && (local === "none" || device === "none" || port === "none");
}
