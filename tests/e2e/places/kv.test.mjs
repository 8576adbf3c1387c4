// The KV of the bench behaves as Cloudflare documents KV. Operations come as the runtime's binding sends them.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send } from "../harness.mjs";
import { startKv } from "./bench.mjs";

const SECOND = 1000;
const folder = mkdtempSync(join(tmpdir(), "ztp-places-kv-"));
let kv;
before(async () => {
  kv = await startKv(folder, {});
});
after(async () => {
  await kv.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** One operation in a place: its status and body. */
async function ask(place, method, path, body) {
  const { href } = kv.bindingOf(place);
  const { status, text } = await send(href, method, `/?place=${place}`, { headers: { "MF-URL": `https://kv${path}` }, body });
  return { status, text };
}
const get = async (place, key, query = "") => {
  const { status, text } = await ask(place, "GET", `/${key}${query}`);
  return status === 404 ? null : text;
};
const put = async (place, key, text) => (await ask(place, "PUT", `/${key}`, text)).status;

let passed = 0;
async function pass(milliseconds) {
  passed += milliseconds;
  await kv.control("clock", { clock: { real: 0, simulated: passed, rate: 1 } });
}

test("a write shows at once where it was made, and elsewhere when the cached value expires", async () => {
  assert.equal(await put("a", "k1", "old"), 200);
  assert.equal(await get("b", "k1"), "old");
  await pass(30 * SECOND);
  assert.equal(await put("a", "k1", "new"), 200);
  assert.equal(await get("a", "k1"), "new");
  await pass(29 * SECOND);
  assert.equal(await get("b", "k1"), "old");
  assert.equal(await get("c", "k1"), "new", "a place that has not cached the key");
  await pass(1 * SECOND);
  assert.equal(await get("b", "k1"), "new");
});

test("a miss is cached as a value is, also of a key in a bulk read", async () => {
  assert.equal(await get("a", "k2"), null);
  assert.deepEqual(JSON.parse((await ask("b", "POST", "/bulk/get", JSON.stringify({ keys: ["k2", "k3"] }))).text), { k2: null, k3: null });
  await kv.operator.putAll({ k2: "two", k3: "three" });
  assert.equal(await get("a", "k2"), null);
  assert.equal(await get("b", "k2"), null);
  assert.equal(await get("b", "k3"), null);
  assert.deepEqual(JSON.parse((await ask("a", "POST", "/bulk/get", JSON.stringify({ keys: ["k2", "k3"] }))).text), { k2: null, k3: "three" });
  await pass(60 * SECOND);
  assert.equal(await get("a", "k2"), "two");
  assert.equal(await get("b", "k3"), "three");
});

test("a deletion shows as a write does", async () => {
  await kv.operator.put("k4", "four");
  assert.equal(await get("a", "k4"), "four");
  await pass(1 * SECOND);
  assert.equal((await ask("b", "DELETE", "/k4")).status, 200);
  assert.equal(await get("b", "k4"), null);
  assert.equal(await get("a", "k4"), "four");
  assert.equal(await kv.operator.get("k4"), null);
  await pass(60 * SECOND);
  assert.equal(await get("a", "k4"), null);
});

test("a shorter cacheTtl shortens the life of a cached value, to 30 s at least", async () => {
  await kv.operator.put("k5", "old");
  assert.equal(await get("a", "k5", "?cache_ttl=30"), "old");
  await kv.operator.put("k5", "new");
  await pass(29 * SECOND);
  assert.equal(await get("a", "k5"), "old");
  await pass(1 * SECOND);
  assert.equal(await get("a", "k5"), "new");
});

test("a key takes one write per second, from all places together", async () => {
  assert.equal(await put("a", "k6", "1"), 200);
  assert.equal(await put("a", "k6", "2"), 429);
  assert.equal(await put("b", "k6", "3"), 429);
  assert.equal(await put("b", "k7", "3"), 200);
  await pass(1 * SECOND);
  assert.equal(await put("b", "k6", "4"), 200);
  assert.equal(await kv.operator.get("k6"), "4");
});

test("without a cached value, a write shows in another place after a delay, and never a former one after it", async () => {
  await kv.control("rules", { rules: { propagation: 60 * SECOND } });
  await put("a", "k8", "0");
  await pass(60 * SECOND);
  const shown = Array.from({ length: 10 }, () => []);
  for (let time = 0; time <= 120; time += 3) {
    if (time < 60) assert.equal(await put("a", "k8", String(1 + time / 3)), 200);
    assert.equal(await kv.control("shown", { place: "a", key: "k8" }), await kv.operator.get("k8"));
    for (const [at, values] of shown.entries()) values.push(Number(await kv.control("shown", { place: `p${at}`, key: "k8" })));
    await pass(3 * SECOND);
  }
  for (const values of shown) assert.deepEqual(values, values.toSorted((one, other) => one - other));
  const lags = shown.map((values) => values.findIndex((value) => value > 0));
  assert.ok(Math.min(...lags) < 5 && new Set(lags).size > 3, `the first write shows after ${lags} times 3 s`);
  assert.ok(shown.every((values) => values.at(-1) === 20));
  await kv.control("rules", { rules: { propagation: 0 } });
});

test("one operation in so many fails, the same ones for a seed, some of them after they are done", async () => {
  const outcomes = async (prefix) => {
    await kv.control("rules", { rules: { seed: 7, oneIn: 4 } });
    const statuses = [];
    for (let at = 0; at < 60; at += 1) statuses.push(await put("f", `same${at}`, prefix));
    await kv.control("rules", { rules: { oneIn: 0 } });
    await pass(1 * SECOND);
    const stored = await Promise.all(statuses.map((_, at) => kv.operator.get(`same${at}`)));
    return { statuses, isStored: stored.map((value) => value === prefix) };
  };
  const first = await outcomes("x");
  assert.deepEqual(await outcomes("y"), first);
  const failed = first.statuses.flatMap((status, at) => (status === 500 ? [first.isStored[at]] : []));
  assert.ok(failed.length > 5 && failed.includes(true) && failed.includes(false), `${failed}`);
  assert.ok(first.statuses.every((status, at) => status === 500 || first.isStored[at]));
});

test("a place that is cut off fails alone", async () => {
  await kv.operator.put("k9", "nine");
  await kv.control("down", { place: "a", how: "fails" });
  assert.equal((await ask("a", "GET", "/k9")).status, 500);
  assert.equal(await get("b", "k9"), "nine");
  await kv.control("down", { place: "a" });
  assert.equal(await get("a", "k9"), "nine");
});

test("each key of a bulk read is counted, also a missing and a cached one", async () => {
  const before = (await kv.control("figures")).count ?? { reads: 0 };
  await ask("count", "POST", "/bulk/get", JSON.stringify({ keys: ["k1", "k2", "none"] }));
  await get("count", "k1");
  const after = (await kv.control("figures")).count;
  assert.equal(after.reads - before.reads, 4);
  assert.equal(after.cached, 1);
});
