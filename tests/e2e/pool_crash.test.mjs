// 500 nodes request a value from a pool of 400, and the runtime is killed meanwhile.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { withStorage } from "../../scripts/storage.mjs";
import { send } from "./harness.mjs";
import { startOn } from "./persistent.mjs";

const ADMIN = { ZTP_ADMIN_TOKEN: "an-admin-token-of-enough-length" };
const VALUES = 400;
const NODES = Array.from({ length: 500 }, (_, at) => `NODE${at}`);

const folder = mkdtempSync(join(tmpdir(), "ztp-edge-pool-"));
let worker;
after(async () => {
  await worker?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends the requests of all nodes at once. Calls `midway` after a quarter of the responses. */
async function requestAll(nodes, midway) {
  const responses = new Map();
  const requests = nodes.map(async (node) => {
    responses.set(node, await requestValue(node));
    if (responses.size === Math.floor(nodes.length / 4)) await midway?.();
  });
  await Promise.all(requests);
  return responses;
}

/** The value of a node, or the reason why it has none. Retries while the server does not respond. */
async function requestValue(node) {
  for (let tries = 0; tries < 300; tries += 1) {
    try {
      const response = await send(worker.url, "GET", `/nodes/${node}`);
      if (response.status === 200) return { value: response.json.actions[0].attributes.ip };
      if (response.status === 400) return { reason: response.text };
    } catch {
      // The server was killed, or has not started yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`no response for ${node}`);
}

test("each value belongs to one node in spite of crashes, and a released value goes to another node", { timeout: 300_000 }, async () => {
  await withStorage(folder, async ({ kv }) => {
    const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] });
    await kv.put("resources/net", "10.0.0.1-10.0.1.144/23: null\n");
    await Promise.all(NODES.map((node) => kv.put(`nodes/${node}/definition`, definition)));
  });
  worker = await startOn(folder, ADMIN);

  const seen = new Map();
  for (const round of [1, 2, 3]) {
    const crash = async () => {
      await worker.kill();
      worker = await startOn(folder, ADMIN);
    };
    const responses = await requestAll(NODES, round === 1 ? crash : undefined);
    for (const [node, { value, reason }] of responses) {
      if (value) {
        assert.equal(seen.get(node) ?? value, value, `${node} keeps its value`);
        seen.set(node, value);
      } else {
        assert.match(reason, /the pool 'net' has no value for the node NODE\d+: no value is free: 400 are taken/);
        assert.ok(!seen.has(node), `${node} had a value`);
      }
    }
    assert.equal(seen.size, VALUES);
    assert.equal(new Set(seen.values()).size, VALUES, "no value is given twice");
  }

  const released = [...seen.keys()].slice(0, 100);
  const headers = { Authorization: `Bearer ${ADMIN.ZTP_ADMIN_TOKEN}` };
  for (const node of released) {
    assert.equal((await send(worker.url, "DELETE", `/admin/pools/net?node=${node}`, { headers })).status, 200);
  }
  const waiting = NODES.filter((node) => !seen.has(node));
  assert.equal(waiting.length, 100);
  const responses = await requestAll(waiting);
  const given = new Set([...responses.values()].map(({ value }) => value));
  assert.deepEqual(given, new Set(released.map((node) => seen.get(node))), "those who waited get what was released");
  const listing = await send(worker.url, "GET", "/admin/pools/net", { headers });
  assert.equal(new Set(listing.json.allocations.map(({ value }) => value)).size, VALUES);
});
