// Clients that disconnect before the end of their request or its response: nothing is half-written, and each request
// has its line in the log.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { facts, startWorker, waitFor } from "./harness.mjs";

const TOKEN = "berlin-token-0123456789";
const ADMIN = "an-admin-token-0123";
const SIZE = 4 << 20;

let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_TOKENS: `berlin=${TOKEN}`, ZTP_ADMIN_TOKEN: ADMIN } });
});
after(() => worker.stop());
beforeEach(async () => {
  await worker.reset();
  await worker.kv.put("neighbordb", "patterns:\n- {name: leaf, definition: leaf, interfaces: [{Ethernet1: spine1}]}\n");
  await worker.kv.put("definitions/leaf", "name: leaf\nactions:\n- action: a\n  attributes: {ip: allocate('net')}\n");
  await worker.kv.put("resources/net", "10.0.0.1: null\n10.0.0.2: null\n");
  await worker.r2.put("files/image", Buffer.alloc(SIZE, "x"));
});

const send = (method, path, options) => worker.request(method, `/t/${TOKEN}${path}`, options);
const body = (value) => JSON.stringify(value);
const REPORT = { boot: "abcdef01", seq: 1, at: 0, event: "boot-started" };
const post = () => send("POST", "/nodes", { body: body(facts("SN1")) });

/** Ways to end a connection: the kernel sends a reset, or that nothing follows. */
const ENDS = {
  reset: (socket) => socket.resetAndDestroy(),
  "half-close": (socket) => socket.end(),
};

/** Sends bytes, and ends the connection after `pause` milliseconds; returns what came meanwhile. */
function cut(bytes, end, pause) {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(worker.url);
    const chunks = [];
    const socket = net.connect({ host: hostname, port, allowHalfOpen: true });
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve(Buffer.concat(chunks)));
    socket.on("connect", () => socket.write(bytes, () => setTimeout(() => end(socket), pause)));
  });
}

const head = (method, path, ...headers) => [`${method} /t/${TOKEN}${path} HTTP/1.1`, "Host: ztp", ...headers, "", ""].join("\r\n");
const lines = (route) => waitFor(`the line of ${route}`, () => {
  const found = worker.requests().filter((line) => line.route === route);
  return found.length > 0 && found;
});
/** The kinds of the events of the node. */
const events = async () => {
  const { json } = await worker.request("GET", "/admin/nodes/SN1", { headers: { Authorization: `Bearer ${ADMIN}` } });
  return (json.events ?? []).map(({ event }) => event);
};
const keys = async () => (await worker.kv.list({ prefix: "nodes/" })).keys.map(({ name }) => name.slice("nodes/".length));

/** Waits until KV has the records of a registered node, and these; returns their names. */
const copied = (...others) => {
  const records = [".node", "definition", "pattern", "site", ...others].map((name) => `SN1/${name}`);
  return waitFor("a copy of the records in KV", async () => (await keys()).join() === records.sort().join() && records);
};
const registered = async () => {
  assert.equal((await post()).status, 201);
  return copied();
};

const UPLOADS = [
  ["POST", "/nodes", "/nodes", () => body(facts("SN1")), /^the node facts was cut off/],
  ["PUT", "/nodes/SN1/startup-config", "/nodes/{id}/startup-config", () => "hostname SN1\nend\n", /^the startup-config was cut off/],
  ["POST", "/nodes/SN1/events", "/nodes/{id}/events", () => body(REPORT), /^the report was cut off/],
];

for (const [method, path, route, text, reason] of UPLOADS) {
  for (const [how, end] of Object.entries(ENDS)) {
    for (const kind of ["with its length", "in chunks"]) {
      test(`${method} ${path} ${kind}, ended by a ${how} within the body, stores nothing`, async () => {
        const before = path === "/nodes" ? [] : await registered();
        worker.logs();
        const bytes = Buffer.from(text());
        const half = bytes.subarray(0, bytes.length - 4);
        const sent = kind === "in chunks" ? Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half, Buffer.from("\r\n")]) : half;
        const header = kind === "in chunks" ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.length}`;
        await cut(Buffer.concat([Buffer.from(head(method, path, header)), sent]), end, 100);
        const found = await lines(route);
        assert.deepEqual(found.map(({ status }) => status), [400]);
        assert.match(found[0].reason, reason);
        // What was stored would be in KV by now.
        await sleep(500);
        assert.deepEqual(await keys(), before);
        const kinds = (await events()).filter((event) => event !== "refused");
        assert.deepEqual(kinds, path === "/nodes" ? [] : ["registered"]);
      });
    }
  }

  test(`${method} ${path}, ended right after the body, is stored as a whole`, async () => {
    if (path !== "/nodes") await registered();
    worker.logs();
    const bytes = text();
    await cut(head(method, path, `Content-Length: ${bytes.length}`) + bytes, ENDS.reset, 0);
    const found = await lines(route);
    assert.deepEqual(found.map(({ status }) => Math.floor(status / 100)), [2]);
    const kind = { "/nodes": "registered", "/nodes/SN1/events": "boot-started" }[path] ?? "startup-config-stored";
    await waitFor(kind, async () => (await events()).includes(kind));
    await copied(...(path.endsWith("config") ? ["startup-config"] : []));
  });
}

for (const [path, route] of [
  ["/bootstrap", "/bootstrap"],
  ["/nodes/SN1", "/nodes/{id}"],
  ["/nodes/SN1/startup-config", "/nodes/{id}/startup-config"],
  ["/files/image", "/files/{path}"],
  ["/meta/files/image", "/meta/files/{path}"],
  ["/meta/nodes/SN1/startup-config", "/meta/nodes/{id}/{record}"],
  ["/actions/add_config", "/actions/{name}"],
]) {
  for (const pause of [0, 5]) {
    test(`GET ${path}, ended ${pause} ms after its head, has its line in the log, and the next one is served`, async () => {
      await registered();
      if (path.includes("startup-config")) assert.equal((await send("PUT", "/nodes/SN1/startup-config", { body: "a".repeat(SIZE) })).status, 201);
      worker.logs();
      await cut(head("GET", path), ENDS.reset, pause);
      assert.deepEqual((await lines(route)).map(({ status }) => status), [200]);
      assert.equal((await send("GET", path)).status, 200);
    });
  }
}
