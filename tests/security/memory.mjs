// Memory of the built Worker while clients misbehave: uploads that are reset, slow ones, uploads in one-byte
// chunks, a large startup-config that an operator stored, and images that an operator pushes.
//
//   node tests/security/memory.mjs [--short]
//
// An isolate has 128 MB for all its requests. Each case stays within MAX_ABOVE_IDLE of the idle Worker, and
// returns to within MAX_KEPT of it: JavaScript's heap, buffers and wasm memory. The memory of the whole
// process is printed, too, and not asserted: the allocator keeps memory that the runtime has freed.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../scripts/run.mjs";
import { AMSTERDAM, nodeToken } from "../e2e/credentials.mjs";
import { startFaulty } from "../e2e/faults.mjs";
import { facts } from "../e2e/harness.mjs";
import { inspect, runtimePid } from "./inspector.mjs";

const MIB = 1 << 20;
const ADMIN = "an-admin-token-0123";
const MAX_ABOVE_IDLE = 64 * MIB;
const MAX_KEPT = 10 * MIB;
/** The largest value in KV, and the largest startup-config from a switch, in bytes. */
const [MAX_VALUE, MAX_STARTUP_CONFIG] = [25 * MIB, 8 * MIB];
/** The interval of memory samples, in milliseconds. */
const PERIOD = 50;
/** The timeout for the log line of an aborted request, in milliseconds. */
const BOUND = 120_000;

const short = process.argv.includes("--short");
const inspectorPort = await freePort();
const worker = await startFaulty({ inspectorPort, bindings: { ZTP_TOKENS: `amsterdam=${AMSTERDAM}`, ZTP_ADMIN_TOKEN: ADMIN } });
const site = `/t/${AMSTERDAM}`;
const own = (node) => `/t/${nodeToken("amsterdam", AMSTERDAM, node)}/nodes/${node}/startup-config`;
const wake = () => worker.request("HEAD", `${site}/openapi.yaml`);
const inspector = await inspect({ port: inspectorPort, name: "faulty", pid: runtimePid(), wake });

/** Samples the memory after a garbage collection. A case calls this at its peak. */
let look;

await worker.kv.put("nodes/JPE1/startup-config", Buffer.alloc(4 * MIB, "hostname JPE1\n"));
await worker.kv.put("nodes/JPE2/startup-config", Buffer.alloc(MAX_VALUE, 0xff));
await warmUp();
await measure("reset uploads", () => resetUploads(short ? 100 : 1000));
await measure("slow uploads of 10 KB", () => slowUploads(200, 10_000));
await measure("slow uploads of 1 MiB", () => slowUploads(200, MIB));
if (short) await measure("256 KiB in one-byte chunks", () => tinyChunks(MIB / 4, 201));
else {
  await measure("8 MiB in one-byte chunks", () => tinyChunks(MAX_STARTUP_CONFIG, 201));
  await measure("25 MiB in one-byte chunks", () => tinyChunks(25 * MIB, 413));
}
await measure("a stored startup-config of 25 MiB", () => largeStored(short ? 1 : 10));
await measure("an object of 90 MiB in one request", () => largeObject(90 * MIB));
await measure("an image in parts", () => imageInParts(short ? 128 : 1024));
inspector.close();
await worker.stop();

/** Runs a case, and compares its memory with that of the idle Worker. */
async function measure(name, run) {
  const idle = await inspector.live();
  // `peak` before and `live` after a garbage collection, in bytes above idle.
  const most = { peak: 0, live: 0, rss: 0 };
  const total = ({ heap, buffers, wasm = idle.wasm }) => heap + buffers + wasm;
  const above = (now) => total(now) - total(idle);
  look = async () => {
    const now = await inspector.live();
    most.live = Math.max(most.live, above(now));
    most.rss = Math.max(most.rss, now.rss - idle.rss);
  };
  let running = true;
  const watch = async () => {
    for (; running; await sleep(PERIOD)) {
      const now = await inspector.usage();
      most.peak = Math.max(most.peak, above(now));
      most.rss = Math.max(most.rss, now.rss - idle.rss);
    }
  };
  const watching = watch();
  const found = await run().finally(() => (running = false));
  await watching;
  const after = await inspector.live();
  const kept = above(after);
  const mib = (bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
  console.log(
    `memory, ${name}: ${found}; above idle at most ${mib(Math.max(most.peak, most.live))} (${mib(most.live)} without garbage), ` +
      `kept ${mib(kept)}, of it wasm ${mib(after.wasm - idle.wasm)}; the process at most ${mib(most.rss)}`,
  );
  assert.ok(Math.max(most.peak, most.live, kept) <= MAX_ABOVE_IDLE, `${name} uses more than ${mib(MAX_ABOVE_IDLE)}`);
  assert.ok(kept <= MAX_KEPT, `${name} leaves more than ${mib(MAX_KEPT)} in memory`);
}

/** One request of each kind: compiled code and parsed tokens are idle memory. */
async function warmUp() {
  for (const [method, path, options] of requestsOf("JPE1")) await worker.request(method, path, options);
  await worker.request("PUT", own("WARM"), { body: Buffer.alloc(MIB, "x") });
}

function requestsOf(node) {
  return [
    ["POST", `${site}/nodes`, { body: JSON.stringify(facts(node)) }, 409],
    ["GET", `${site}/nodes/${node}`, {}, 200],
    ["GET", `${site}/nodes/${node}/startup-config`, {}, 200],
    ["HEAD", `${site}/nodes/${node}/startup-config`, {}, 200],
    ["GET", `${site}/meta/nodes/${node}/startup-config`, {}, 200],
  ];
}

/** Clients that reset their connection during a body: each request ends, and is logged. */
async function resetUploads(count) {
  const AT_ONCE = 50;
  const before = await worker.kv.get("nodes/JPE1/startup-config");
  const part = Buffer.from(`{"config": "${"x".repeat(300_000)}`);
  worker.logs();
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const uploads = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        index % 2 ? begin("PUT", `${site}/nodes/JPE1/startup-config`, MIB, part) : begin("POST", `${site}/nodes`, MIB, part),
      ),
    );
    await arrived();
    if (sent % 200 === 0) await look();
    for (const { socket } of uploads) socket.resetAndDestroy();
  }
  const lines = await uploadLines(count);
  assert.equal(lines.length, count, "every aborted request has exactly one log line");
  for (const { status, reason } of lines) {
    assert.equal(status, 400);
    assert.match(reason, /^the (startup-config|node facts) was cut off: .*client disconnected/);
  }
  assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), before, "the stored startup-config stays");
  return `${count}, each logged`;
}

/**
 * Clients that pause during a body. Each receives a response: 503 if there was no memory for its body.
 * Meanwhile other switches boot.
 */
async function slowUploads(count, size) {
  const half = Buffer.alloc(size * 0.9, "x");
  const uploads = await Promise.all(Array.from({ length: count }, (_, index) => begin("PUT", own(`SLOW${index}`), size, half)));
  await arrived();
  await look();
  const [post, , , , meta] = requestsOf("JPE1");
  for (const [method, path, options, status] of [post, meta]) assert.equal((await worker.request(method, path, options)).status, status);
  await look();
  for (const { socket } of uploads) socket.write(Buffer.alloc(size - half.length, "x"));
  const responses = await Promise.all(uploads.map(({ response }) => response));
  const stored = responses.filter((response) => response.startsWith("HTTP/1.1 201 ")).length;
  const refused = responses.filter((response) => /^HTTP\/1.1 503 .*\r\nRetry-After: 5\r\n.*retry in a few seconds/is.test(response)).length;
  assert.equal(stored + refused, count, responses.find((response) => !/^HTTP\/1.1 (201|503) /.test(response)));
  assert.ok(stored >= 4, `${stored} of ${count} slow uploads were stored`);
  if (size <= 16 << 10) assert.equal(refused, 0, "a small body is never rejected");
  const again = await worker.request("PUT", own("SLOW0"), { body: Buffer.alloc(MAX_STARTUP_CONFIG, "x") });
  assert.equal(again.status, 201, "an upload succeeds again");
  await worker.kv.delete("nodes/SLOW0/startup-config");
  return `${count} at once, ${stored} stored, ${refused} refused`;
}

async function tinyChunks(size, status) {
  const CHUNKS = 64 << 10;
  const part = Buffer.from("1\r\nx\r\n".repeat(CHUNKS));
  const { socket, response } = await begin("PUT", own("TINY"), undefined, "");
  for (let sent = 0; sent < size; sent += CHUNKS) {
    if (!socket.write(part)) await once(socket, "drain");
    if (sent % MIB === 0) await look();
  }
  socket.write("0\r\n\r\n");
  assert.match(await response, new RegExp(`^HTTP/1.1 ${status} `));
  await worker.settle();
  if (status === 201) assert.equal(await worker.kv.get("nodes/TINY/startup-config"), "x".repeat(size));
  return String(status);
}

/** Sends each kind of request about a node with a startup-config that is not UTF-8, four at a time. */
async function largeStored(rounds) {
  for (const [method, path, options, status] of requestsOf("JPE2")) {
    for (let round = 0; round < rounds; round += 1) {
      const asked = Array.from({ length: 4 }, () => worker.request(method, path, options));
      await look();
      for (const response of await Promise.all(asked)) {
        assert.equal(response.status, status, `${method} ${path}`);
        if (path.includes("/meta/")) assert.equal(response.json.size, MAX_VALUE);
        else if (path.endsWith("/startup-config")) assert.equal(method === "HEAD" ? Number(response.headers["content-length"]) : response.bytes.length, MAX_VALUE);
      }
    }
  }
  return `${rounds * 4} requests of each of 5 kinds`;
}

/** Stores an object in one request, twice: the second time its former value is kept. */
async function largeObject(size) {
  const headers = { Authorization: `Bearer ${ADMIN}` };
  for (const byte of ["a", "b"]) {
    const body = Buffer.alloc(size, byte);
    const stored = worker.request("PUT", `/admin/content/files/large.swi?sha1=${createHash("sha1").update(body).digest("hex")}`, { headers, body });
    await look();
    assert.ok([200, 201].includes((await stored).status), (await stored).text);
  }
  return "stored and replaced";
}

/** Uploads an image as `ztp push` does. */
async function imageInParts(mib) {
  const headers = { Authorization: `Bearer ${ADMIN}` };
  const zeros = Buffer.alloc(MIB);
  const [sha1, sha256] = ["sha1", "sha256"].map((name) => {
    const hash = createHash(name);
    for (let at = 0; at < mib; at += 1) hash.update(zeros);
    return hash.digest("hex");
  });
  const call = async (method, path, body) => {
    const response = await worker.request(method, `/admin/uploads${path}`, { headers, body });
    assert.ok([200, 201].includes(response.status), response.text);
    return response.json;
  };
  const { upload, part_size: partSize } = await call("POST", "", JSON.stringify({ key: "files/image.swi", size: mib * MIB, sha1, sha256 }));
  for (let number = 1, left = mib * MIB; left > 0; number += 1, left -= partSize) {
    await call("PUT", `/${upload}/${number}`, Buffer.alloc(Math.min(partSize, left)));
    await look();
  }
  const { size } = await call("POST", `/${upload}/complete`);
  assert.equal(size, mib * MIB);
  return `${mib} MiB in parts of ${partSize / MIB} MiB`;
}

/** Sends the head of an upload and a part of its body, which has `length` bytes or is chunked. */
async function begin(method, path, length, part) {
  const socket = net.connect({ port: worker.url.port, host: "127.0.0.1" });
  const chunks = [];
  const response = new Promise((resolve, reject) => {
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
    socket.on("error", reject);
  });
  // A reset by this side is not an error. Any other reset rejects `response`.
  response.catch(() => {});
  const framing = length === undefined ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  socket.write(`${method} ${path} HTTP/1.1\r\nHost: ztp.example.net\r\nConnection: close\r\n${framing}\r\n\r\n`);
  await new Promise((resolve) => socket.write(part, resolve));
  return { socket, response };
}

/** Waits until the Worker has received earlier bytes: the runtime accepts connections in order. */
async function arrived() {
  await wake();
  await wake();
}

/** Waits for at least `count` log lines of POST and PUT, and returns them. */
async function uploadLines(count) {
  const found = [];
  for (const end = Date.now() + BOUND; found.length < count && Date.now() < end; await sleep(PERIOD)) {
    const messages = worker.logs().map(({ message }) => message);
    const lines = messages.filter((message) => message.startsWith('{"method"')).map((message) => JSON.parse(message));
    found.push(...lines.filter(({ method }) => method === "POST" || method === "PUT"));
  }
  return found;
}
