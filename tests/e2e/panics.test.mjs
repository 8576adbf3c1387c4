// What a panic does: it ends the wasm instance it happened in, and nothing else.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { assertRefusal, facts, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ bundle: "bundle-panicking" });
});
after(() => worker.stop());

const DEFINITION = "actions:\n- action: add_config\n  attributes: {address: allocate('mgmt')}\n";
const GIVEN_UP = /the server failed in the middle of this request; ask again/;

const address = async (id) => (await worker.request("GET", `/nodes/${id}`)).json.actions[0].attributes.address;

test("a request that panics at once, or after it has waited, is told so, and the next is answered", async () => {
  for (const [method, path] of [["PATCH", "/bootstrap"], ["GET", "/actions/panic"], ["PATCH", "/bootstrap"]]) {
    assertRefusal(await worker.request(method, path), 500, GIVEN_UP);
    assert.equal((await worker.request("GET", "/bootstrap")).status, 200, `after ${method} ${path}`);
  }
});

test("a request that waits while another panics is told so, and is answered when it asks again", async () => {
  const post = http.request(new URL("/nodes", worker.url), { method: "POST", agent: false });
  const answered = once(post, "response");
  const body = JSON.stringify({ ...facts("JPE5"), config: "hostname a\n" });
  post.write(body.slice(0, 10));
  await setTimeout(500);
  assertRefusal(await worker.request("PATCH", "/bootstrap"), 500, GIVEN_UP);
  post.end(body.slice(10));
  const [answer] = await answered;
  assert.equal(answer.statusCode, 500);
  assert.match(await text(answer), GIVEN_UP);
  assert.equal((await worker.request("POST", "/nodes", { body })).status, 201);
});

test("a pool goes on in the new instance with what it had given out", async () => {
  await worker.kv.put("resources/mgmt", "192.0.2.1/24: null\n192.0.2.2/24: null\n");
  for (const id of ["JPE1", "JPE2"]) {
    await worker.kv.put(`nodes/${id}/definition`, DEFINITION);
  }
  const first = await address("JPE1");
  assert.equal(first, "192.0.2.1/24");
  assertRefusal(await worker.request("PATCH", "/bootstrap"), 500, GIVEN_UP);
  assert.equal(await address("JPE2"), "192.0.2.2/24");
  assert.equal(await address("JPE1"), first);
});

test("what was stored before a panic stays stored", async () => {
  const body = JSON.stringify({ ...facts("JPE9"), config: "hostname a\n" });
  assert.equal((await worker.request("POST", "/nodes", { body })).status, 201);
  assertRefusal(await worker.request("GET", "/actions/panic"), 500, GIVEN_UP);
  assert.equal((await worker.request("GET", "/nodes/JPE9/startup-config")).text, "hostname a\n");
});
