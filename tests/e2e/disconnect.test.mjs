// Clients that disconnect before the end of their request or its response: nothing is half-written, and each request
// has its line in the log.
//
// A reset discards what the runtime has not read yet. So these clients either end only their half of the connection, or
// reset it when the Worker has begun: when it reads KV, or when the response begins. Resets within a body are in
// tests/security/memory.mjs.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";
import { startFaulty } from "./faults.mjs";
import { facts, waitFor } from "./harness.mjs";

const TOKEN = "berlin-token-0123456789";
const ADMIN = "an-admin-token-0123";
const SIZE = 4 << 20;
/** Milliseconds that KV takes while a client waits to disconnect. */
const DELAY = 300;

let worker;
let isSlow = false;
before(async () => {
  worker = await startFaulty({ bindings: { ZTP_TOKENS: `berlin=${TOKEN}`, ZTP_ADMIN_TOKEN: ADMIN }, rules: { delay: ({ operation }) => (isSlow && operation !== "put" ? DELAY : 0) } });
  await worker.kv.put("neighbordb", "patterns:\n- {name: leaf, definition: leaf, interfaces: [{Ethernet1: spine1}]}\n");
  await worker.kv.put("definitions/leaf", "name: leaf\nactions: []\n");
  await worker.r2.put("files/image", Buffer.alloc(SIZE, "x"));
});
after(() => worker.stop());

const send = (method, path, options) => worker.request(method, `/t/${TOKEN}${path}`, options);
const head = (method, path, ...headers) => [`${method} /t/${TOKEN}${path} HTTP/1.1`, "Host: ztp", ...headers, "", ""].join("\r\n");
const keys = async (node) => (await worker.kv.list({ prefix: `nodes/${node}/` })).keys.map(({ name }) => name.slice(`nodes/${node}/`.length));
const RECORDS = [".node", "definition", "pattern", "site"];
/** The kinds of the events of a node. */
const events = async (node) => {
  const { json } = await worker.request("GET", `/admin/nodes/${node}`, { headers: { Authorization: `Bearer ${ADMIN}` } });
  return (json.events ?? []).map(({ event }) => event);
};
async function registered(node, others = {}) {
  assert.equal((await send("POST", "/nodes", { body: JSON.stringify(facts(node, others)) })).status, 201);
  await worker.settle();
  assert.deepEqual(await keys(node), RECORDS);
}

/** Sends bytes; `end` decides when the connection ends. Resolves after that. */
function cut(bytes, end) {
  return new Promise((resolve) => {
    const { hostname, port } = worker.url;
    const socket = net.connect({ host: hostname, port, allowHalfOpen: true });
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", resolve);
    socket.on("connect", () => socket.write(bytes, () => end(socket)));
  });
}
const halfClose = (socket) => {
  socket.resume();
  socket.end();
};
/** The number of reads of KV so far. */
const reads = () => worker.kv.operations.filter(({ operation }) => operation !== "put").length;
/** Sends a request, and disconnects while the Worker waits for KV; returns the line of the request. */
async function abandoned(bytes) {
  worker.logs();
  isSlow = true;
  const before = reads();
  try {
    await cut(bytes, (socket) => waitFor("a read of KV", () => reads() > before).finally(() => socket.resetAndDestroy()));
  } finally {
    isSlow = false;
  }
  return worker.lines();
}

const UPLOADS = {
  "POST /nodes": { path: () => "/nodes", text: (node) => JSON.stringify(facts(node)), reason: /^the node facts was cut off/, event: "registered" },
  "PUT /nodes/{id}/startup-config": { path: (node) => `/nodes/${node}/startup-config`, text: (node) => `hostname ${node}\nend\n`, reason: /^the startup-config was cut off/, event: "startup-config-stored" },
  "POST /nodes/{id}/events": { path: (node) => `/nodes/${node}/events`, text: () => JSON.stringify({ boot: "abcdef01", seq: 1, at: 0, event: "boot-started" }), reason: /^the report was cut off/, event: "boot-started" },
};

for (const [at, [name, { path, text, reason, event }]] of Object.entries(UPLOADS).entries()) {
  const [method, route] = name.split(" ");
  const isFirst = route === "/nodes";

  for (const kind of ["with its length", "in chunks"]) {
    test(`${name} ${kind} that ends within the body stores nothing`, async () => {
      const node = `CUT${at}${kind.length}`;
      if (!isFirst) await registered(node);
      worker.logs();
      const bytes = Buffer.from(text(node));
      const half = bytes.subarray(0, bytes.length - 4);
      const sent = kind === "in chunks" ? Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half, Buffer.from("\r\n")]) : half;
      const header = kind === "in chunks" ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.length}`;
      await cut(Buffer.concat([Buffer.from(head(method, path(node), header)), sent]), halfClose);
      const [line, ...others] = await worker.lines();
      assert.deepEqual([line.route, line.status, others], [route, 400, []]);
      assert.match(line.reason, reason);
      await worker.settle();
      assert.deepEqual(await keys(node), isFirst ? [] : RECORDS);
      const kinds = (await events(node)).filter((event) => event !== "refused");
      assert.deepEqual(kinds, isFirst ? [] : ["registered"]);
    });
  }

  test(`${name} is stored as a whole if the client does not wait for the response`, async () => {
    const node = `GONE${at}`;
    if (!isFirst) await registered(node);
    const bytes = text(node);
    const request = head(method, path(node), `Content-Length: ${bytes.length}`) + bytes;
    worker.logs();
    if (!isFirst) await cut(request, halfClose);
    // The whole body is read before KV.
    const [line, ...others] = await (isFirst ? abandoned(request) : worker.lines());
    assert.deepEqual([line.route, Math.floor(line.status / 100), others], [route, 2, []]);
    await worker.settle();
    assert.deepEqual(await keys(node), event === "startup-config-stored" ? [...RECORDS, "startup-config"] : RECORDS);
    assert.deepEqual(await events(node), isFirst ? [event] : ["registered", event]);
  });
}

for (const [path, route] of [
  ["/bootstrap", "/bootstrap"],
  ["/nodes/READ", "/nodes/{id}"],
  ["/nodes/READ/startup-config", "/nodes/{id}/startup-config"],
  ["/meta/nodes/READ/startup-config", "/meta/nodes/{id}/{record}"],
  ["/meta/files/image", "/meta/files/{path}"],
]) {
  test(`GET ${path} has its line in the log if the client disconnects meanwhile, and the next one is served`, async () => {
    await worker.kv.put("nodes/READ/startup-config", "a".repeat(SIZE));
    // Nothing is in a cache.
    await worker.advance(3_600_000);
    const [line, ...others] = await abandoned(head("GET", path));
    assert.deepEqual([line.route, line.status, others], [route, 200, []]);
    assert.equal((await send("GET", path)).status, 200);
    await worker.lines();
  });
}

test("GET of a file has its line in the log if the client disconnects within it, and the next one is served", async () => {
  worker.logs();
  await cut(head("GET", "/files/image"), (socket) => socket.once("data", () => socket.resetAndDestroy()));
  const [line] = await worker.lines();
  assert.deepEqual([line.route, line.status], ["/files/{path}", 200]);
  assert.equal((await send("GET", "/files/image")).bytes.length, SIZE);
});
