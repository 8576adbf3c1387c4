// The file of a pool, in a KV that returns earlier states of it: a removed value is given to no node.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { withStorage } from "../../scripts/storage.mjs";
import { startFaulty } from "./faults.mjs";
import { assertRefusal, send } from "./harness.mjs";
import { startOn } from "./persistent.mjs";

const KEY = "resources/net";
const DEFINITION = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] });
const MINUTE = 60_000;
const file = (...values) => values.map((value) => `10.0.0.${value}: null\n`).join("");

/** The last byte of the address that a response has; the response, if it has none. */
const valueIn = (response) => (response.status === 200 ? Number(response.json.actions[0].attributes.ip.split(".").at(-1)) : response);

describe("the file of a pool", () => {
  let worker;
  before(async () => {
    worker = await startFaulty();
  });
  after(() => worker.stop());

  let pools = 0;
  /** A pool of its own for each test: `shows` is what KV returns for its file, and `ask` requests a value. */
  function newPool() {
    const name = `net${++pools}`;
    const [key, definition] = [`resources/${name}`, DEFINITION.replace("net", name)];
    let nodes = 0;
    return {
      key,
      shows: (text) => (text === undefined ? worker.kv.delete(key) : worker.kv.put(key, text)),
      async ask(node = `${name}N${++nodes}`) {
        await worker.kv.put(`nodes/${node}/definition`, definition);
        return valueIn(await worker.request("GET", `/nodes/${node}`));
      },
    };
  }

  test("counts at once when it changes", async () => {
    const { shows, ask } = newPool();
    await shows(file(1, 2));
    assert.equal(await ask(), 1);
    await shows(file(3));
    assert.equal(await ask(), 3);
    await shows(file(4, 2));
    assert.equal(await ask(), 4);
  });

  test("that a stale read shows does not bring a removed value back, until such a read cannot be stale", async () => {
    const { key, shows, ask } = newPool();
    await shows(file(1, 2, 3));
    assert.equal(await ask(), 1);
    await shows(file(4, 5));
    assert.equal(await ask(), 4);
    await shows(file(1, 2, 3));
    worker.logs();
    assert.equal(await ask("STALE"), 5);
    const warning = worker.logs().find(({ level, message }) => level === "warn" && message.includes('"object":"pool"'));
    assert.ok(warning?.message.includes(`KV shows an earlier state of ${key}`), "the log has a warning");
    assertRefusal(await ask(), 400, /no value is free: 3 are taken/);
    await worker.advance(9 * MINUTE);
    assertRefusal(await ask(), 400, /no value is free/);
    await worker.advance(1 * MINUTE);
    assert.equal(await ask(), 2, "an operator has put the earlier contents back");
    await shows(file(4, 5, 6));
    assert.equal(await ask(), 6);
    assert.equal(await ask("STALE"), 5, "a node keeps its value");
  });

  test("with the former values and a new comment counts at once", async () => {
    const { shows, ask } = newPool();
    await shows(file(1));
    assert.equal(await ask(), 1);
    await shows(file(2, 3));
    assert.equal(await ask(), 2);
    await shows(`# again\n${file(4)}`);
    assert.equal(await ask(), 4);
  });

  test("that was deleted gives no value, also if a stale read shows it, until it can be an operator's edit", async () => {
    const { key, shows, ask } = newPool();
    await shows(file(1, 2, 3));
    assert.equal(await ask(), 1);
    await shows(undefined);
    assertRefusal(await ask(), 400, new RegExp(`${key} is not stored$`, "m"));
    await shows(file(1, 2, 3));
    assertRefusal(await ask(), 400, new RegExp(`${key} is not stored; KV shows an earlier state of ${key}.*counts in 10 min`));
    await worker.advance(10 * MINUTE);
    assert.equal(await ask(), 2);
  });

  test("that is new gives values while stale reads show no file", async () => {
    const { shows, ask } = newPool();
    assertRefusal(await ask(), 400, /is not stored/);
    await shows(file(1, 2));
    assert.equal(await ask(), 1);
    await shows(undefined);
    assert.equal(await ask(), 2);
    await worker.advance(10 * MINUTE);
    assertRefusal(await ask(), 400, /is not stored/);
  });

  test("that became invalid gives no value while stale reads show the valid one", async () => {
    for (const invalid of ["- broken\n", Buffer.from([0x31, 0xff])]) {
      const { shows, ask } = newPool();
      await shows(file(1, 2));
      assert.equal(await ask(), 1);
      await shows(invalid);
      assertRefusal(await ask(), 400, /cannot be used: resources\/net\d+ is (broken|not UTF-8)/);
      await shows(file(1, 2));
      assertRefusal(await ask(), 400, /cannot be used: resources\/net\d+ is (broken|not UTF-8)/);
      await shows("");
      assertRefusal(await ask(), 400, /it is empty/);
      await shows(file(3));
      assert.equal(await ask(), 3);
    }
  });
});

describe("the file of a pool that an operator changes through the API", () => {
  const ADMIN = "an-admin-token-0123";
  let worker;
  before(async () => {
    worker = await startFaulty({ bindings: { ZTP_ADMIN_TOKEN: ADMIN } });
  });
  after(() => worker.stop());

  const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body });
  const change = async (method, path, body) => {
    const done = await admin(method, path, body);
    assert.ok(done.status < 300, done.text);
    return done.json.audit;
  };
  let nodes = 0;
  async function ask() {
    const node = `SN${++nodes}`;
    await worker.kv.put(`nodes/${node}/definition`, DEFINITION);
    return valueIn(await worker.request("GET", `/nodes/${node}`));
  }

  test("counts at once, also if an undo puts the former contents back, or KV still shows them", async () => {
    await change("PUT", `/content/${KEY}`, file(1, 2, 3, 4));
    assert.equal(await ask(), 1);
    const wrong = await change("PUT", `/content/${KEY}`, file(8, 9));
    assert.equal(await ask(), 8);
    const undone = await change("POST", `/audit/${wrong}/undo`);
    assert.equal(await ask(), 2, "an undo is not a stale read");
    await change("POST", `/audit/${undone}/undo`);
    assert.equal(await ask(), 9);
    await worker.kv.put(KEY, file(1, 2, 3, 4));
    assertRefusal(await ask(), 400, /no value is free: 4 are taken/);
    await worker.kv.put(KEY, file(8, 9));
    const deleted = await change("DELETE", `/content/${KEY}`);
    assertRefusal(await ask(), 400, /is not stored/);
    await change("POST", `/audit/${deleted}/undo`);
    assertRefusal(await ask(), 400, /no value is free: 4 are taken/);
    await change("PUT", `/content/${KEY}`, file(1, 2, 3, 4));
    assert.equal(await ask(), 3);
  });
});

test("the newest contents are remembered when the runtime is killed, also if they are too large to be used", { timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ztp-edge-file-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const store = (contents) =>
    withStorage(folder, async ({ kv }) => {
      await kv.put(KEY, contents);
      for (const node of ["N1", "N2", "N3", "N4"]) await kv.put(`nodes/${node}/definition`, DEFINITION);
    });
  const ask = async (node) => {
    const worker = await startOn(folder);
    t.after(() => worker.kill());
    const found = valueIn(await send(worker.url, "GET", `/nodes/${node}`));
    await worker.kill();
    return found;
  };
  await store(file(1, 2, 3));
  assert.equal(await ask("N1"), 1);
  await store(file(4, 5, 6));
  assert.equal(await ask("N2"), 4);
  await store(file(1, 2, 3));
  assert.equal(await ask("N3"), 5);
  // More than a row of the object's database has.
  await store(`# ${"é".repeat(1_600_000)}\n${file(7)}`);
  assertRefusal(await ask("N4"), 400, /is broken: .* the text has 3200\d+ bytes/);
  await store(file(4, 5, 6));
  assertRefusal(await ask("N4"), 400, /is broken: .* the text has 3200\d+ bytes/);
});
