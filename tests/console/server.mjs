// A server with the API of the console and data that is made up: for development, and for what the Worker cannot be
// brought to in a test (5,000 nodes in a second, names of every kind in every field, a session that expires).
//
//   node tests/console/server.mjs       serves a site and a fleet on http://localhost:8799/admin#token=console

import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildConsole } from "../../scripts/console.mjs";
import { root } from "../../scripts/run.mjs";

export const TOKEN = "console";
const COOKIE = "__Host-ztp-session=open";
const ORDER = ["failed", "stalled", "waiting", "booting", "served", null, "booted", "backed-up"];
const iso = (at) => new Date(at).toISOString();
const sha1 = (value) => [...(Buffer.isBuffer(value) ? value.toString("latin1") : value)].reduce((hash, one) => (hash * 31 + one.codePointAt(0)) >>> 0, 7).toString(16).padStart(8, "0").repeat(5);

/** The headers of the console's files, as the Worker sends them. */
function consoleHeaders() {
  const source = readFileSync(join(root, "src/routes/console.rs"), "utf8");
  const policy = source.match(/"Content-Security-Policy",\s*"((?:[^"\\]|\\\s+)*)"/)[1].replace(/\\\s+/g, "");
  return { "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-cache" };
}

/** The state of everything that the API returns. */
export class World {
  constructor() {
    this.sites = new Map();
    this.nodes = new Map();
    this.audits = [];
    this.content = new Map();
    this.pools = new Map();
    this.check = null;
    this.number = 0;
    /** How the session's owner is called, and what it may do; null: the session has expired. */
    this.operator = { name: "admin token", role: "admin", sites: null, secrets: true, method: "cookie" };
    /** Answers of POST /admin/explain by node; else made from `patterns`. */
    this.patterns = [];
    this.requests = [];
    this.delayMs = 0;
  }

  site(name) {
    if (!this.sites.has(name)) this.sites.set(name, { events: [], last: null });
    return this.sites.get(name);
  }

  node(id, site = "default", others = {}) {
    if (!this.nodes.has(id)) {
      const row = { node: id, site: site === "default" ? null : site, state: null, step: null, since: null, last: null, started: null, ended: null, steps: [], model: null, version: null, definition: null, pattern: null, client: null, reason: null };
      this.nodes.set(id, { id, site, row, seen: null, facts: null, records: new Map(), events: [], versions: [], pools: [] });
      this.site(site);
    }
    const node = this.nodes.get(id);
    const { seen, records, ...fields } = others;
    Object.assign(node.row, fields);
    if (seen) node.seen = seen;
    for (const [name, text] of Object.entries(records ?? {})) node.records.set(name, text);
    return node;
  }

  /** An event of a node at a time, and what it does to the node's row. */
  event(id, event, at = Date.now()) {
    const node = this.nodes.get(id);
    const { row } = node;
    const site = this.site(node.site);
    this.number += 1;
    const recorded = { n: site.events.length + 1, time: iso(at), node: id, site: row.site, by: null, ...event };
    site.events.push(recorded);
    node.events.push(recorded);
    site.last = recorded.time;
    row.last = recorded.time;
    const become = (state, step = null) => {
      if (row.state !== state) row.since = recorded.time;
      Object.assign(row, { state, step, reason: ["failed", "waiting"].includes(state) ? (event.reason ?? row.reason) : null });
    };
    const step = (name) => {
      if (!["booting"].includes(row.state)) Object.assign(row, { started: recorded.time, ended: null, steps: [] });
      row.steps.push({ step: name, at: recorded.time });
      become("booting", name);
    };
    const end = (state) => {
      row.ended = recorded.time;
      become(state);
    };
    switch (event.event) {
      case "script-fetched":
        step("script");
        break;
      case "facts-posted":
      case "registered":
        step("facts");
        Object.assign(row, { definition: event.definition ?? row.definition, pattern: event.pattern ?? row.pattern });
        break;
      case "refused":
        row.started ??= recorded.time;
        if (row.state !== "waiting") row.steps.push({ step: "facts", at: recorded.time });
        row.ended = recorded.time;
        become("waiting");
        break;
      case "definition-fetched":
        step("definition");
        if (!row.client || row.client === "ztpserver") become("served");
        break;
      case "boot-started":
        row.client = "ztp-edge";
        break;
      case "action-started":
        step(`action ${event.action}`);
        break;
      case "downloaded":
        step(`download ${event.path}`);
        break;
      case "startup-config-fetched":
        step("startup-config");
        break;
      case "boot-succeeded":
        end("booted");
        break;
      case "boot-failed":
        end("failed");
        break;
      case "startup-config-stored":
        if (row.state === "booted") become("backed-up");
        break;
      default:
    }
    return recorded;
  }

  audit(action, target, fields = {}) {
    const n = this.audits.length + 1;
    this.audits.push({ n, time: iso(Date.now()), who: this.operator?.name ?? "ada@example.net", from: "192.0.2.7", action, target, site: null, before: null, after: null, detail: null, outcome: "done", forced: false, undoable: false, undo_of: null, ...fields });
    return n;
  }

  counts(site) {
    const counts = { waiting: 0, booting: 0, served: 0, booted: 0, "backed-up": 0, failed: 0, stalled: 0, planned: 0 };
    for (const node of this.nodes.values()) if (site === undefined || node.site === site) counts[node.row.state ?? "planned"] += 1;
    return counts;
  }
}

const NEIGHBORDB = `variables:
  any_spine: regex('spine\\d+')

patterns:
  - name: spine
    definition: spine
    model: DCS-7280
  - name: leaf
    definition: leaf
    interfaces:
      - Ethernet1: $any_spine:any
      - Ethernet2: $any_spine:any
`;
/** The patterns of NEIGHBORDB: one function each, which returns what the API would of these facts. */
const PATTERNS = [
  (facts) => {
    const fits = /^DCS-7280/.test(facts?.model ?? "");
    return { pattern: "spine", line: 5, definition: "spine", outcome: fits ? "matches" : "mismatch", reason: fits ? null : `pattern 'spine': requires model regex('DCS-7280'), saw '${facts?.model}'`, model: { line: "DCS-7280", differs: !fits }, wants: [] };
  },
  (facts) => {
    const saw = (name) => (facts?.neighbors?.[name] ?? []).map((one) => ({ interface: name, ...one }));
    const bad = ["Ethernet1", "Ethernet2"].find((name) => !saw(name).some(({ device }) => /^spine\d+/.test(device)));
    const seen = bad && (saw(bad).map(({ device }) => `'${device}'`).join(", ") || "no neighbor");
    return {
      pattern: "leaf",
      line: 8,
      definition: "leaf",
      outcome: bad ? "mismatch" : "matches",
      reason: bad ? `pattern 'leaf': ${bad} requires device regex('spine\\d+'), saw ${seen}` : null,
      model: null,
      wants: ["Ethernet1", "Ethernet2"].map((name) => ({ line: `${name}: $any_spine:any`, differs: name === bad, saw: saw(name) })),
    };
  },
];
const DEFINITION = `name: leaf
actions:
  - name: install image
    action: install_image
    attributes:
      url: files/images/EOS-4.32.1F.swi
  - name: add management address
    action: add_config
    attributes:
      url: files/templates/ma1.template
      variables:
        ipaddress: allocate('mgmt')
`;
const LOG = `ZTP: 21:14:02 connecting to https://ztp.example.net
ZTP: 21:14:03 action install_image
ZTP: 21:14:03 GET /files/images/EOS-4.32.1F.swi
ZTP: 21:16:40 received 402653184 of 1204224000 bytes
ZTP: 21:16:40 [Errno 28] No space left on device: '/mnt/flash/EOS-4.32.1F.swi'
ZTP: 21:16:41 boot failed`;

const pad = (number) => String(number).padStart(3, "0");
const factsOf = (id, first = "spine1", second = "spine2") => ({ model: "DCS-7050SX3-48YC8", serialnumber: id, systemmac: `001c73${sha1(id).slice(0, 6)}`, version: "4.28.0F", neighbors: { Ethernet1: first ? [{ device: first, port: "Ethernet7" }] : [], Ethernet2: second ? [{ device: second, port: "Ethernet7" }] : [], Management1: [{ device: "oob-sw3", port: "Gi1/0/14" }] } });

/** A boot of our client from `at` on, up to an end. */
export function boot(world, id, { at = Date.now(), end = "backed-up", image = 40, pace = 1 } = {}) {
  const { site } = world.nodes.get(id);
  let now = at;
  let seq = 0;
  const name = sha1(id).slice(0, 12);
  const wait = (seconds) => (now += seconds * 1000 * pace);
  const say = (event) => now <= Date.now() && world.event(id, event, now);
  const report = (event) => say({ boot: name, seq: ++seq, at: (now - at) / 1000, ...event });
  say({ event: "script-fetched", model: "DCS-7050SX3-48YC8", version: "4.28.0F" });
  wait(4);
  if (end === "waiting") {
    const facts = factsOf(id, "core1");
    Object.assign(world.nodes.get(id), { seen: { time: iso(now), ...facts } });
    Object.assign(world.nodes.get(id).row, { model: facts.model, version: facts.version });
    for (let retry = 0; now <= Date.now() && retry < 8; retry += 1) {
      say({ event: "refused", request: "POST /nodes", status: 400, reason: [PATTERNS[0](facts).reason, PATTERNS[1](facts).reason].join("\n") });
      wait(30);
    }
    return;
  }
  Object.assign(world.nodes.get(id), { seen: { time: iso(now), ...factsOf(id) }, facts: factsOf(id) });
  report({ event: "boot-started" });
  say({ event: "registered", pattern: "leaf", definition: "leaf" });
  for (const [record, text] of [[".node", JSON.stringify(factsOf(id))], ["definition", DEFINITION], ["pattern", "name: 'leaf'\ninterfaces:\n- 'Ethernet1': '$any_spine:any'\n- 'Ethernet2': '$any_spine:any'\n"]]) world.nodes.get(id).records.set(record, text);
  wait(1.2);
  say({ event: "definition-fetched", definition: "leaf" });
  const value = `10.32.${world.pools.get("mgmt")?.allocations.length ?? 0}.${(seq + 7) % 250}`;
  say({ event: "pool-values-given", values: [{ pool: "mgmt", value }] });
  if (world.pools.has("mgmt")) world.pools.get("mgmt").allocations.push({ value: `${value}/24`, node: id, since: iso(now) });
  world.nodes.get(id).pools = [{ pool: "mgmt", value, since: iso(now) }];
  wait(0.8);
  report({ event: "action-started", action: "install_image" });
  wait(3);
  if (end === "stalled") {
    Object.assign(world.nodes.get(id).row, { state: "stalled", since: iso(now + 600_000) });
    return;
  }
  if (end === "failed") {
    wait(image);
    const reason = "install_image: the download of files/images/EOS-4.32.1F.swi failed: [Errno 28] No space left on device: '/mnt/flash/EOS-4.32.1F.swi'";
    report({ event: "action-failed", action: "install_image", reason });
    report({ event: "boot-failed", reason, log: LOG });
    return;
  }
  wait(image);
  report({ event: "downloaded", path: "files/images/EOS-4.32.1F.swi", bytes: 1_204_224_000, seconds: image });
  report({ event: "action-succeeded", action: "install_image", seconds: image + 3 });
  wait(1);
  report({ event: "action-started", action: "add_config" });
  wait(2);
  report({ event: "action-succeeded", action: "add_config", seconds: 2 });
  wait(6);
  say({ event: "startup-config-fetched" });
  wait(4);
  report({ event: "boot-succeeded", seconds: (now - at) / 1000 });
  if (now <= Date.now()) Object.assign(world.nodes.get(id).row, { version: "4.32.1F" });
  if (end !== "backed-up") return;
  wait(12);
  const text = `hostname ${id.toLowerCase()}\n`;
  world.nodes.get(id).records.set("startup-config", text);
  say({ event: "startup-config-stored", sha1: sha1(text), size: 4711 });
  if (now <= Date.now()) world.nodes.get(id).versions = [{ time: iso(now), sha1: sha1(text), size: 4711, key: `history/${id}/x` }];
  void site;
}

/** Content, pools and findings. */
export function furnish(world) {
  const definitions = { leaf: DEFINITION, spine: DEFINITION.replace("leaf", "spine"), "border-leaf": DEFINITION };
  world.content.set("neighbordb", NEIGHBORDB);
  for (const [name, text] of Object.entries(definitions)) world.content.set(`definitions/${name}`, text);
  world.pools.set("mgmt", { size: 240, allocations: [], reservations: [{ value: "10.32.0.1/24", node: "SPINE1" }] });
  world.pools.set("asn", { size: 32, allocations: Array.from({ length: 30 }, (_, index) => ({ value: String(65000 + index), node: `JPE210${pad(index)}`, ...(index === 3 && { name: "uplink1" }), since: iso(Date.now() - index * 3_600_000) })), reservations: [] });
  world.pools.set("berlin/loopback", { size: 12, allocations: Array.from({ length: 12 }, (_, index) => ({ value: `10.255.0.${index}/32`, node: `JPE210${pad(index)}`, since: iso(Date.now() - index * 86_400_000) })), reservations: [] });
  world.check = {
    at: Date.now() - 12_000,
    findings: [
      { key: "definitions/border-leaf", kind: "missing-action", severity: "error", line: 9, column: 13, text: "    action: add_confg", message: "the action 'add_confg' is neither stored nor a stock action", help: "Did you mean add_config? Else store actions/add_confg." },
      { key: "neighbordb", kind: "missing-definition", severity: "error", line: 14, column: 17, text: "    definition: access-leaf", message: "pattern 'access': the definition 'access-leaf' is not stored", help: "Store definitions/access-leaf, or correct the name." },
      { key: "neighbordb", kind: "unreachable-pattern", severity: "warning", line: 22, column: 5, text: "  - name: leaf-old", message: "pattern 'leaf-old' can never be selected: pattern 'leaf' on line 8 matches the same nodes", help: "Delete it, or move it before 'leaf'." },
      { key: "resources/mgmt", kind: "pool-almost-full", severity: "warning", line: null, column: null, text: null, message: "229 of 240 values are taken", help: "Add values to the pool." },
    ],
    covered: { documents: 14, nodes: 40, complete: true },
  };
}

/** Forty switches of a site, with their states, as on a night of an installation. */
export function night(world, site = "berlin", count = 40) {
  const minute = 60_000;
  for (let index = 0; index < count; index += 1) {
    const id = `JPE213${pad(index * 7 + 11)}`;
    world.node(id, site, { model: "DCS-7050SX3-48YC8", version: "4.28.0F", client: "ztp-edge" });
    const started = Date.now() - (count - index) * 0.9 * minute - 4 * minute;
    const end = index === 17 ? "failed" : index === 24 || index === 31 ? "waiting" : index === 9 ? "stalled" : index % 5 === 0 ? "booted" : "backed-up";
    boot(world, id, { at: end === "booted" || end === "backed-up" ? started : started - minute, end, image: 60 + ((index * 37) % 90) });
  }
  for (const [index, id] of ["JPE2199010", "JPE2199020", "JPE2199030"].entries()) {
    world.node(id, site, { model: "DCS-7050SX3-48YC8", version: "4.28.0F", client: "ztp-edge" });
    boot(world, id, { at: Date.now() - (20 + index * 25) * 1000, image: 240 });
  }
  for (const id of ["PLAN-LEAF-41", "PLAN-LEAF-42"]) world.node(id, site, { definition: "leaf", records: { definition: DEFINITION, "startup-config": "hostname planned\n" } });
}

/** The responses of the API; a handler returns [status, body, headers]. */
function api(world) {
  const rank = new Map(ORDER.map((state, index) => [state, index]));
  const refuse = (status, error, fields = {}) => [status, { error, ...fields }];
  const found = (id) => world.nodes.get(id);
  const visible = (node) => node && (!world.operator.sites || world.operator.sites.includes(node.site));
  const changed = (id, event, action, fields) => {
    world.event(id, { event, by: world.operator.name });
    return [200, { node: id, audit: world.audit(action, id, fields), findings: [] }];
  };
  const explanation = ({ facts, node }) => {
    const known = node && found(node)?.records.has("definition");
    const sent = facts ?? found(node)?.facts ?? found(node)?.seen;
    const candidates = [];
    for (const pattern of world.patterns.length > 0 ? world.patterns : PATTERNS) {
      candidates.push(pattern(sent));
      if (candidates.at(-1).outcome === "matches") break;
    }
    const chosen = known ? null : candidates.find(({ outcome }) => outcome === "matches");
    const rendered = { name: "leaf", actions: [{ action: "install_image", attributes: { url: "files/images/EOS-4.32.1F.swi" } }, { action: "add_config", attributes: { url: "files/templates/ma1.template", variables: { ipaddress: "10.32.0.17/24" } } }] };
    return { node: node ?? facts?.serialnumber ?? null, known: Boolean(known), selection: known ? null : { pattern: chosen?.pattern ?? null, candidates, omitted: 0 }, checked: known ? candidates.at(-1) : null, status: known ? 409 : chosen ? 201 : 400, error: known || chosen ? null : candidates.map(({ reason }) => reason).join("\n"), definition: known || chosen ? rendered : null, definition_error: null, pools: known || chosen ? [{ pool: "mgmt", value: "10.32.0.17/24", held: Boolean(known) }] : [], warnings: [] };
  };
  const routes = [
    ["GET", /^\/session$/, () => [200, world.operator]],
    ["GET", /^\/sites$/, () => {
      const names = [...world.sites.keys()].filter((site) => !world.operator.sites || world.operator.sites.includes(site)).sort();
      const sites = names.map((site) => {
        const counts = world.counts(site);
        return { site, nodes: Object.values(counts).reduce((sum, one) => sum + one, 0), counts, last: world.site(site).last };
      });
      const counts = world.counts("");
      for (const site of sites) for (const state of Object.keys(counts)) counts[state] += site.counts[state];
      return [200, { sites, counts }];
    }],
    ["GET", /^\/nodes$/, (_, query) => {
      const text = (query.get("text") ?? "").toLowerCase();
      const states = query.get("state")?.split(",").map((state) => (state === "planned" ? null : state));
      const rows = [...world.nodes.values()].filter(visible).filter(({ site }) => !query.get("site") || site === query.get("site")).map(({ row }) => row).filter(({ state }) => !states || states.includes(state)).filter((row) => [row.node, row.model, row.version, row.definition, row.pattern, row.reason].some((value) => value?.toLowerCase().includes(text)));
      const by = { node: (a, b) => (a.node < b.node ? -1 : 1), last: (a, b) => ((a.last ?? "") < (b.last ?? "") ? 1 : -1) };
      rows.sort((a, b) => (query.get("sort") ? 0 : rank.get(a.state) - rank.get(b.state)) || by[query.get("sort") === "node" ? "node" : "last"](a, b));
      const from = Number(query.get("cursor") ?? 0);
      const limit = Math.min(1000, Number(query.get("limit") ?? 200));
      return [200, { nodes: rows.slice(from, from + limit), cursor: from + limit < rows.length ? String(from + limit) : null, total: rows.length }];
    }],
    ["GET", /^\/nodes\/([^/]+)$/, ([id]) => {
      const node = found(id);
      if (!visible(node)) return refuse(404, `nothing is known of the node ${id}`);
      const records = [...node.records].map(([name, text]) => ({ name, size: Buffer.byteLength(text), sha1: sha1(text) }));
      return [200, { node: id, site: node.row.site, facts: node.facts, records, pools: node.pools, events: [], versions: node.versions, status: node.row, seen: node.seen }];
    }],
    ["GET", /^\/nodes\/([^/]+)\/events$/, ([id]) => [200, { node: id, events: found(id)?.events ?? [], versions: found(id)?.versions ?? [] }]],
    ["GET", /^\/events$/, (_, query, { headers }) => {
      if (!query.get("site")) return refuse(400, "the parameter site is missing");
      const { events } = world.site(query.get("site"));
      const after = query.get("after");
      const limit = Math.min(200, Number(query.get("limit") ?? 200));
      const page = after === null ? events.slice(-limit) : events.slice(Number(after), Number(after) + limit);
      const last = page.at(-1)?.n ?? Number(after ?? 0);
      const etag = `"${query.get("site").length}-${last}-${after}"`;
      if (headers["if-none-match"] === etag && page.length === 0) return [304, null, { ETag: etag }];
      return [200, { events: page, last, more: last < events.length }, { ETag: etag }];
    }],
    ["POST", /^\/explain$/, (_, __, ___, body) => [200, explanation(body)]],
    ["POST", /^\/nodes\/([^/]+)\/assign$/, ([id], query, _, body) => {
      const names = { definition: "definition", startup_config: "startup-config", attributes: "attributes", pattern: "pattern", config_handler: "config-handler" };
      const node = found(id) ?? world.node(id, "default");
      if (body.as !== undefined) {
        const planned = found(body.as);
        if (!planned || planned.records.size === 0) return refuse(404, `there are no records of ${body.as}`);
        if (planned.row.state !== null) return refuse(409, `${body.as} has made requests itself`);
        for (const [name, text] of planned.records) node.records.set(name, text);
        planned.row.given_to = id;
        return changed(id, "operator-changed", "assign", { detail: `as ${body.as}` });
      }
      if (/^:/m.test(body.definition ?? "") || /\[$/m.test(body.attributes ?? "")) {
        if (query.get("force") !== "1") return refuse(422, `nothing was changed for the node ${id}: the findings say what is invalid`, { findings: [{ key: `nodes/${id}/attributes`, kind: "bad-attributes", severity: "error", line: 1, column: 11, text: body.attributes, message: "line 1: expected a value", help: "Close the bracket." }] });
      }
      for (const [field, text] of Object.entries(body)) if (text === null) node.records.delete(names[field]);
        else node.records.set(names[field], text);
      return changed(id, "operator-changed", "assign", { after: { sha1: sha1(JSON.stringify(body)), size: 120 } });
    }],
    ["POST", /^\/nodes\/([^/]+)\/reprovision$/, ([id]) => {
      if (!found(id).records.has("definition")) return [200, { node: id, audit: null }];
      for (const name of ["definition", "pattern", "config-handler"]) found(id).records.delete(name);
      return changed(id, "reprovisioned", "reprovision");
    }],
    ["POST", /^\/nodes\/([^/]+)\/forget$/, ([id], _, __, body) => {
      const node = found(id);
      node.records.clear();
      const released = body.pools ? node.pools.splice(0) : [];
      const [status, answer] = changed(id, "forgotten", "forget");
      world.nodes.delete(id);
      return [status, { ...answer, released }];
    }],
    ["POST", /^\/nodes\/([^/]+)\/move$/, ([id], _, __, body) => {
      Object.assign(found(id), { site: body.site ?? "default" });
      found(id).row.site = body.site;
      return changed(id, "moved", "move", { site: body.site });
    }],
    ["GET", /^\/audit$/, (_, query) => {
      const before = Number(query.get("before") ?? Infinity);
      const limit = Math.min(200, Number(query.get("limit") ?? 200));
      const all = world.audits.filter(({ n }) => n < before).filter(({ who, target }) => (!query.get("who") || who === query.get("who")) && (!query.get("target") || target === query.get("target"))).reverse();
      return [200, { entries: all.slice(0, limit), more: all.length > limit, next: all.length > limit ? all[limit - 1].n : null }];
    }],
    ["POST", /^\/audit\/(\d+)\/undo$/, ([n]) => {
      const entry = world.audits[Number(n) - 1];
      if (entry.conflict) return refuse(409, `nothing was changed: ${entry.target} was changed since, by the entry ${entry.conflict}`, { changed_by: [entry.conflict] });
      entry.undoable = false;
      return [200, { audit: world.audit("store", entry.target, { undo_of: entry.n, before: entry.after, after: entry.before, undoable: true }) }];
    }],
    ["GET", /^\/pools$/, () => [200, { pools: [...world.pools.keys()].sort() }]],
    ["GET", /^\/pools\/(.+)$/, ([pool]) => {
      const stored = world.pools.get(pool);
      return stored ? [200, { pool, size: stored.size, taken: stored.allocations.length, allocations: stored.allocations, reservations: stored.reservations }] : refuse(400, `the pool ${pool} is not stored`);
    }],
    ["DELETE", /^\/pools\/([^/]+)\/(.+)$/, ([pool, value]) => {
      const stored = world.pools.get(pool);
      const at = stored.allocations.findIndex((one) => one.value === value);
      if (at < 0) return refuse(404, `${value} is not allocated`);
      const [released] = stored.allocations.splice(at, 1);
      return [200, { pool, released, audit: world.audit("release", pool, { detail: `${value} of ${released.node}` }) }];
    }],
    ["PUT", /^\/pools\/([^/]+)\/(.+)$/, ([pool, value], query) => {
      world.pools.get(pool).allocations.push({ value, node: query.get("node"), name: query.get("name") ?? undefined, since: iso(Date.now()) });
      return [200, { pool, value, node: query.get("node"), audit: world.audit("allocate", pool) }];
    }],
    ["GET", /^\/content$/, (_, query) => [200, { content: [...world.content.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "")).sort().map((key) => ({ key, store: "kv", size: 1, sha1: null, etag: null, modified: null, by: null, via: null })), cursor: null }]],
    ["GET", /^\/content\/(.+)$/, ([key]) => {
      const [, id, record] = key.match(/^nodes\/(.+)\/([^/]+)$/) ?? [];
      const text = id ? found(id)?.records.get(record) : world.content.get(key);
      return text === undefined ? refuse(404, `${key} is not stored`) : [200, text, { ETag: `"${sha1(text)}"`, "Content-Type": "text/plain" }];
    }],
    ["PUT", /^\/content\/nodes\/([^/]+)\/([^/]+)$/, ([id, record], _, { headers, bytes }, __, text) => {
      const before = found(id).records.get(record);
      const holds = headers["if-none-match"] === "*" ? before === undefined : headers["if-match"] === `"${sha1(before ?? "")}"`;
      if (!holds) return refuse(412, "nothing was changed: it has another value");
      found(id).records.set(record, Buffer.from(text).equals(bytes) ? text : bytes);
      return [200, { key: `nodes/${id}/${record}`, audit: world.audit("store", `nodes/${id}/${record}`) }];
    }],
    ["DELETE", /^\/content\/nodes\/([^/]+)\/([^/]+)$/, ([id, record], _, { headers }) => {
      if (headers["if-match"] !== `"${sha1(found(id).records.get(record) ?? "")}"`) return refuse(412, "nothing was changed: it has another value");
      found(id).records.delete(record);
      return [200, { key: `nodes/${id}/${record}`, audit: world.audit("delete", `nodes/${id}/${record}`) }];
    }],
    ["GET", /^\/check$/, () => {
      if (!world.check) return refuse(404, "the content was not checked yet: POST /admin/check checks it");
      const { at, ...check } = world.check;
      return [200, { time: iso(at), age_s: Math.round((Date.now() - at) / 1000), cursor: null, ...check }];
    }],
    ["POST", /^\/check$/, () => {
      world.check = { ...(world.check ?? { findings: [], covered: { documents: 1, nodes: 0, complete: true } }), at: Date.now() };
      return [200, { time: iso(world.check.at), cursor: null, ...world.check }];
    }],
  ];
  return (method, path, query, request, body) => {
    for (const [wanted, pattern, handle] of routes) {
      const match = method === wanted && path.match(pattern);
      if (!match) continue;
      let parsed = {};
      try {
        parsed = body ? JSON.parse(body) : {};
      } catch {
        parsed = {};
      }
      if (method !== "GET" && path !== "/explain" && world.operator.role === "viewer") return refuse(403, `this request needs at least the role operator, and ${world.operator.name} has the role viewer`);
      return handle(match.slice(1).map(decodeURIComponent), query, request, parsed, body);
    }
    return refuse(404, "there is nothing at this path");
  };
}

/** Starts the server; resolves to its URL. */
export async function startServer(world, { port = 0 } = {}) {
  buildConsole();
  const files = { "/admin": ["index.html", "text/html; charset=UTF-8"], "/admin/": ["slash.html", "text/html; charset=UTF-8"], "/admin/console/console.js": ["console.js", "text/javascript; charset=UTF-8"], "/admin/console/console.css": ["console.css", "text/css; charset=UTF-8"], "/admin/console/icon.svg": ["icon.svg", "image/svg+xml"] };
  const headers = consoleHeaders();
  const answer = api(world);
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    request.bytes = Buffer.concat(chunks);
    const body = request.bytes.toString();
    world.requests.push(`${request.method} ${request.url}`);
    const send = (status, type, text, others) => response.writeHead(status, { "Content-Type": type, "X-Content-Type-Options": "nosniff", ...others }).end(text);
    const stranger = () => send(404, "text/html; charset=UTF-8", "there is nothing at this path\n", { "Cache-Control": "no-store" });
    if (request.method === "GET" && url.pathname in files) {
      const [file, type] = files[url.pathname];
      return send(200, type, readFileSync(join(root, "build/console", file)), headers);
    }
    if (!url.pathname.startsWith("/admin/")) return stranger();
    const path = url.pathname.slice("/admin".length);
    if (world.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, world.delayMs));
    const cookie = (value, age) => send(204, "text/plain", undefined, { "Set-Cookie": `__Host-ztp-session=${value}; Path=/; Max-Age=${age}; HttpOnly; Secure; SameSite=Strict` });
    if (request.method === "POST" && path === "/session") return JSON.parse(body).token === TOKEN ? cookie("open", 43200) : stranger();
    if (world.operator === null || !(request.headers.cookie ?? "").includes(COOKIE)) return stranger();
    if (request.method === "DELETE" && path === "/session") return cookie("", 0);
    const [status, result, others] = answer(request.method, path, url.searchParams, request, body);
    const text = typeof result === "string" || Buffer.isBuffer(result) ? result : result === null ? undefined : JSON.stringify(result);
    return send(status, "application/json", text, { "Cache-Control": "no-store", ...others });
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = `http://localhost:${server.address().port}`;
  return {
    url,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sites with their nights, content, pools and some entries of the audit log. */
export function world() {
  const made = new World();
  furnish(made);
  night(made);
  for (const [site, count, state] of [["paris", 24, "backed-up"], ["madrid", 60, "booted"], ["oslo", 12, null]]) {
    for (let index = 0; index < count; index += 1) made.node(`${site.slice(0, 2).toUpperCase()}${pad(index)}`, site, { state, since: state && iso(Date.now() - 86_400_000), last: state && iso(Date.now() - 80_000_000), model: "DCS-7280SR3-48YC8", version: state && "4.32.1F", definition: "leaf", pattern: "leaf" });
    if (state) made.site(site).last = iso(Date.now() - 80_000_000);
  }
  made.node("MAD-SPINE-1", "madrid", { state: "stalled", step: "download files/images/EOS-4.32.1F.swi", since: iso(Date.now() - 900_000), last: iso(Date.now() - 1_500_000) });
  made.audit("store", "neighbordb", { who: "ada@example.net", before: { sha1: sha1("a"), size: 812 }, after: { sha1: sha1("b"), size: 840 }, undoable: true, time: iso(Date.now() - 7_200_000) });
  made.audit("store", "definitions/border-leaf", { who: "ada@example.net", after: { sha1: sha1("c"), size: 402 }, forced: true, undoable: true, time: iso(Date.now() - 5_400_000) });
  made.audit("assign", "JPE213067", { who: "bob@example.net", site: "berlin", detail: "startup-config", after: { sha1: sha1("d"), size: 4711 }, time: iso(Date.now() - 1_200_000) });
  made.audit("release", "mgmt", { who: "bob@example.net", detail: "10.32.0.9/24 of JPE213067", time: iso(Date.now() - 1_100_000) });
  made.audit("forget", "JPE210999", { outcome: "unknown", site: "paris", time: iso(Date.now() - 600_000) });
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = world();
  const { url } = await startServer(made, { port: Number(process.env.PORT ?? 8799) });
  console.log(`${url}/admin#token=${TOKEN}`);
}
