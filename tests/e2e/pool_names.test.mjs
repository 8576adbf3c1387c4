// Several values of a pool for one node, each with a name: `allocate('p2p', 'uplink2')`.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { withStorage } from "../../scripts/storage.mjs";
import { assertOperatorRefusal, assertRefusal, facts, startWorker } from "./harness.mjs";
import { startOn } from "./persistent.mjs";
import { SETTINGS, ask, loadSnapshot } from "./release.mjs";

const ADMIN = "an-admin-token-of-enough-length";
let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body === undefined ? undefined : JSON.stringify(body) });
const pool = (name, ...lines) => worker.kv.put(`resources/${name}`, lines.join("\n"));
/** A definition that calls these names of the pool p2p; "" is the call without a name. */
const definition = (...names) => JSON.stringify({ name: "x", actions: [{ action: "a", attributes: Object.fromEntries(names.map((name) => [name || "plain", name ? `allocate('p2p', '${name}')` : "allocate('p2p')"])) }] });
const define = (node, ...names) => worker.kv.put(`nodes/${node}/definition`, definition(...names));
const get = (node) => worker.request("GET", `/nodes/${node}`);
async function values(node) {
  const response = await get(node);
  assert.equal(response.status, 200, response.text);
  return response.json.actions[0].attributes;
}
const held = async () => (await admin("GET", "/pools/p2p")).json.allocations.map(({ value, node, name }) => [value, node, name]).sort();
const details = async () => (await admin("GET", "/audit")).json.entries.filter(({ outcome }) => outcome === "done").map(({ detail }) => detail);

describe("allocate with a name", () => {
  test("returns a value for each name, the same again, in one call of the pool", async () => {
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: null", "192.0.2.4/31: null", "192.0.2.6/31: null");
    await define("JPE1", "uplink1", "Ethernet49/1", "");
    await define("JPE2", "uplink1");
    const first = { uplink1: "192.0.2.0/31", "Ethernet49/1": "192.0.2.2/31", plain: "192.0.2.4/31" };
    assert.deepEqual(await values("JPE1"), first);
    const line = worker.requests().at(-1);
    assert.equal(line.object_calls, 2, "of the node and the pool");
    assert.deepEqual(line.allocated, ["p2p (uplink1): 192.0.2.0/31", "p2p (Ethernet49/1): 192.0.2.2/31", "p2p: 192.0.2.4/31"]);
    assert.deepEqual(await values("JPE2"), { uplink1: "192.0.2.6/31" });
    assert.deepEqual(await values("JPE1"), first);
    assert.equal(worker.requests().at(-1).object_calls, 2);
    assert.deepEqual(await held(), [
      ["192.0.2.0/31", "JPE1", "uplink1"],
      ["192.0.2.2/31", "JPE1", "Ethernet49/1"],
      ["192.0.2.4/31", "JPE1", undefined],
      ["192.0.2.6/31", "JPE2", "uplink1"],
    ]);
  });

  test("returns the value that the file reserves for the name", async () => {
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: JPE1/uplink2", "192.0.2.4/31: JPE1", "192.0.2.6/31: JPE2/uplink1");
    await define("JPE1", "uplink1", "uplink2", "");
    assert.deepEqual(await values("JPE1"), { uplink1: "192.0.2.0/31", uplink2: "192.0.2.2/31", plain: "192.0.2.4/31" });
    const { reservations } = (await admin("GET", "/pools/p2p")).json;
    assert.deepEqual(reservations, [
      { value: "192.0.2.2/31", node: "JPE1", name: "uplink2" },
      { value: "192.0.2.4/31", node: "JPE1" },
      { value: "192.0.2.6/31", node: "JPE2", name: "uplink1" },
    ]);
  });

  test("allocates no value if the pool has none for one of the names", async () => {
    await pool("p2p", "192.0.2.0/31: null");
    await define("JPE1", "uplink1", "uplink2");
    assertRefusal(await get("JPE1"), 400, /the pool .{0,5}p2p.{0,5} has no value for the node JPE1\/uplink2: no value is free: 0 are taken, 1 are for other names of this node/);
    assert.deepEqual(await held(), []);
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: null");
    assert.deepEqual(await values("JPE1"), { uplink1: "192.0.2.0/31", uplink2: "192.0.2.2/31" });
  });

  test("keeps its values while the file is missing", async () => {
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: null", "192.0.2.4/31: null");
    await define("JPE1", "uplink1", "uplink2");
    const first = await values("JPE1");
    await worker.kv.delete("resources/p2p");
    assert.deepEqual(await values("JPE1"), first);
    await define("JPE1", "uplink1", "uplink2", "uplink3");
    assertRefusal(await get("JPE1"), 400, /resources\/p2p is not stored/);
  });

  for (const [call, reason] of [
    ["allocate('p2p', '')", /the name of the value is empty/],
    ["allocate('p2p', 'a', 'b')", /is not a valid name of a value/],
    [`allocate('p2p', '${"x".repeat(65)}')`, /has 65 bytes; the limit is 64/],
  ]) {
    test(`is a clear 400 for ${call.slice(0, 40)}`, async () => {
      await pool("p2p", "192.0.2.0/31: null");
      await worker.kv.put("nodes/JPE1/definition", JSON.stringify({ actions: [{ action: "a", attributes: { good: "allocate('p2p')", bad: call } }] }));
      assertRefusal(await get("JPE1"), 400, reason);
      assert.deepEqual(await held(), []);
    });
  }

  test("is in the events and in the answer of explain", async () => {
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: null", "192.0.2.4/31: null");
    await define("JPE1", "uplink1");
    assert.equal((await worker.request("POST", "/nodes", { body: JSON.stringify(facts("JPE1")) })).status, 409);
    await values("JPE1");
    await define("JPE1", "uplink1", "uplink2");
    const explained = (await admin("POST", "/explain", { node: "JPE1" })).json;
    assert.deepEqual(explained.pools, [
      { pool: "p2p", name: "uplink1", value: "192.0.2.0/31", held: true },
      { pool: "p2p", name: "uplink2", value: "192.0.2.2/31", held: false },
    ]);
    assert.deepEqual(explained.definition.actions[0].attributes, { uplink1: "192.0.2.0/31", uplink2: "192.0.2.2/31" });
    await define("JPE1", "uplink1", "uplink2", "uplink3", "uplink4");
    const refused = (await admin("POST", "/explain", { node: "JPE1" })).json;
    assert.match(refused.definition_error, /JPE1\/uplink4: no value is free: 1 are taken, 2 are for other names of this node/);
    assert.deepEqual(refused.pools.map(({ name, value, held: isHeld }) => [name, value, isHeld]), [["uplink1", "192.0.2.0/31", true], ["uplink2", "192.0.2.2/31", false], ["uplink3", "192.0.2.4/31", false], ["uplink4", null, false]]);
    assert.deepEqual(await held(), [["192.0.2.0/31", "JPE1", "uplink1"]]);
    let given;
    for (let tries = 0; !given && tries < 50; tries += 1) {
      await new Promise((done) => setTimeout(done, 100));
      given = (await admin("GET", "/nodes/JPE1/events")).json.events.find(({ event }) => event === "pool-values-given");
    }
    assert.deepEqual(given.values, [{ pool: "p2p", name: "uplink1", value: "192.0.2.0/31" }]);
  });
});

describe("an operator", () => {
  test("assigns, reads and releases values by name, and the audit log has it", async () => {
    await pool("p2p", "192.0.2.0/31: null", "192.0.2.2/31: null", "192.0.2.4/31: null", "192.0.2.6/31: JPE1/uplink4");
    const given = await admin("PUT", "/pools/p2p/192.0.2.2/31?node=JPE1&name=uplink2");
    assert.deepEqual(given.json, { pool: "p2p", value: "192.0.2.2/31", node: "JPE1", name: "uplink2", audit: 1 });
    assert.deepEqual(worker.requests().at(-1).allocated, ["p2p (uplink2): 192.0.2.2/31"]);
    assert.equal((await admin("PUT", "/pools/p2p/192.0.2.0/31?node=JPE1")).status, 200);
    for (const [path, status, reason] of [
      ["/pools/p2p/192.0.2.4/31?node=JPE1&name=uplink2", 409, /already holds 192\.0\.2\.2\/31 with the name 'uplink2'/],
      ["/pools/p2p/192.0.2.2/31?node=JPE1&name=uplink3", 409, /held by the node JPE1\/uplink2/],
      ["/pools/p2p/192.0.2.6/31?node=JPE1&name=uplink3", 409, /reserved for the node JPE1\/uplink4/],
      ["/pools/p2p/192.0.2.4/31?node=JPE1&name=", 400, /the name of the value is empty/],
    ]) {
      assertOperatorRefusal(await admin("PUT", path), status, reason);
    }
    const { values: found } = (await admin("GET", "/pools?node=JPE1")).json;
    assert.deepEqual(found.map(({ pool: of, value, name }) => [of, value, name]), [["p2p", "192.0.2.2/31", "uplink2"], ["p2p", "192.0.2.0/31", undefined]]);
    assert.deepEqual((await admin("GET", "/nodes/JPE1")).json.pools, found);
    const released = await admin("DELETE", "/pools/p2p?node=JPE1&name=uplink2");
    assert.deepEqual([released.json.released.value, released.json.released.name], ["192.0.2.2/31", "uplink2"]);
    assert.equal(worker.requests().at(-1).released, "p2p (uplink2): 192.0.2.2/31");
    assertOperatorRefusal(await admin("DELETE", "/pools/p2p?node=JPE1&name=uplink2"), 404, /no such allocation/);
    await admin("PUT", "/pools/p2p/192.0.2.2/31?node=JPE1&name=uplink2");
    assert.equal((await admin("DELETE", "/pools/p2p?node=JPE1")).json.released.value, "192.0.2.0/31");
    assertOperatorRefusal(await admin("DELETE", "/pools/p2p?node=JPE1"), 404, /without a name; if the node has a value with a name, add &name=NAME/);
    assert.deepEqual((await details()).slice(0, 3), ["192.0.2.0/31 of JPE1", "192.0.2.2/31 to JPE1/uplink2", "192.0.2.2/31 of JPE1/uplink2"]);
  });

  test("releases all values of a node in one call of the pool", async () => {
    await pool("p2p", "192.0.2.0-192.0.2.9: null");
    await define("JPE1", "uplink1", "uplink2", "");
    await values("JPE1");
    await admin("PUT", "/pools/p2p/192.0.2.9?node=JPE2&name=uplink1");
    const { released } = (await admin("DELETE", "/pools?node=JPE1")).json;
    assert.deepEqual(released, [{ pool: "p2p", value: "192.0.2.0", name: "uplink1" }, { pool: "p2p", value: "192.0.2.1", name: "uplink2" }, { pool: "p2p", value: "192.0.2.2" }]);
    assert.deepEqual(await held(), [["192.0.2.9", "JPE2", "uplink1"]]);
    assert.equal((await details())[0], "p2p (uplink1): 192.0.2.0 released, p2p (uplink2): 192.0.2.1 released, p2p: 192.0.2.2 released");
    await values("JPE1");
    const forgotten = (await admin("POST", "/nodes/JPE1/forget", { pools: true })).json;
    assert.deepEqual(forgotten.released.map(({ name }) => name), ["uplink1", "uplink2", undefined]);
  });

  test("exports and imports allocations with their names", async () => {
    await pool("p2p", "192.0.2.0-192.0.2.9: null");
    await define("JPE1", "uplink1", "");
    await values("JPE1");
    const exported = (await admin("GET", "/allocations")).json;
    assert.deepEqual(exported.allocations.map(({ pool: of, value, node, name }) => [of, value, node, name]), [["p2p", "192.0.2.0", "JPE1", "uplink1"], ["p2p", "192.0.2.1", "JPE1", undefined]]);
    assert.deepEqual((await admin("PUT", "/allocations", exported)).json, { assigned: 0, unchanged: 2, refused: [], audit: null });
    await admin("DELETE", "/pools?node=JPE1");
    assert.equal((await admin("PUT", "/allocations", exported)).json.assigned, 2);
    assert.deepEqual(await values("JPE1"), { uplink1: "192.0.2.0", plain: "192.0.2.1" });
    const allocation = (value, name) => ({ pool: "p2p", value, node: "JPE1", name });
    const { refused } = (await admin("PUT", "/allocations", { allocations: [allocation("192.0.2.5", "uplink1"), allocation("192.0.2.6", "uplink9")] })).json;
    assert.deepEqual(refused.map(({ error, ...others }) => others), [allocation("192.0.2.5", "uplink1")]);
    for (const [name, reason] of [["", /the allocation 0: the name of the value is empty/], [7, /"name" of the allocation 0 must be a text/]]) {
      assertOperatorRefusal(await admin("PUT", "/allocations", { allocations: [allocation("192.0.2.5", name)] }), 400, reason);
    }
  });
});

test("a node of a site keeps each of its values while the site's pool is added", async (t) => {
  const token = "berlin".repeat(3);
  const sites = await startWorker({ secrets: { ZTP_TOKENS: `berlin=${token}` }, forgetful: true });
  t.after(() => sites.stop());
  const found = async () => {
    const response = await sites.request("GET", `/t/${token}/nodes/JPE1`);
    assert.equal(response.status, 200, response.text);
    return [response.json.actions[0].attributes, sites.requests().at(-1).object_calls];
  };
  await sites.kv.put("nodes/JPE1/definition", definition("uplink1"));
  await sites.kv.put("resources/p2p", "10.0.0.1: null\n10.0.0.2: null");
  assert.deepEqual((await found())[0], { uplink1: "10.0.0.1" });
  await sites.kv.put("resources/berlin/p2p", "192.0.2.1: null\n192.0.2.2: null");
  await sites.kv.put("nodes/JPE1/definition", definition("uplink1", "uplink2", "uplink3"));
  const all = { uplink1: "10.0.0.1", uplink2: "192.0.2.1", uplink3: "192.0.2.2" };
  assert.deepEqual(await found(), [all, 4], "one call of the node, and at most three of the pools");
  assert.deepEqual(await found(), [all, 3]);
});

test("a pool of release 0.1 keeps its values, and allocates others with names", { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ztp-edge-names-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await loadSnapshot(folder);
  await withStorage(folder, ({ kv }) => kv.put("nodes/BERLIN1/definition", definition("uplink1", "").replaceAll("p2p", "net")));
  const started = await startOn(folder, SETTINGS);
  t.after(() => started.kill());
  const before = JSON.parse((await ask(started.url, { path: "/admin/pools/net" })).text).allocations;
  const served = await ask(started.url, { site: "berlin", path: "/nodes/BERLIN1" });
  assert.equal(served.status, 200, served.text);
  const { plain, uplink1 } = JSON.parse(served.text).actions[0].attributes;
  assert.equal(plain, before.find(({ node }) => node === "BERLIN1").value);
  const now = JSON.parse((await ask(started.url, { path: "/admin/pools/net" })).text).allocations;
  assert.deepEqual(now.filter(({ name }) => !name), before);
  assert.deepEqual(now.filter(({ name }) => name).map(({ value, node, name }) => [value, node, name]), [[uplink1, "BERLIN1", "uplink1"]]);
});
