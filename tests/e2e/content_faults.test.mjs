// Content through the /admin API while KV fails, is slow, or shows old values.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { startFaulty } from "./faults.mjs";
import { assertOperatorRefusal } from "./harness.mjs";

const ADMIN = "an-admin-token-0123";
const KEY = "definitions/a";
let worker;
before(async () => {
  worker = await startFaulty({ bindings: { ZTP_ADMIN_TOKEN: ADMIN } });
});
after(() => worker.stop());
let count = 0;
let key;
beforeEach(() => {
  Object.assign(worker.kv, { fails: () => undefined, loses: () => false, delay: () => 0, staleFor: 0, oneWritePerSecond: false });
  key = `${KEY}${(count += 1)}`;
});

const admin = (method, path, { headers = {}, ...options } = {}) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}`, ...headers }, ...options });
const put = (body, headers = {}) => admin("PUT", `/content/${key}`, { body, headers });
const get = () => admin("GET", `/content/${key}`);
const entry = async () => (await admin("GET", `/audit?target=${key}&limit=1`)).json.entries[0];
const value = (n) => `actions: []\nname: v${n}\n`;
const sha1Of = (n) => createHash("sha1").update(value(n)).digest("hex");

describe("while KV fails", () => {
  test("a rejected write is 503, and the entry says that it failed", async () => {
    await put(value(1));
    worker.kv.fails = ({ operation }) => (operation === "put" ? 429 : undefined);
    assertOperatorRefusal(await put(value(2)), 503, /retry/);
    const { outcome, before, after } = await entry();
    assert.deepEqual([outcome, before.size, after.size], ["failed", value(1).length, value(2).length]);
    worker.kv.fails = () => undefined;
    assert.equal((await get()).text, value(1));
    assert.equal((await put(value(2))).status, 200);
  });

  test("a write whose response is lost is 503, the entry says that nobody knows, and the next change is right", async () => {
    const { etag } = (await put(value(1))).json;
    worker.kv.loses = ({ operation }) => operation === "put";
    assertOperatorRefusal(await put(value(2), { "If-Match": etag }), 503, /retry/);
    assert.equal((await entry()).outcome, "unknown");
    worker.kv.loses = () => false;
    // KV has the second value: it counts.
    assert.equal((await get()).text, value(2));
    const refused = assertOperatorRefusal(await put(value(3), { "If-Match": etag }), 412, /read it again/);
    assert.equal((await put(value(3), { "If-Match": refused.current.etag })).status, 200);
    assert.equal(await worker.kv.get(key), value(3));
  });

  test("a change that an object does not confirm is 503, and the entry says that nobody knows", async () => {
    await worker.kv.put("resources/net", "10.0.0.1: null\n");
    worker.kv.fails = ({ operation }) => (operation === "get" ? 500 : undefined);
    assertOperatorRefusal(await admin("PUT", "/pools/net/10.0.0.1?node=JPE1"), 503, /retry/);
    worker.kv.fails = () => undefined;
    const { outcome, detail } = (await admin("GET", "/audit?target=net&limit=1")).json.entries[0];
    assert.equal(outcome, "unknown");
    assert.match(detail, /calling the pool 'net' failed/);
  });

  test("a read that fails is 503, and nothing is written", async () => {
    worker.kv.fails = ({ operation }) => (operation === "get" ? 500 : undefined);
    assertOperatorRefusal(await put(value(1)), 503, /retry/);
    assertOperatorRefusal(await get(), 503, /retry/);
    assert.equal(await worker.kv.get(key), null);
  });
});

describe("while KV accepts one write per second and shows old values", () => {
  test("changes wait, none is lost, and reads have the last one", async () => {
    worker.kv.oneWritePerSecond = true;
    await put(value(0));
    worker.kv.staleFor = 60_000;
    await get();
    for (let n = 1; n <= 3; n += 1) {
      const { headers } = await get();
      const stored = await put(value(n), { "If-Match": headers.etag });
      assert.equal(stored.status, 200, stored.text);
      assert.equal((await get()).text, value(n));
      assertOperatorRefusal(await put(value(9), { "If-Match": headers.etag }), 412, /was changed by admin token/);
    }
    assert.equal(await worker.kv.get(key), value(3));
    // Each former value is the right one, although KV showed another.
    for (let n = 2; n >= 0; n -= 1) {
      const { n: number } = (await admin("GET", `/audit?target=${key}`)).json.entries.find((found) => found.outcome === "done" && found.undo_of === null && found.after.sha1 === sha1Of(n + 1));
      const undone = await admin("POST", `/audit/${number}/undo`);
      if (n === 2) assert.equal(undone.status, 200, undone.text);
      else assert.equal(undone.status, 409);
    }
    assert.equal((await get()).text, value(2));
    assert.equal(await worker.kv.get(key), value(2));
  });

  test("a deleted value is missing, although KV shows it", async () => {
    await put(value(1));
    worker.kv.staleFor = 60_000;
    await get();
    assert.equal((await admin("DELETE", `/content/${key}`)).status, 200);
    assertOperatorRefusal(await get(), 404, /is not stored/);
    assert.equal((await put(value(2), { "If-None-Match": "*" })).status, 201);
    assert.equal((await get()).text, value(2));
  });

  test("changes of different keys do not wait for each other", async () => {
    worker.kv.delay = ({ operation }) => (operation === "put" ? 1000 : 0);
    const started = Date.now();
    const keys = Array.from({ length: 8 }, (_, n) => `${KEY}-parallel-${n}`);
    const stored = await Promise.all(keys.map((name) => admin("PUT", `/content/${name}`, { body: value(1) })));
    assert.deepEqual(stored.map(({ status }) => status), keys.map(() => 201));
    assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms`);
  });

  test("an edit in the dashboard counts", async () => {
    const { etag } = (await put(value(1))).json;
    await worker.kv.put(key, value(7));
    assert.equal((await get()).text, value(7));
    assertOperatorRefusal(await put(value(2), { "If-Match": etag }), 412, /has another value/);
  });
});
