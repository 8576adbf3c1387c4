// The floor: what the same storage operations cost when nothing is decided. Per endpoint it does the
// operations of the budget, writes a log line and answers what is stored, under the headers that the
// Worker answers with; the bench stores the Worker's answers, so sizes are the same.
//
// ANSWERS, a binding, maps `METHOD shape` to { status, headers }.

const KEPT_MS = 10_000;
const LARGEST_KEPT = 64 * 1024;
const HASHED_AT_ONCE = 1024 * 1024;
const kept = new Map();

export default {
  async fetch(request, env) {
    const path = request.url.slice(request.url.indexOf("/", 8));
    const [, resource, first, second] = path.split("/", 4);
    switch (resource) {
      case "bootstrap":
        return first === "config"
          ? answer(env, "GET /bootstrap/config", await document(env, "bootstrap/bootstrap.conf"))
          : answer(env, "GET /bootstrap", await document(env, "bootstrap/bootstrap"));
      case "nodes":
        if (first === undefined) return create(request, env);
        if (second === undefined) return definition(env, first);
        return request.method === "PUT" ? putConfig(request, env, first) : getConfig(env, first);
      case "actions":
        return object(env, "GET /actions", path.slice(1));
      case "files":
        return object(env, "GET /files", path.slice(1));
      case "meta":
        return first === "nodes" ? recordMeta(env, path.slice(6)) : meta(env, path.slice(6));
      case "logged":
        log("GET /logged", 200);
        return new Response("nothing");
      default:
        return new Response("nothing");
    }
  },
};

function answer(env, shape, body) {
  const envelope = env.ANSWERS[shape];
  log(shape, envelope.status);
  return new Response(body, envelope);
}

/** A line of the length that the Worker's has: every request is logged, whoever answers it. */
function log(route, status) {
  const operations = { kv_reads: 0, kv_writes: 0, r2_reads: 0, pool_calls: 0 };
  console.log(JSON.stringify({ method: "GET", route, status, milliseconds: 0, ...operations }));
}

/** What was kept less than 10 s ago. */
function recall(key) {
  const found = kept.get(key);
  return found && Date.now() - found.since < KEPT_MS ? found.value : undefined;
}

function keep(key, value) {
  kept.set(key, { since: Date.now(), value });
  return value;
}

/** A shared document: 1 KV read cold, none warm. */
async function document(env, key) {
  return recall(key) ?? keep(key, await env.ZTP_DATA.get(key));
}

/** An object: 1 R2 get cold, none warm; larger ones pass through. */
async function object(env, shape, key) {
  const found = recall(key);
  if (found) return answer(env, shape, found);
  const stored = await env.ZTP_FILES.get(key);
  if (stored.size > LARGEST_KEPT) return answer(env, shape, stored.body);
  return answer(env, shape, keep(key, await stored.arrayBuffer()));
}

/** Whether there is a startup-config, without reading it: 1 KV read. */
async function hasConfig(env, id) {
  const body = await env.ZTP_DATA.get(`nodes/${id}/startup-config`, "stream");
  await body?.cancel();
  return body !== null;
}

/** POST /nodes: 1 bulk read and 1 look; of a new node also neighbordb and definition, unless kept, and 3 writes. */
async function create(request, env) {
  const facts = await request.text();
  const { serialnumber } = JSON.parse(facts);
  const record = (name) => `nodes/${serialnumber}/${name}`;
  const [records, known] = await Promise.all([env.ZTP_DATA.get([".node", "definition"].map(record)), hasConfig(env, serialnumber)]);
  if (known || records.get(record("definition")) !== null) return answer(env, "POST /nodes 409", null);
  const neighbordb = await document(env, "neighbordb");
  const definition = await document(env, "definitions/leaf");
  await env.ZTP_DATA.put(record(".node"), facts);
  await env.ZTP_DATA.put(record("pattern"), neighbordb.slice(0, 200));
  await env.ZTP_DATA.put(record("definition"), definition);
  return answer(env, "POST /nodes 201", null);
}

/** GET /nodes/{id}: 1 bulk read and 1 look. */
async function definition(env, id) {
  const keys = [".node", "pattern", "definition", "attributes"].map((name) => `nodes/${id}/${name}`);
  const [records] = await Promise.all([env.ZTP_DATA.get(keys), hasConfig(env, id)]);
  return answer(env, "GET /nodes", records.get(`nodes/${id}/definition`));
}

/** GET startup-config: 1 KV read. */
async function getConfig(env, id) {
  return answer(env, "GET startup-config", await env.ZTP_DATA.get(`nodes/${id}/startup-config`));
}

/** PUT startup-config: 1 KV write. */
async function putConfig(request, env, id) {
  const key = `nodes/${id}/startup-config`;
  await env.ZTP_DATA.put(key, await request.arrayBuffer());
  return answer(env, "PUT startup-config", null);
}

/** Meta of a node's record: 1 KV read. */
async function recordMeta(env, key) {
  const value = await env.ZTP_DATA.get(key, "arrayBuffer");
  return metaAnswer(env, { size: value.byteLength, sha1: hex(await crypto.subtle.digest("SHA-1", value)) });
}

/**
 * Meta of an object: 1 head and 1 KV read cold, none warm. The first of a version of the object also
 * reads and hashes it, and 1 write.
 */
async function meta(env, key) {
  const found = recall(`meta/${key}`);
  if (found) return metaAnswer(env, found);
  const { size, version } = await env.ZTP_FILES.head(key);
  const remembered = await env.ZTP_DATA.get(`digests/${version}`, "json");
  if (remembered) return metaAnswer(env, keep(`meta/${key}`, remembered));
  const { body } = await env.ZTP_FILES.get(key);
  const digest = { size, sha1: hex(await sha1(body)) };
  await env.ZTP_DATA.put(`digests/${version}`, JSON.stringify(digest));
  return metaAnswer(env, keep(`meta/${key}`, digest));
}

/** Hashes a body, a megabyte at a time: pipeTo() makes an object of every 4 KiB, at five times the CPU. */
async function sha1(body) {
  const hash = new crypto.DigestStream("SHA-1");
  const writer = hash.getWriter();
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(HASHED_AT_ONCE);
  for (;;) {
    const { value, done } = await reader.readAtLeast(HASHED_AT_ONCE, new Uint8Array(buffer));
    if (value?.byteLength > 0) {
      await writer.write(value);
      buffer = value.buffer;
    }
    if (done) break;
  }
  await writer.close();
  return hash.digest;
}

function metaAnswer(env, value) {
  return answer(env, "GET /meta", JSON.stringify(value));
}

function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
