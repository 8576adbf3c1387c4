// The storage operations of each request: cold, and warm (same instance, within 10 seconds).

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { facts, startWorker } from "./harness.mjs";

/** The lifetime of a cached value, in milliseconds. */
const MAX_AGE_MS = 10_000;

let worker;
before(async () => {
  worker = await startWorker({ bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const NEIGHBORDB = "patterns:\n- name: leaf\n  definition: leaf\n  config-handler: archive\n  interfaces:\n  - Ethernet1: spine1\n";

/** The log lines since the last request that `cost` sent. */
let lines = [];
function read() {
  lines.push(...worker.logs().filter((text) => text.startsWith("{")).map((text) => JSON.parse(text)));
  return lines;
}

/** The cost of one request. */
async function cost(method, path, options) {
  read();
  lines = [];
  const answer = await worker.request(method, path, options);
  assert.ok(answer.status < 500, answer.text);
  const { kv_reads, kv_writes, r2_reads, r2_writes, object_calls } = read().find((line) => line.route);
  return { kv_reads, kv_writes, r2_reads, r2_writes, object_calls };
}
const reads = (kv_reads, r2_reads = 0, kv_writes = 0) => ({ kv_reads, kv_writes, r2_reads, r2_writes: 0, object_calls: 0 });
const node = (kv_reads, object_calls, r2_writes = 0) => ({ ...reads(kv_reads), object_calls, r2_writes });

/** The cost of copying the records of the last request to KV. */
async function copying() {
  await worker.settle();
  const { kv_reads, kv_writes, r2_reads } = read().find((line) => line.object === "node") ?? {};
  return { kv_reads, kv_writes, r2_reads };
}
const post = (serial, others) => cost("POST", "/nodes", { body: JSON.stringify(facts(serial, others)) });

describe("the storage operations of a request", () => {
  for (const stored of [true, false]) {
    test(`GET /bootstrap and /bootstrap/config ${stored ? "from KV" : "built in"}`, async () => {
      if (stored) {
        await worker.kv.put("bootstrap/bootstrap", "$SERVER");
        await worker.kv.put("bootstrap/bootstrap.conf", "logging: []");
      }
      for (const path of ["/bootstrap", "/bootstrap/config"]) {
        assert.deepEqual(await cost("GET", path), reads(1), "cold");
        assert.deepEqual(await cost("GET", path), reads(0), "warm");
      }
    });

    test(`GET /actions/{name} ${stored ? "from R2" : "built in"}`, async () => {
      if (stored) await worker.r2.put("actions/add_config", "x");
      assert.deepEqual(await cost("GET", "/actions/add_config"), reads(0, 1), "cold");
      assert.deepEqual(await cost("GET", "/actions/add_config"), reads(0), "warm");
    });
  }

  test("GET /files caches files up to 64 KiB, and streams larger ones", async () => {
    await worker.r2.put("files/small", Buffer.alloc(64 << 10, "x"));
    await worker.r2.put("files/large", Buffer.alloc((64 << 10) + 1, "x"));
    assert.deepEqual(await cost("GET", "/files/small"), reads(0, 1), "cold");
    assert.deepEqual(await cost("GET", "/files/small"), reads(0), "warm");
    assert.deepEqual(await cost("HEAD", "/files/small"), reads(0), "warm");
    for (const what of ["cold", "warm"]) assert.deepEqual(await cost("GET", "/files/large"), reads(0, 1), what);
  });

  test("POST /nodes of a new node", async () => {
    await worker.kv.put("neighbordb", NEIGHBORDB);
    await worker.kv.put("definitions/leaf", "actions: []");
    await worker.kv.put("config-handlers/archive", "#!/bin/sh");
    const neighbors = { Ethernet1: [{ device: "spine1", port: "Ethernet1" }] };
    assert.deepEqual(await post("JPE1", { neighbors }), node(5, 2), "cold");
    // Nobody has read pattern and config-handler, which it replaces.
    assert.deepEqual(await copying(), { kv_reads: 2, kv_writes: 4, r2_reads: 0 });
    assert.deepEqual(await post("JPE2", { neighbors }), node(2, 2), "warm");
  });

  test("POST /nodes and GET /nodes/{id} of a known node", async () => {
    await worker.kv.put("nodes/JPE1/definition", "actions: []");
    assert.deepEqual(await post("JPE1"), node(3, 2), "new facts, and neighbordb at the same time");
    assert.deepEqual(await copying(), { kv_reads: 0, kv_writes: 1, r2_reads: 0 });
    await worker.kv.put("neighbordb", NEIGHBORDB);
    for (const [what, neighbordb] of [
      ["cold", 1],
      ["warm", 0],
    ]) {
      assert.deepEqual(await post("JPE1"), node(2 + neighbordb, 1), `unchanged facts, ${what}`);
      assert.deepEqual(await cost("GET", "/nodes/JPE1"), node(2, 1), what);
    }
  });

  test("PUT startup-config stores a version, reads the one that it replaces, and commits", async () => {
    for (const body of ["one", "two"]) {
      assert.deepEqual(await cost("PUT", "/nodes/JPE1/startup-config", { body }), node(1, 1, 1));
      assert.deepEqual(await copying(), { kv_reads: 0, kv_writes: 1, r2_reads: 1 });
    }
  });

  test("GET startup-config and meta of a record", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "one");
    for (const path of ["/nodes/JPE1/startup-config", "/meta/nodes/JPE1/startup-config"]) {
      assert.deepEqual(await cost("GET", path), node(1, 1), path);
    }
  });

  test("an event costs the request nothing", async () => {
    await worker.r2.put("files/a", "x");
    const headers = { "X-Arista-Serial": "JPE1" };
    assert.deepEqual(await cost("GET", "/bootstrap", { headers }), reads(1));
    assert.deepEqual(await cost("GET", "/bootstrap", { headers }), reads(0));
    // Refused, with the search for similar nodes.
    await worker.kv.put("neighbordb", "patterns: []");
    assert.deepEqual(await post("JPE1"), node(4, 1));
    assert.deepEqual(await cost("GET", "/nodes/JPE1"), node(2, 1));
    assert.deepEqual(await cost("GET", "/nodes/JPE1/startup-config"), node(1, 1));
    await worker.kv.put("nodes/JPE1/definition", "actions:\n- {action: a, attributes: {x: allocate('net')}}\n");
    await worker.kv.put("resources/net", "10.0.0.1: null\n");
    // And the pool.
    assert.deepEqual(await cost("GET", "/nodes/JPE1"), node(2, 2));
  });

  test("a report of the client is one call", async () => {
    await post("JPE1");
    const body = JSON.stringify({ boot: "abcdef01", seq: 1, at: 0, event: "boot-started" });
    assert.deepEqual(await cost("POST", "/nodes/JPE1/events", { body }), node(0, 1));
  });

  test("meta reads and hashes the body of an object once", async () => {
    await worker.r2.put("files/x.swi", Buffer.alloc(300_000, "x"));
    assert.deepEqual(await cost("GET", "/meta/files/x.swi"), reads(1, 2, 1), "the first time");
    assert.deepEqual(await cost("GET", "/meta/files/x.swi"), reads(0), "warm");
    await worker.advance(MAX_AGE_MS);
    assert.deepEqual(await cost("GET", "/meta/files/x.swi"), reads(0, 1), "after 10 seconds");
    await worker.r2.put("files/x.swi", Buffer.alloc(300_000, "y"));
    await worker.advance(MAX_AGE_MS);
    assert.deepEqual(await cost("GET", "/meta/files/x.swi"), reads(1, 2, 1), "replaced");
  });

  test("meta of an object with a checksum reads no body", async () => {
    const sha1 = "f0578f1e7174b1a41c4ea8c6e17f7a8a3b88c92a";
    await worker.r2.put("files/x", "hi", { sha1: "c22b5f9178342609428d6f51b2c5af4c0bde6a42" });
    await worker.r2.put("files/y", "12345678", { customMetadata: { sha1, "sha1-size": "8" } });
    for (const path of ["/meta/files/x", "/meta/files/y"]) {
      assert.deepEqual(await cost("GET", path), reads(0, 1), path);
    }
    assert.equal((await worker.request("GET", "/meta/files/y")).json.sha1, sha1);
  });
});

test("requests of switches cost the same with and without /admin", async (t) => {
  const sequence = async () => {
    await worker.kv.put("neighbordb", NEIGHBORDB);
    await worker.kv.put("definitions/leaf", "actions: []");
    await worker.kv.put("config-handlers/archive", "#!/bin/sh");
    const neighbors = { Ethernet1: [{ device: "spine1", port: "Ethernet1" }] };
    const costs = [];
    for (const ask of [() => cost("GET", "/bootstrap"), () => post("JPE2"), () => post("JPE1", { neighbors }), () => post("JPE1", { neighbors }), () => cost("GET", "/nodes/JPE1"), () => cost("PUT", "/nodes/JPE1/startup-config", { body: "one" }), () => cost("GET", "/nodes/JPE1/startup-config")]) {
      costs.push(await ask());
      // Until KV has a startup-config, it is read from R2.
      await worker.settle();
    }
    return costs;
  };
  const closed = await sequence();
  const first = worker;
  worker = await startWorker({ bundle: "bundle-clock", secrets: { ZTP_ADMIN_TOKEN: "an-admin-token-of-enough-length" } });
  const second = worker;
  t.after(() => {
    worker = first;
    return second.stop();
  });
  assert.deepEqual(await sequence(), closed);
});

describe("the cache", () => {
  test("returns an edit after at most 10 seconds", async () => {
    await worker.kv.put("bootstrap/bootstrap", "one");
    await worker.r2.put("files/x", "one");
    await worker.r2.put("actions/add_config", "one");
    const paths = ["/bootstrap", "/files/x", "/actions/add_config"];
    for (const path of paths) assert.equal((await worker.request("GET", path)).text, "one");
    await worker.kv.put("bootstrap/bootstrap", "two");
    await worker.r2.put("files/x", "two");
    await worker.r2.delete("actions/add_config");
    await worker.advance(MAX_AGE_MS);
    for (const path of paths.slice(0, 2)) assert.equal((await worker.request("GET", path)).text, "two");
    assert.match((await worker.request("GET", "/actions/add_config")).text, /def main/);
  });

  test("has a file and its metadata of one upload, once either is the new one", async () => {
    const size = async () => (await worker.request("GET", "/meta/files/x")).json.size;
    const length = async () => (await worker.request("GET", "/files/x")).bytes.length;
    for (const small of [100, 200_000]) {
      await worker.r2.put("files/x", Buffer.alloc(small, "x"));
      await worker.advance(MAX_AGE_MS);
      assert.deepEqual([await size(), await length()], [small, small]);
      await worker.r2.put("files/x", Buffer.alloc(small + 1, "y"));
      // Once either the file or its metadata is of the new upload, so is the other.
      await worker.request("GET", "/files/x", { headers: { Range: "bytes=0-" } });
      assert.equal(await size(), await length());
    }
  });

  test("contains neither records of nodes nor missing files", async () => {
    assert.equal((await worker.request("GET", "/files/x")).status, 404);
    await worker.r2.put("files/x", "now");
    assert.equal((await worker.request("GET", "/files/x")).text, "now");
    for (const text of ["one", "two"]) {
      await worker.kv.put("nodes/JPE1/startup-config", text);
      assert.equal((await worker.request("GET", "/nodes/JPE1/startup-config")).text, text);
      assert.equal((await worker.request("GET", "/meta/nodes/JPE1/startup-config")).json.size, text.length);
    }
  });
});
