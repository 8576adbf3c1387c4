// A panic ends its wasm instance. The response of the request that panicked is 500, and the
// next request works.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { facts, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ bundle: "bundle-panicking" });
});
after(() => worker.stop());

const DEFINITION = "actions:\n- action: add_config\n  attributes: {address: allocate('mgmt')}\n";

const address = async (id) => (await worker.request("GET", `/nodes/${id}`)).json.actions[0].attributes.address;

for (const when of ["at-once", "after-waiting"]) {
  test(`a request that panics ${when} is 500, and the next request works`, async () => {
    for (let round = 0; round < 3; round += 1) {
      assert.equal((await worker.request("GET", `/panics/${when}`)).status, 500);
      assert.equal((await worker.request("GET", "/bootstrap")).status, 200);
    }
  });
}

test("the log has the message and the position of a panic", async () => {
  worker.logs();
  await worker.request("GET", "/panics/at-once");
  assert.match(worker.logs().join("\n"), /panicked at src\/routes\/panics\.rs:\d+:\d+:\s+at once/);
});

test("a pool that panics fails that request, and keeps its allocations", async () => {
  await worker.kv.put("resources/mgmt", "192.0.2.1/24: null\n192.0.2.2/24: null\n");
  for (const id of ["JPE1", "JPE2"]) await worker.kv.put(`nodes/${id}/definition`, DEFINITION);
  assert.equal(await address("JPE1"), "192.0.2.1/24");
  const { status } = await worker.request("GET", "/panics/mgmt");
  assert.ok([500, 503].includes(status), `${status}`);
  assert.equal(await address("JPE2"), "192.0.2.2/24");
  assert.equal(await address("JPE1"), "192.0.2.1/24");
});

test("a node's object that panics fails that request, keeps its records and copies them", async () => {
  const config = (id) => `/nodes/${id}/startup-config`;
  for (let round = 0; round < 5; round += 1) {
    const ids = [`PANIC${round}`, `OTHER${round}`];
    for (const id of ids) assert.equal((await worker.request("PUT", config(id), { body: `hostname ${id}` })).status, 201);
    const { status, headers } = await worker.request("GET", `/panics/nodes/${ids[0]}`);
    assert.ok(status === 500 || (status === 503 && headers["retry-after"]), `${status}`);
    for (const id of ids) {
      assert.equal((await worker.request("GET", config(id))).text, `hostname ${id}`);
      for (let waited = 0; waited < 10_000 && (await worker.kv.get(`nodes/${id}/startup-config`)) === null; waited += 100) await sleep(100);
      assert.equal(await worker.kv.get(`nodes/${id}/startup-config`), `hostname ${id}`);
    }
  }
});

test("a write that was acknowledged before a panic is stored", async () => {
  const body = JSON.stringify({ ...facts("JPE9"), config: "hostname a\n" });
  assert.equal((await worker.request("POST", "/nodes", { body })).status, 201);
  assert.equal((await worker.request("GET", "/panics/after-waiting")).status, 500);
  assert.equal((await worker.request("GET", "/nodes/JPE9/startup-config")).text, "hostname a\n");
});

test("many simultaneous requests during a panic all end", async () => {
  const paths = Array.from({ length: 40 }, (_, n) => (n % 10 === 5 ? "/panics/after-waiting" : "/bootstrap/config"));
  const responses = await Promise.all(paths.map((path) => worker.request("GET", path)));
  assert.ok(responses.every(({ status }) => status === 200 || status === 500));
  assert.equal((await worker.request("GET", "/bootstrap")).status, 200);
});
