// The storage of release 0.1, which had no objects of nodes: loaded into a folder of `wrangler dev`, and read
// from one. See tests/fixtures/release-0.1/README.md.

import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { root } from "../../scripts/run.mjs";
import { withStorage } from "../../scripts/storage.mjs";
import { facts, send } from "./harness.mjs";

/** The folder of the snapshot. */
export const SNAPSHOT = join(root, "tests", "fixtures", "release-0.1");
/** The folder of the pools' databases, below that of --persist-to. A file name is the id of an object. */
const POOLS = join("v3", "do", "ztp-edge-ResourcePool");
/** The secrets of the sites and of operators. */
export const SITES = { berlin: "berlin-token-0123456789", paris: "paris-token-0123456789" };
export const SETTINGS = {
  ZTP_TOKENS: Object.entries(SITES).map((site) => site.join("=")).join("\n"),
  ZTP_ADMIN_TOKEN: "an-admin-token-of-enough-length",
};

/** The nodes of the snapshot, and one that it does not have. */
export const NODES = ["BERLIN1", "BERLIN2", "BERLIN3", "PARIS1", "ANY1", "ANY2", "EDITED1", "MISSING1"];
/** The requests whose responses are part of the snapshot: reads of every node by each site, and of the pools. */
export const READS = [
  ...Object.keys(SITES).flatMap((site) =>
    NODES.flatMap((node) => [`/nodes/${node}`, `/nodes/${node}/startup-config`, ...[".node", "definition", "pattern", "attributes", "startup-config"].map((record) => `/meta/nodes/${node}/${record}`)].map((path) => ({ site, path }))),
  ),
  ...["/admin/pools", "/admin/pools/net", "/admin/pools/paris/net"].map((path) => ({ path })),
  ...["/meta/files/leaf.cfg", "/meta/actions/custom", "/files/leaf.cfg", "/actions/custom"].map((path) => ({ site: "berlin", path })),
];

export const post = (site, node, others) => ({ site, method: "POST", path: "/nodes", body: JSON.stringify(facts(node, others)) });
export const put = (site, node, body) => ({ site, method: "PUT", path: `/nodes/${node}/startup-config`, body });
export const get = (site, node, rest = "") => ({ site, method: "GET", path: `/nodes/${node}${rest}` });
/** The facts of a node that is cabled otherwise. */
export const MOVED = { neighbors: { Ethernet1: [{ device: "spine9", port: "Ethernet7" }] } };
/** The requests after {@link READS}, in order. Their responses are part of the snapshot, and so is what they store. */
export const WRITES = [
  // Known nodes, with the same facts and others.
  ...["BERLIN1", "BERLIN2"].map((node) => post("berlin", node)),
  post("berlin", "BERLIN3", MOVED),
  post("paris", "PARIS1", { version: "4.30.0F" }),
  post("paris", "EDITED1"),
  // Another site.
  ...["BERLIN1", "BERLIN2", "BERLIN3"].flatMap((node) => [post("paris", node, { version: "foreign" }), put("paris", node, "hostname foreign\n")]),
  ...["PARIS1", "EDITED1"].flatMap((node) => [post("berlin", node, { version: "foreign" }), put("berlin", node, "hostname foreign\n"), get("berlin", node)]),
  // A node without a site belongs to the first one that writes.
  post("paris", "ANY1"),
  post("berlin", "ANY1"),
  put("berlin", "ANY1", "hostname foreign\n"),
  get("berlin", "ANY1"),
  get("paris", "ANY1"),
  put("berlin", "ANY2", "hostname any2 again\n"),
  get("paris", "ANY2", "/startup-config"),
  get("berlin", "ANY2", "/startup-config"),
  // A backup, of a node with and without a startup-config.
  put("berlin", "BERLIN1", "hostname berlin1\n"),
  get("berlin", "BERLIN1"),
  put("berlin", "BERLIN2", "hostname berlin2 again\n"),
  get("berlin", "BERLIN2", "/startup-config"),
  put("berlin", "BERLIN2", " \n"),
  put("paris", "MISSING1", "hostname missing\n"),
  // New facts, which match the stored pattern again.
  post("berlin", "BERLIN3"),
  get("berlin", "BERLIN3"),
  // A new node receives the next value of the pool; a released value is free.
  post("berlin", "NEW1"),
  get("berlin", "NEW1"),
  post("paris", "NEW1"),
  { method: "DELETE", path: "/admin/pools/net?node=BERLIN3" },
  get("berlin", "BERLIN3"),
  get("paris", "PARIS1"),
];

/** The values in `after` that `before` does not have; null for those that are gone. Digests of objects are not content. */
export function changesOf(before, after) {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changed = keys.filter((key) => !key.startsWith("digests/") && before[key] !== after[key]);
  return Object.fromEntries(changed.map((key) => [key, after[key] ?? null]));
}

/** Sends a request for a site, or without one as an operator. URLs in the response have the base `http://ztp`. */
export async function ask(url, { site, path, method = "GET", body }) {
  const headers = site ? {} : { Authorization: `Bearer ${SETTINGS.ZTP_ADMIN_TOKEN}` };
  const response = await send(url, method, site ? `/t/${SITES[site]}${path}` : path, { headers, body });
  const text = response.text.replaceAll(url.origin, "http://ztp");
  const location = response.headers.location?.replace(url.origin, "http://ztp");
  return { status: response.status, type: response.headers["content-type"], ...(location && { location }), text };
}

/** The contents of KV and R2: texts by key. */
export async function readStores(folder) {
  return withStorage(folder, async ({ kv, r2 }) => {
    const keys = (await kv.list()).keys.map(({ name }) => name).sort();
    const objects = (await r2.list()).objects.map(({ key }) => key).sort();
    const all = async (names, get) => Object.fromEntries(await Promise.all(names.map(async (name) => [name, await get(name)])));
    return { kv: await all(keys, (key) => kv.get(key)), r2: await all(objects, async (key) => (await r2.get(key)).text()) };
  });
}

/** Stores texts by key in KV and R2. */
export async function writeStores(folder, { kv: values, r2: objects }) {
  await withStorage(folder, async ({ kv, r2 }) => {
    await Promise.all(Object.entries(values).map(([key, text]) => kv.put(key, text)));
    await Promise.all(Object.entries(objects).map(([key, text]) => r2.put(key, text)));
  });
}

/** The databases of the pools as SQL: statements by id. */
export function readPools(folder) {
  const files = readdirSync(join(folder, POOLS)).filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  return Object.fromEntries(files.sort().map((name) => [basename(name, ".sqlite"), statementsOf(join(folder, POOLS, name))]));
}

/** The SQL that makes a database with the same tables and rows. */
function statementsOf(path) {
  const database = new DatabaseSync(path);
  const quoted = (value) => {
    if (value === null) return "NULL";
    if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString("hex")}'`;
    return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value);
  };
  const tables = database.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name").all();
  const statements = tables.flatMap(({ name, sql }) => [
    `${sql.replace(/\s+/g, " ")};`,
    ...database.prepare(`SELECT * FROM "${name}"`).all().map((row) => `INSERT INTO "${name}" VALUES (${Object.values(row).map(quoted).join(", ")});`),
  ]);
  database.close();
  return statements;
}

/** Loads the snapshot into a folder of `wrangler dev`. Resolves to its parts. */
export async function loadSnapshot(folder) {
  const parse = (name) => JSON.parse(readFileSync(join(SNAPSHOT, name), "utf8"));
  const [kv, r2, reads, writes, changes] = ["kv", "r2", "reads", "writes", "changes"].map((name) => parse(`${name}.json`));
  await writeStores(folder, { kv, r2 });
  for (const name of readdirSync(join(SNAPSHOT, "pools"))) {
    const path = join(folder, POOLS, name.replace(/\.sql$/, ".sqlite"));
    mkdirSync(dirname(path), { recursive: true });
    const database = new DatabaseSync(path);
    database.exec(readFileSync(join(SNAPSHOT, "pools", name), "utf8"));
    database.close();
  }
  return { kv, r2, reads, writes, changes };
}
