// A site boots during an attack: many switches at once, and every tenth request is hostile. Every
// accepted write is read back afterwards, and must be the same byte for byte.
//
//   node tests/security/load.mjs [--requests 10000] [--seed 1]

import assert from "node:assert/strict";
import { AMSTERDAM, LONDON, nodeToken } from "../e2e/credentials.mjs";
import { facts } from "../e2e/harness.mjs";
import { exchange } from "./exchange.mjs";
import { hostileRequest } from "./hostile.mjs";
import { generator, numberOption } from "./random.mjs";
import { CRASH, startDirectly } from "./runtime.mjs";

const REQUESTS = numberOption("--requests", 10_000);
const SEED = numberOption("--seed", 1);
const AT_ONCE = 100;
/** The requests of one switch. */
const REQUESTS_OF_A_SWITCH = 9;

const random = generator(SEED);
const worker = await startDirectly({ ZTP_TOKENS: `amsterdam=${AMSTERDAM}\nlondon=${LONDON}` });
await worker.r2.put("files/f", "a file");
const hostile = { count: Math.ceil(REQUESTS / 10), sent: 0, withoutResponse: 0 };
const switches = Math.ceil((REQUESTS - hostile.count) / REQUESTS_OF_A_SWITCH);
const kept = new Map();
let next = 0;
let slowest = 0;
const started = performance.now();

const attack = async () => {
  for (; hostile.sent < hostile.count; ) {
    hostile.sent += 1;
    const request = hostileRequest(random, ["", "/t", `/t/${AMSTERDAM}`, `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1")}`]);
    if ((await exchange(worker.url.port, request)) === undefined) hostile.withoutResponse += 1;
  }
};
const site = async () => {
  for (; next < switches; ) {
    next += 1;
    await live(`SN${next}`);
  }
};
await Promise.all([...Array.from({ length: AT_ONCE * 0.9 }, site), ...Array.from({ length: AT_ONCE * 0.1 }, attack)]);
const seconds = (performance.now() - started) / 1000;

assert.equal(hostile.withoutResponse, 0, "every hostile request has a response, or its connection is closed");
for (const line of worker.logs()) assert.doesNotMatch(line, CRASH);
let bytes = 0;
for (const [id, config] of kept) {
  const response = await worker.request("GET", `/t/${AMSTERDAM}/nodes/${id}/startup-config`);
  assert.equal(response.status, 200, id);
  assert.ok(config.equals(response.bytes), `${id} is the body of its last accepted PUT`);
  bytes += config.length;
}
assert.equal(kept.size, switches);
const requests = switches * REQUESTS_OF_A_SWITCH + hostile.sent;
console.log(
  `load: ${requests} requests, ${hostile.sent} of them hostile, ${AT_ONCE} at once, in ${seconds.toFixed(1)} s; slowest of a switch ${slowest.toFixed(0)} ms; ` +
    `${switches * 3} accepted writes, the last of each of ${kept.size} nodes read back: ${bytes} bytes, all equal (seed ${SEED})`,
);
await worker.stop();

/** One switch: boots from the responses, and backs up its configuration twice. */
async function live(id) {
  const credential = nodeToken("amsterdam", AMSTERDAM, id);
  const ask = async (method, path, status, body) => {
    const asked = performance.now();
    const response = await worker.request(method, `/t/${credential}${path}`, { body });
    slowest = Math.max(slowest, performance.now() - asked);
    assert.equal(response.status, status, `${method} ${path}: ${response.text.slice(0, 200)}`);
    return response;
  };
  const put = async (config) => {
    await ask("PUT", `/nodes/${id}/startup-config`, 201, config);
    kept.set(id, config);
  };
  const read = async () => {
    const response = await ask("GET", `/nodes/${id}/startup-config`, 200);
    assert.ok(kept.get(id).equals(response.bytes), `${id} reads the configuration that it wrote`);
  };
  await ask("GET", "/bootstrap", 200);
  await ask("POST", "/nodes", 201, JSON.stringify(facts(id, { config: `hostname ${id}` })));
  kept.set(id, Buffer.from(`hostname ${id}`));
  await read();
  await ask("GET", `/nodes/${id}`, 200);
  await ask("GET", "/files/f", 200);
  await put(content(id));
  await read();
  await ask("GET", `/meta/nodes/${id}/startup-config`, 200);
  await put(content(id));
}

/** A unique configuration of random bytes, up to 16 KiB. */
function content(id) {
  return Buffer.from(`${id}\r\n\0${random.bytes(random.below(16 << 10))}`, "latin1");
}
