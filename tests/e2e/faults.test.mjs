// Requests while KV rejects writes, fails, is slow, or returns stale values.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../../scripts/run.mjs";
import { ADMIN, AMSTERDAM, SECRETS, nodeToken } from "./credentials.mjs";
import { startFaulty } from "./faults.mjs";
import { assertRefusal, facts, waitFor } from "./harness.mjs";

const MIB = 1 << 20;
/** The lifetime of a cached value, in milliseconds. */
const MAX_AGE_MS = 10_000;
/** Milliseconds for which KV may be stale. */
const STALE_WINDOW_MS = 600_000;
const sha1 = (bytes) => createHash("sha1").update(bytes).digest("hex");
const post = (serial, others) => ({ body: JSON.stringify(facts(serial, others)) });

/** How much faster the timers of the Worker are, where a test waits for one. */
const FASTER = 100;
const faster = (times) => `{
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (done, ms, ...others) => setTimeout(done, ms / ${times}, ...others);
}`;

/** Starts a Worker for one test. */
async function started(t, options) {
  const worker = await startFaulty(options);
  t.after(() => worker.stop());
  return worker;
}

describe("GET /meta of an object without a checksum", () => {
  const image = Buffer.alloc(5 * MIB, "image");
  const isMemo = ({ keys }) => keys[0].startsWith("digests/");

  test("succeeds if KV rejects the stored hash, and hashes once", async (t) => {
    const worker = await started(t, { rules: { fails: (asked) => asked.operation === "put" && isMemo(asked) && 429 } });
    await worker.r2.put("files/x.swi", image);
    for (const reads of [2, 0]) {
      const response = await worker.request("GET", "/meta/files/x.swi");
      assert.equal(response.status, 200, response.text);
      assert.deepEqual([response.json.size, response.json.sha1], [image.length, sha1(image)]);
      const [line] = await worker.lines();
      assert.deepEqual([line.status, line.r2_reads], [200, reads]);
      if (reads > 0) assert.match(line.warning, /writing digests\/files\/x\.swi failed.*429/);
    }
    // Nor is it hashed again when the cached hash is revalidated.
    await worker.advance(MAX_AGE_MS);
    assert.equal((await worker.request("GET", "/meta/files/x.swi")).json.sha1, sha1(image));
    assert.equal((await worker.lines())[0].r2_reads, 1);
  });

  test("succeeds if KV cannot be read", async (t) => {
    const worker = await started(t, { rules: { fails: () => 500 } });
    await worker.r2.put("files/x.swi", image);
    const response = await worker.request("GET", "/meta/files/x.swi");
    assert.equal(response.status, 200, response.text);
    assert.equal(response.json.sha1, sha1(image));
    assert.match((await worker.lines())[0].warning, /reading digests\/files\/x\.swi failed.*500/);
  });

  test("hashes once for all simultaneous requests", async (t) => {
    const worker = await started(t, { rules: { oneWritePerSecond: true, delay: (asked) => (isMemo(asked) ? 200 : 0) } });
    await worker.r2.put("files/x.swi", image);
    const responses = await Promise.all(Array.from({ length: 12 }, () => worker.request("GET", "/meta/files/x.swi")));
    for (const response of responses) {
      assert.equal(response.status, 200, response.text);
      assert.equal(response.json.sha1, sha1(image));
    }
    const reads = (await worker.lines(responses.length)).reduce((sum, line) => sum + line.r2_reads, 0);
    assert.ok(reads <= responses.length + 1, `${reads} R2 reads: ${responses.length} to look, and more than one to hash`);
    assert.equal(worker.kv.count("put"), 1);
  });
});

describe("GET /meta while another request hashes the object", () => {
  const [, milliseconds] = readFileSync(join(root, "src", "storage", "cache.rs"), "utf8").match(/MAX_HASH_MS: u64 = ([\d_]+);/);
  const MAX_HASH_MS = Number(milliseconds.replace("_", ""));
  const appended = faster(FASTER);
  const image = Buffer.alloc(MIB, "image");

  for (const [name, share, reads] of [
    ["waits for it until MAX_HASH_MS", 0.5, 1],
    ["hashes it itself after MAX_HASH_MS", 3, 2],
  ]) {
    test(name, async (t) => {
      const isMemo = ({ operation, keys }) => operation === "get" && keys[0].startsWith("digests/");
      const wait = MAX_HASH_MS / FASTER;
      let asked = 0;
      const delay = (one) => (isMemo(one) && ++asked === 1 ? share * wait : 0);
      const worker = await started(t, { appended, rules: { delay } });
      await worker.r2.put("files/x.swi", image);
      const order = [];
      const ask = async (which) => {
        const answer = await worker.request("GET", "/meta/files/x.swi");
        order.push(which);
        assert.deepEqual([answer.status, answer.json.sha1], [200, sha1(image)]);
      };
      const first = ask("first");
      await waitFor("the first read of KV", () => asked > 0);
      const since = performance.now();
      await ask("second");
      const waited = performance.now() - since;
      await first;
      assert.equal(asked, reads, "requests that look for the hash in KV");
      assert.equal(order[0] === "second", share > 1, order.join());
      if (share > 1) assert.ok(waited >= wait - 5, `it waited only ${waited} ms`);
    });
  }
});

describe("PUT startup-config with one write per second and key in KV", () => {
  const PATH = "/nodes/JPE1/startup-config";
  const put = (worker, body) => worker.request("PUT", PATH, { body });
  let worker;
  before(async () => {
    worker = await startFaulty({ rules: { oneWritePerSecond: true } });
  });
  after(() => worker.stop());

  test("stores the last of several within a second, and sends 201 for each", async () => {
    for (const body of ["one", "two", "three"]) assert.equal((await put(worker, body)).status, 201, body);
    assert.equal((await worker.request("GET", PATH)).text, "three");
    await worker.settle();
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "three");
    assert.ok(worker.kv.operations.every(({ status }) => status !== 429), "KV had to reject a write");
  });

  test("stores the last request of several that overlap", async () => {
    await sleep(1000);
    const responses = [];
    for (const body of ["one", "two", "three"]) {
      responses.push(put(worker, body));
      await sleep(150);
    }
    for (const response of await Promise.all(responses)) assert.equal(response.status, 201, response.text);
    await worker.settle();
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "three");
  });

  test("waits a second after the response of a slow KV, also where two requests overlap", async (t) => {
    let writes = 0;
    const delay = ({ operation }) => (operation === "put" && ++writes === 1 ? 900 : 0);
    const worker = await started(t, { rules: { oneWritePerSecond: true, delay } });
    for (const body of ["one", "two", "three"]) {
      assert.equal((await put(worker, body)).status, 201, body);
      await sleep(200);
    }
    await worker.settle();
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "three");
    assert.deepEqual(worker.kv.operations.filter(({ operation }) => operation === "put").map(({ status }) => status), [200, 200]);
  });

  test("stores it if the client disconnects before KV accepts it", async () => {
    await sleep(1000);
    await put(worker, "before");
    await new Promise((resolve) => {
      const request = http.request(new URL(PATH, worker.url), { method: "PUT", agent: false });
      request.on("close", resolve);
      request.on("error", () => {});
      request.end("after");
      setTimeout(() => request.destroy(), 300);
    });
    for (let waited = 0; waited < 4000 && (await worker.kv.get("nodes/JPE1/startup-config")) !== "after"; waited += 100) await sleep(100);
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "after");
  });

  for (const status of [429, 500]) {
    test(`is 201 while KV rejects every write with ${status}, is served at once, and reaches KV later`, async (t) => {
      const worker = await started(t, { rules: { fails: ({ operation }) => operation === "put" && status } });
      await worker.kv.put("nodes/JPE1/startup-config", "before");
      assert.equal((await put(worker, "x")).status, 201);
      assert.equal((await worker.request("GET", PATH)).text, "x");
      await sleep(2500);
      const tries = worker.kv.count("put");
      assert.ok(tries >= 2 && tries <= 3, `${tries} writes within 2.5 s`);
      assert.match(worker.logs().map(({ message }) => message).join("\n"), /writing nodes\/JPE1\/startup-config failed.*it is retried/);
      assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "before");
      worker.kv.fails = () => undefined;
      await worker.settle();
      assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "x");
    });
  }

  test("an operator's edit between two attempts counts, and is not overwritten", async (t) => {
    const worker = await started(t, { rules: { fails: ({ operation }) => operation === "put" && 500 } });
    await worker.kv.put("nodes/JPE1/startup-config", "before");
    assert.equal((await put(worker, "from the switch")).status, 201);
    for (let waited = 0; worker.kv.count("put") === 0 && waited < 5000; waited += 20) await sleep(20);
    await worker.kv.put("nodes/JPE1/startup-config", "from the operator");
    assert.equal((await worker.request("GET", PATH)).text, "from the operator");
    worker.kv.fails = () => undefined;
    await worker.settle();
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "from the operator");
    assert.match(worker.logs().map(({ message }) => message).join("\n"), /startup-config was edited after a switch wrote it/);
  });

  test("a node whose definition was deleted is registered again after the window", async () => {
    await worker.kv.put("neighbordb", "patterns:\n- name: all\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
    await worker.kv.put("definitions/leaf", "actions: []");
    assert.equal((await worker.request("POST", "/nodes", post("JPE9"))).status, 201);
    await worker.settle();
    await worker.kv.delete("nodes/JPE9/definition");
    // KV may show nothing because it is stale: the copy counts.
    assert.equal((await worker.request("POST", "/nodes", post("JPE9"))).status, 409);
    await worker.advance(STALE_WINDOW_MS);
    assert.equal((await worker.request("POST", "/nodes", post("JPE9", { version: "4.29.0F" }))).status, 201);
    await worker.settle();
    assert.match(await worker.kv.get("nodes/JPE9/.node"), /4\.29\.0F/);
    assert.equal(await worker.kv.get("nodes/JPE9/definition"), "actions: []");
  });
});

describe("while an operation of KV has no response", () => {
  const [, milliseconds] = readFileSync(join(root, "src", "objects", "node", "copies.rs"), "utf8").match(/MAX_COPY_MS: u64 = ([\d_]+);/);
  const MAX_COPY_MS = Number(milliseconds.replace("_", ""));

  for (const operation of ["put", "get"]) {
    test(`a ${operation} of a node's object ends after MAX_COPY_MS, and later records reach KV`, async (t) => {
      let hangs = false;
      let count = 0;
      const delay = (asked) => (hangs && asked.operation === operation && ++count === 1 ? 8000 : 0);
      const worker = await started(t, { appended: faster(FASTER), rules: { delay, fails: (asked) => !hangs && asked.operation === "put" && 500 } });
      // A read comes before the second attempt.
      if (operation === "put") hangs = true;
      assert.equal((await worker.request("PUT", "/nodes/JPE1/startup-config", { body: "one" })).status, 201);
      await waitFor("the first attempt", () => operation === "put" || worker.kv.count("put") > 0);
      hangs = true;
      await waitFor("the operation that hangs", () => count > 0);
      const since = performance.now();
      assert.equal((await worker.request("PUT", "/nodes/JPE1/startup-config", { body: "two" })).status, 201);
      while (performance.now() - since < MAX_COPY_MS / FASTER + 5000 && (await worker.kv.get("nodes/JPE1/startup-config")) !== "two") await sleep(10);
      assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "two");
      assert.match(worker.logs().map(({ message }) => message).join("\n"), /KV or R2 did not respond within 30000 ms; what is not stored is retried/);
    });
  }
});

describe("a config-handler", () => {
  const [, shift] = readFileSync(join(root, "src", "routes", "nodes.rs"), "utf8").match(/MAX_CONFIG_HANDLER_BYTES: usize = 512 << (\d+);/);
  const MAX = 512 << Number(shift);
  for (const [name, size, status] of [
    ["of MAX_CONFIG_HANDLER_BYTES is copied to a new node", MAX, 201],
    ["above it is refused: each request of the node would read it", MAX + 1, 400],
  ]) {
    test(name, async (t) => {
      const worker = await started(t);
      await worker.kv.put("neighbordb", "patterns:\n- name: all\n  definition: leaf\n  config-handler: archive\n  interfaces:\n  - any: any:any\n");
      await worker.kv.put("definitions/leaf", "actions: []");
      await worker.kv.put("config-handlers/archive", "#".repeat(size));
      const response = await worker.request("POST", "/nodes", post("JPE1"));
      assert.equal(response.status, status, response.text);
      if (status === 400) assertRefusal(response, 400, /config-handlers\/archive is broken: 524289 bytes; the limit is 524288/);
      await worker.settle();
      assert.equal((await worker.kv.get("nodes/JPE1/config-handler"))?.length, status === 201 ? size : undefined);
    });
  }
});

describe("with sites, a request of a node reads no key that it does not need", () => {
  const base = `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1")}`;
  for (const [method, path, calls, body] of [
    ["GET", "/nodes/JPE1/startup-config", 1],
    ["GET", "/meta/nodes/JPE1/startup-config", 1],
    ["PUT", "/nodes/JPE1/startup-config", 2, "hostname a"],
  ]) {
    test(`${method} ${path}`, async (t) => {
      const worker = await started(t, { bindings: SECRETS });
      await worker.kv.put("nodes/JPE1/startup-config", "hostname a");
      await worker.kv.put("nodes/JPE1/site", "amsterdam");
      const { status } = await worker.request(method, `${base}${path}`, { body });
      assert.ok(status < 300, `${status}`);
      const [line] = await worker.lines();
      const keys = worker.kv.operations.filter(({ operation }) => operation !== "put").flatMap((done) => done.keys);
      assert.deepEqual(keys.sort(), ["nodes/JPE1/site", "nodes/JPE1/startup-config"]);
      assert.deepEqual([line.kv_reads, line.object_calls], [2, calls]);
    });
  }
});

test("PUT startup-config stores the last one if KV still returns an older one", async (t) => {
  const worker = await started(t, { rules: { staleFor: 60_000 } });
  await worker.kv.put("nodes/JPE1/startup-config", "one");
  for (const body of ["two", "one"]) {
    assert.equal((await worker.request("PUT", "/nodes/JPE1/startup-config", { body })).status, 201);
    assert.equal((await worker.request("GET", "/nodes/JPE1/startup-config")).text, body);
    await worker.settle();
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), body);
  }
});

describe("the records of a node", () => {
  const PATH = "/nodes/JPE1";

  test("that cannot be read are 503, without a retry", async (t) => {
    const worker = await started(t, { rules: { fails: ({ operation }) => operation === "bulk" && 500 } });
    await worker.kv.put("nodes/JPE1/definition", "actions: []");
    for (const [method, path, options] of [
      ["GET", PATH, {}],
      ["POST", "/nodes", post("JPE1")],
    ]) {
      const before = worker.kv.operations.length;
      assertRefusal(await worker.request(method, path, options), 503, /reading nodes\/JPE1\/ failed/);
      const keys = worker.kv.operations.slice(before).flatMap((done) => done.keys);
      assert.equal(new Set(keys).size, keys.length, `read again after that: ${keys}`);
    }
  });

  test("are too large if KV rejects the read as too large, and the error names them", async (t) => {
    const worker = await started(t);
    for (const name of ["definition", "attributes"]) await worker.kv.put(`nodes/JPE1/${name}`, Buffer.alloc(13 * MIB, "x"));
    assertRefusal(await worker.request("GET", PATH), 400, /definition.*under nodes\/JPE1\/ together exceed the 25 MB/);
  });

  test("include a startup-config of 25 MiB, which is not read to find out that it exists", async (t) => {
    const worker = await started(t, { bindings: SECRETS });
    const config = Buffer.alloc(25 * MIB, "x");
    await worker.kv.put("nodes/JPE1/startup-config", config);
    await worker.kv.put("nodes/JPE1/site", "amsterdam");
    const base = `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1")}`;
    for (const [method, path, options, status] of [
      ["GET", "/nodes/JPE1", {}, 200],
      ["POST", "/nodes", post("JPE1"), 409],
      ["PUT", "/nodes/JPE1/startup-config", { body: "hostname a" }, 201],
    ]) {
      worker.kv.sent = 0;
      assert.equal((await worker.request(method, `${base}${path}`, options)).status, status, `${method} ${path}`);
      // The node's object hashes the one that it replaces.
      if (method !== "PUT") assert.ok(worker.kv.sent < config.length / 2, `${method} ${path} read ${worker.kv.sent} bytes of KV`);
    }
    await worker.settle();
    const edit = Buffer.alloc(25 * MIB, "y");
    await worker.kv.put("nodes/JPE1/startup-config", edit);
    assert.ok((await worker.request("GET", `${base}/nodes/JPE1/startup-config`)).bytes.equals(edit));
    assert.equal((await worker.request("GET", `${base}/meta/nodes/JPE1/startup-config`)).json.sha1, sha1(edit));
  });

  test("are accepted together while KV fails for one of them, and all reach KV", async (t) => {
    const isPattern = ({ operation, keys }) => operation === "put" && keys[0].endsWith("/pattern");
    const worker = await started(t, { rules: { fails: (asked) => isPattern(asked) && 500 } });
    await worker.kv.put("neighbordb", "patterns:\n- name: all\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
    await worker.kv.put("definitions/leaf", "actions: []");
    assert.equal((await worker.request("POST", "/nodes", post("JPE1"))).status, 201);
    assert.equal((await worker.request("GET", PATH)).status, 200);
    for (let waited = 0; worker.kv.count("put", "nodes/JPE1/pattern") === 0 && waited < 5000; waited += 20) await sleep(20);
    assert.equal(await worker.kv.get("nodes/JPE1/pattern"), null);
    worker.kv.fails = () => undefined;
    await worker.settle();
    for (const name of [".node", "definition", "pattern"]) assert.notEqual(await worker.kv.get(`nodes/JPE1/${name}`), null, name);
  });
});

test("no byte of a startup-config is read before its sender is authorized", async (t) => {
  const worker = await started(t, { bindings: SECRETS });
  await worker.kv.put("nodes/JPE1/definition", "actions: []");
  await worker.kv.put("nodes/JPE1/site", "london");
  const path = `/t/${AMSTERDAM}/nodes/JPE1/startup-config`;
  const body = Buffer.alloc(4 * MIB, "x");
  const headers = { "Content-Length": body.length };
  const status = new Promise((resolve, reject) => {
    const request = http.request(new URL(path, worker.url), { method: "PUT", headers, agent: false });
    request.on("error", reject);
    request.on("response", (response) => resolve(response.resume().statusCode));
    request.write(body.subarray(0, 1000));
    // The Worker reads the node's site before the rest of the body arrives.
    setTimeout(() => {
      const keys = worker.kv.operations.flatMap((done) => done.keys);
      if (!keys.includes("nodes/JPE1/site")) reject(new Error(`keys that were read: ${keys}`));
      request.end(body.subarray(1000));
    }, 500);
  });
  assert.equal(await status, 403);
  assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), null);
});

test("facts are not read if the URL of a site gives no access to nodes", async (t) => {
  const worker = await started(t, { bindings: { ...SECRETS, REQUIRE_NODE_TOKEN: "True" } });
  // The response does not depend on the body: too large, empty or malformed.
  for (const body of [Buffer.alloc(2 * MIB, "x"), "", "{"]) {
    assertRefusal(await worker.request("POST", `/t/${AMSTERDAM}/nodes`, { body }), 403, /REQUIRE_NODE_TOKEN/);
  }
  assert.deepEqual(worker.kv.operations, []);
});

describe("the cache of an instance", () => {
  const lastRead = (worker, key) => worker.kv.operations.filter(({ operation, keys }) => operation === "get" && keys[0] === key).length;

  const MAX_TEXT = MIB / 2;
  for (const [name, neighbordb, reason] of [
    ["of the largest size", `patterns: []\n${"#".repeat(MAX_TEXT - 13)}`, /no pattern/],
    ["that is broken", "patterns:\n- name: [\n", /neighbordb is broken/],
    ["that is too large", `patterns: []\n${"#".repeat(MAX_TEXT - 12)}`, /neighbordb is broken.*524289 bytes/],
  ]) {
    test(`contains a neighbordb ${name}`, async (t) => {
      const worker = await started(t);
      await worker.kv.put("neighbordb", neighbordb);
      for (let count = 0; count < 5; count += 1) assertRefusal(await worker.request("POST", "/nodes", post(`JPE${count}`)), 400, reason);
      assert.equal(lastRead(worker, "neighbordb"), 1);
      if (reason.source !== "no pattern") {
        await worker.kv.put("neighbordb", "patterns: []");
        await worker.advance(MAX_AGE_MS);
        assertRefusal(await worker.request("POST", "/nodes", post("JPE1")), 400, /no pattern/);
      }
    });
  }

  test("is served with a warning while KV fails, at any age", async (t) => {
    const worker = await started(t);
    await worker.kv.put("bootstrap/bootstrap", "print('mine')  # $SERVER\n");
    await worker.kv.put("bootstrap/bootstrap.conf", "logging: [{destination: file:/tmp/ztp, level: DEBUG}]\n");
    await worker.kv.put("neighbordb", "patterns:\n- name: all\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
    await worker.kv.put("definitions/leaf", "actions: []");
    const paths = ["/bootstrap", "/bootstrap/config"];
    const before = [];
    for (const path of paths) before.push((await worker.request("GET", path)).text);
    assert.equal((await worker.request("POST", "/nodes", post("JPE1"))).status, 201);
    worker.kv.fails = ({ operation }) => operation === "get" && 500;
    await worker.advance(MAX_AGE_MS);
    worker.logs();
    for (const [index, path] of paths.entries()) {
      const response = await worker.request("GET", path);
      assert.equal(response.status, 200, response.text);
      assert.equal(response.text, before[index]);
      assert.match((await worker.lines())[0].warning, /reading bootstrap\/bootstrap.* failed.*the copy of .* that was read \d+ s ago was served/);
    }
    // Content that is not in the cache cannot be served.
    worker.kv.fails = () => 500;
    assertRefusal(await worker.request("GET", "/nodes/JPE1/startup-config"), 503, /failed/);
    worker.kv.fails = () => undefined;
    assert.equal((await worker.request("GET", "/bootstrap")).text, before[0]);
  });

  test("contains missing documents, which stay missing while KV fails", async (t) => {
    const worker = await started(t);
    const script = (await worker.request("GET", "/bootstrap")).text;
    worker.kv.fails = () => 500;
    await worker.advance(MAX_AGE_MS);
    assert.equal((await worker.request("GET", "/bootstrap")).text, script);
  });
});

describe("the log", () => {
  test("does not report a missing meta as an error", async (t) => {
    const worker = await started(t);
    for (const path of ["/meta/files/x", "/meta/actions/x", "/meta/nodes/JPE1/startup-config"]) {
      assert.equal((await worker.request("GET", path)).status, 500);
      const [line] = await worker.lines();
      assert.deepEqual([line.level, line.status], ["warn", 500], path);
    }
    worker.kv.fails = () => 500;
    assert.equal((await worker.request("GET", "/meta/nodes/JPE1/startup-config")).status, 503);
    assert.equal((await worker.lines())[0].level, "error");
  });
});

describe("the rate limiter", () => {
  test("counts invalid tokens, unknown paths and /admin by address", async (t) => {
    const worker = await started(t, { bindings: SECRETS, limit: 3 });
    for (const [index, [name, path, status, others]] of [
      ["invalid tokens", "/t/guessed-guessed-guessed/bootstrap", 404],
      ["unknown paths", "/nothing", 404],
      ["a path that cannot be decoded", "/%zz", 404],
      ["unknown paths of a site", `/t/${AMSTERDAM}/nothing`, 404],
      ["operators' paths", "/admin/pools", 404],
      ["operators' paths with a token", "/admin/pools", 200, { Authorization: `Bearer ${ADMIN}` }],
    ].entries()) {
      const headers = { "CF-Connecting-IP": `192.0.2.${index}`, ...others };
      const statuses = [];
      for (let count = 0; count < 8; count += 1) statuses.push((await worker.request("GET", path, { headers })).status);
      assert.equal(statuses[0], status, name);
      assert.ok(statuses.includes(429), `${name}: ${statuses}`);
    }
    const own = nodeToken("amsterdam", AMSTERDAM, "JPE1");
    assert.equal((await worker.request("GET", `/t/${own}/bootstrap`)).status, 200);
  });

  test("accepts requests with a warning while it fails", async (t) => {
    const worker = await started(t, { bindings: SECRETS, limit: 3, limiterFails: true });
    for (const [path, status] of [
      [`/t/${AMSTERDAM}/bootstrap`, 200],
      ["/nothing", 404],
    ]) {
      for (let count = 0; count < 5; count += 1) {
        assert.equal((await worker.request("GET", path)).status, status);
        assert.match((await worker.lines())[0].warning, /calling the rate limiter failed.*accepted/);
      }
    }
  });
});
