// The floor: the cost of the same storage operations when nothing is decided. For each request it does the
// operations of the Worker, writes a log line, and sends stored bytes under the headers of the Worker's response.
// Bindings: ANSWERS has `{ status, headers }` by the name of a request, KEPT_MS says how long content is kept.

const MAX_KEPT_BYTES = 64 * 1024;
const HASH_STEP = 1024 * 1024;
const cache = new Map();
const digests = new Map();

export default {
  async fetch(request, env) {
    const path = request.url.slice(request.url.indexOf("/", 8));
    const [, resource, first, second] = path.split("/", 4);
    switch (resource) {
      case "bootstrap":
        if (first === undefined) return respond(env, "GET /bootstrap", await document(env, "bootstrap/bootstrap"));
        return respond(env, "GET /bootstrap/config", await document(env, "bootstrap/bootstrap.conf"));
      case "nodes":
        if (first === undefined) return create(request, env);
        if (second === undefined) return definition(env, first);
        return startupConfig(request, env, path.slice(1));
      case "meta":
        return first === "nodes" ? recordMeta(env, path.slice(6)) : objectMeta(env, path.slice(6));
      default:
        return object(env, path.slice(1));
    }
  },
};

/** Has a value for every node. */
export class ResourcePool {
  async fetch(request) {
    return Response.json({ ...(await request.json()), value: "192.0.2.10/24" });
  }
}

/** Stores what the objects of nodes report. */
export class Site {
  constructor({ storage: { sql } }) {
    sql.exec(`CREATE TABLE IF NOT EXISTS node (node TEXT PRIMARY KEY, contents TEXT);
      CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT, contents TEXT)`);
    this.sql = sql;
  }

  async fetch(request) {
    const { node, events } = await request.json();
    this.sql.exec("INSERT OR REPLACE INTO node VALUES (?, ?)", node, JSON.stringify(events.at(-1)));
    for (const event of events) this.sql.exec("INSERT INTO event (node, contents) VALUES (?, ?)", node, JSON.stringify(event));
    return Response.json({});
  }
}

/** The time in which the object of a node collects what its alarm copies and reports, in milliseconds. */
const PAUSE_MS = 200;

/**
 * Commits records of a node, and keeps copies of them for reads that find no value in KV. Its alarm copies them to KV,
 * and reports the events to the object of the site.
 */
export class Node {
  constructor(context, env) {
    Object.assign(this, { context, storage: context.storage, env, pending: [], events: [], saved: 0 });
  }

  async fetch(request) {
    const { id, wanted, commit } = await request.json();
    this.id = id;
    this.load();
    this.events.push({ time: Date.now() });
    if (!commit) {
      if (!this.alarmIsSet) this.context.waitUntil(scheduler.wait(PAUSE_MS / 2).then(() => this.wake(PAUSE_MS / 2)));
      return Response.json({ revision: 0, copies: this.copies.filter(({ key }) => wanted.includes(key)) });
    }
    for (const record of commit) this.copies = [...this.copies.filter(({ key }) => key !== record.key), record];
    this.pending.push(...commit);
    this.save();
    await this.wake(PAUSE_MS);
    return Response.json({});
  }

  async wake(pause) {
    if (this.alarmIsSet) return;
    this.alarmIsSet = true;
    await this.storage.setAlarm(Date.now() + pause);
  }

  load() {
    if (this.copies) return;
    const { sql } = this.storage;
    const exists = sql.exec("SELECT name FROM sqlite_master WHERE name = 'state'").toArray().length > 0;
    const [state] = exists ? sql.exec("SELECT text FROM state").toArray() : [];
    this.copies = state ? JSON.parse(state.text) : [];
  }

  save() {
    const { sql } = this.storage;
    sql.exec(`CREATE TABLE IF NOT EXISTS state (part INTEGER PRIMARY KEY, text TEXT);
      CREATE TABLE IF NOT EXISTS event (number INTEGER PRIMARY KEY AUTOINCREMENT, json TEXT)`);
    const text = JSON.stringify(this.copies);
    sql.exec("INSERT INTO state VALUES (0, ?) ON CONFLICT (part) DO UPDATE SET text = excluded.text", text);
    for (const event of this.events.slice(this.saved)) sql.exec("INSERT INTO event (json) VALUES (?)", JSON.stringify(event));
    this.saved = this.events.length;
  }

  async alarm() {
    this.alarmIsSet = false;
    this.load();
    this.save();
    const [pending, events] = [this.pending.splice(0), this.events.splice(0)];
    this.saved = 0;
    // An edit of a record that the request had not read would be lost otherwise.
    const copy = async ({ key, text, version, wasRead }) => {
      if (!wasRead) await this.env.ZTP_DATA.get(key);
      const value = version ? (await this.env.ZTP_FILES.get(version)).body : text;
      await this.env.ZTP_DATA.put(key, value);
    };
    const report = async () => {
      if (events.length === 0) return;
      const site = this.env.ZTP_SITES.get(this.env.ZTP_SITES.idFromName("default"));
      const body = JSON.stringify({ node: this.id, events });
      await (await site.fetch("http://object/", { method: "POST", body })).json();
    };
    await Promise.all([report(), ...pending.map(copy)]);
    console.log(JSON.stringify({ object: "node", kv_writes: pending.length }));
    this.save();
    if (pending.length > 0) await this.storage.setAlarm(Date.now() + 600_000);
  }
}

/** A call of the object of a node: it returns its copies of the `wanted` keys, or commits records. */
async function node(env, id, wanted, commit) {
  const stub = env.ZTP_NODES.get(env.ZTP_NODES.idFromName(id));
  const body = JSON.stringify({ id, wanted, commit });
  return (await stub.fetch("http://object/", { method: "POST", body })).json();
}

/** The Worker's response but for its body, and a log line like the Worker's. */
function respond(env, name, body) {
  const answer = env.ANSWERS[name];
  const operations = { duration_ms: 0, kv_reads: 0, kv_writes: 0, r2_reads: 0, r2_writes: 0, object_calls: 0 };
  console.log(JSON.stringify({ method: "GET", route: name, status: answer.status, ...operations }));
  return new Response(body, answer);
}

/** The value that was loaded in the last KEPT_MS, else that of `load`, which is kept unless it is missing or a stream. */
async function kept(env, key, load) {
  const found = cache.get(key);
  if (found && Date.now() - found.since < env.KEPT_MS) return found.value;
  const value = await load();
  if (value && !value.body) cache.set(key, { since: Date.now(), value });
  return value;
}

/** A shared document: 1 KV read. */
const document = (env, key) => kept(env, key, () => env.ZTP_DATA.get(key));

/** An object: 1 R2 get. A large one is passed through. */
async function object(env, key) {
  const found = await kept(env, key, async () => {
    const stored = await env.ZTP_FILES.get(key);
    return stored.size > MAX_KEPT_BYTES ? stored : stored.arrayBuffer();
  });
  if (found.body) return respond(env, "GET /files/{path}, 1 MiB", found.body);
  return respond(env, key.startsWith("files") ? "GET /files/{path}, 4 KiB" : "GET /actions/{name}", found);
}

/**
 * Records of a node, and whether it has a startup-config: 1 bulk read, 1 KV read and 1 call of its object at the
 * same time. Its copy of a record counts if KV has none.
 */
async function records(env, id, names) {
  const configKey = `nodes/${id}/startup-config`;
  const keys = names.map((name) => `nodes/${id}/${name}`);
  const config = env.ZTP_DATA.get(configKey, "stream");
  const [stored, stream, { copies }] = await Promise.all([env.ZTP_DATA.get(keys), config, node(env, id, [...keys, configKey])]);
  stream?.cancel();
  for (const { key, text } of copies) if (!stored.get(key)) stored.set(key, text);
  return stored;
}

/** POST /nodes: the records and neighbordb at the same time; of a new node also the definition, and 1 commit. */
async function create(request, env) {
  const facts = await request.text();
  const id = JSON.parse(facts).serialnumber;
  const [stored, neighbordb] = await Promise.all([records(env, id, [".node", "definition"]), document(env, "neighbordb")]);
  if (stored.get(`nodes/${id}/definition`) !== null) return respond(env, "POST /nodes, known", null);
  const shared = await document(env, "definitions/leaf");
  const record = (name, text, wasRead) => ({ key: `nodes/${id}/${name}`, text, wasRead });
  const pattern = record("pattern", neighbordb.slice(0, 200), false);
  await node(env, id, [], [pattern, record(".node", facts, true), record("definition", shared, true)]);
  return respond(env, "POST /nodes, new", null);
}

/** GET /nodes/{id}: the records, and for some nodes 1 call of a pool. */
async function definition(env, id) {
  const stored = await records(env, id, [".node", "pattern", "definition", "attributes"]);
  const text = stored.get(`nodes/${id}/definition`);
  if (!id.startsWith("POOL")) return respond(env, "GET /nodes/{id}", text);
  const pool = env.ZTP_POOLS.get(env.ZTP_POOLS.idFromName("mgmt"));
  await (await pool.fetch("http://pool/", { method: "POST", body: JSON.stringify({ node: id }) })).json();
  return respond(env, "GET /nodes/{id}, a pool", text);
}

/**
 * Startup-config: GET is 1 KV read and 1 call of the node's object at the same time, and 1 R2 get while KV does not have
 * it; PUT is 1 KV read and 1 R2 put at the same time, then 1 commit.
 */
async function startupConfig(request, env, key) {
  const id = key.split("/")[1];
  if (request.method === "GET") {
    const [stream, { copies }] = await Promise.all([env.ZTP_DATA.get(key, "stream"), node(env, id, [key])]);
    const stored = stream ?? (await env.ZTP_FILES.get(copies[0].version)).body;
    return respond(env, "GET startup-config", stored);
  }
  const body = await request.arrayBuffer();
  const version = `history/${id}/${Date.now()}-${new Uint8Array(await crypto.subtle.digest("SHA-1", body)).toHex()}`;
  await Promise.all([env.ZTP_FILES.put(version, body), env.ZTP_DATA.get(key)]);
  await node(env, id, [], [{ key, version, wasRead: true }]);
  return respond(env, "PUT startup-config", null);
}

/** Meta of a record: 1 KV read and 1 call of the node's object at the same time. */
async function recordMeta(env, key) {
  const [value] = await Promise.all([env.ZTP_DATA.get(key, "arrayBuffer"), node(env, key.split("/")[1], [key])]);
  const sha1 = new Uint8Array(await crypto.subtle.digest("SHA-1", value)).toHex();
  return respond(env, "GET /meta/nodes/{id}/{record}", JSON.stringify({ size: value.byteLength, sha1 }));
}

/** Meta of an object: 1 R2 head; 1 KV read if its digest is not kept; of a new upload 1 R2 get and 1 KV write. */
async function objectMeta(env, key) {
  const meta = await kept(env, `meta/${key}`, async () => {
    const { size, version } = await env.ZTP_FILES.head(key);
    let digest = digests.get(key) ?? (await env.ZTP_DATA.get(`digests/${key}`, "json"));
    if (digest?.version !== version) {
      const { body } = await env.ZTP_FILES.get(key);
      digest = { version, sha1: new Uint8Array(await hash(body)).toHex() };
      await env.ZTP_DATA.put(`digests/${key}`, JSON.stringify(digest));
    }
    digests.set(key, digest);
    return JSON.stringify({ size, sha1: digest.sha1 });
  });
  return respond(env, "GET /meta/files/{path}", meta);
}

/** Hashes a body in large steps: pipeTo() makes an object of every 4 KiB, at five times the CPU. */
async function hash(body) {
  const stream = new crypto.DigestStream("SHA-1");
  const writer = stream.getWriter();
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(HASH_STEP);
  for (;;) {
    const { value, done } = await reader.readAtLeast(HASH_STEP, new Uint8Array(buffer));
    if (value?.byteLength > 0) {
      await writer.write(value);
      buffer = value.buffer;
    }
    if (done) break;
  }
  await writer.close();
  return stream.digest;
}
