// POST /nodes of an unknown node, and the check of its pattern on every GET.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, facts, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

const NEIGHBORDB = `
variables:
  spine: regex('spine\\d+')
patterns:
  - name: named
    definition: static
    node: JPE7
  - name: leaf
    definition: leaf
    config-handler: archive
    interfaces:
      - Ethernet1: $spine:Ethernet7
      - Ethernet2-3: $spine
      - none: core1
  - name: by model
    definition: static
    model: "DCS-70[0-9]+"
    interfaces:
      - Ethernet1: includes('agg')
`;
const LEAF = "name: leaf\nactions:\n- action: add_config\n  attributes: {url: files/leaf}\n";

const see = (...devices) => Object.fromEntries(devices.map((device, at) => [`Ethernet${at + 1}`, [{ device, port: "Ethernet7" }]]));
const post = (body) => worker.request("POST", "/nodes", { body: JSON.stringify(body) });

async function store(content) {
  for (const [key, text] of Object.entries(content)) await worker.kv.put(key, text);
}
async function stored() {
  return (await worker.kv.list({ prefix: "nodes/" })).keys.map((key) => key.name).sort();
}

const CONTENT = {
  neighbordb: NEIGHBORDB,
  "definitions/leaf": LEAF,
  "definitions/static": "name: static\nactions: []\n",
  "config-handlers/archive": "#!/bin/sh\n",
};

describe("POST /nodes of an unknown node", () => {
  test("stores the definition, pattern and config-handler of the first pattern that matches", async () => {
    await store(CONTENT);
    const response = await post(facts("JPE1", { neighbors: see("spine1", "spine2", "spine3") }));
    assert.equal(response.status, 201, response.text);
    assert.equal(response.headers.location, `${worker.url.origin}/nodes/JPE1`);
    assert.deepEqual(await stored(), ["nodes/JPE1/.node", "nodes/JPE1/config-handler", "nodes/JPE1/definition", "nodes/JPE1/pattern"]);
    assert.equal(await worker.kv.get("nodes/JPE1/definition"), LEAF);
    assert.equal(await worker.kv.get("nodes/JPE1/config-handler"), "#!/bin/sh\n");
    assert.match(await worker.kv.get("nodes/JPE1/pattern"), /name: leaf/);
    const definition = await worker.request("GET", "/nodes/JPE1");
    assert.equal(definition.status, 200, definition.text);
    assert.equal(definition.json.name, "leaf");
    assert.equal((await post(facts("JPE1", { neighbors: see("spine1", "spine2", "spine3") }))).status, 409);
  });

  test("stores the pattern of each of many simultaneous nodes, and sends no URL to a node without a match", async () => {
    await store(CONTENT);
    const asked = Array.from({ length: 20 }, (_, at) => {
      const neighbors = at % 2 ? see("spine1", "spine2", "spine3") : see("agg1");
      return { id: `JPE1${at}`, wanted: at % 2 ? "leaf" : "by model", body: facts(`JPE1${at}`, { model: "DCS-7050", neighbors }) };
    });
    const responses = await Promise.all(asked.map(({ body }) => post(body)));
    for (const [at, { id, wanted }] of asked.entries()) {
      assert.equal(responses[at].status, 201, responses[at].text);
      assert.equal(responses[at].headers.location, `${worker.url.origin}/nodes/${id}`);
      assert.match(await worker.kv.get(`nodes/${id}/pattern`), new RegExp(`name: "?${wanted}"?\n`));
    }
    const saved = await worker.request("PUT", "/nodes/JPE10/startup-config", { body: "hostname jpe10\n" });
    assert.deepEqual([saved.status, saved.headers.location], [201, undefined]);
  });

  test("stores the current pattern and definition, not those of an earlier node", async () => {
    await store(CONTENT);
    const neighbors = see("spine1", "spine2", "spine3");
    assert.equal((await post(facts("JPE1", { neighbors }))).status, 201);
    await store({ neighbordb: NEIGHBORDB.replace("spine\\d+", "spine[0-9]"), "definitions/leaf": LEAF.replace("files/leaf", "files/edge") });
    assert.equal((await post(facts("JPE2", { neighbors }))).status, 201);
    assert.match(await worker.kv.get("nodes/JPE1/pattern"), /spine\\\\d\+/);
    assert.match(await worker.kv.get("nodes/JPE2/pattern"), /spine\[0-9\]/);
    assert.equal(await worker.kv.get("nodes/JPE1/definition"), LEAF);
    assert.equal(await worker.kv.get("nodes/JPE2/definition"), LEAF.replace("files/leaf", "files/edge"));
  });

  test("checks only the `node:` pattern if there is one for the node", async () => {
    await store(CONTENT);
    assert.equal((await post(facts("JPE7", { neighbors: {} }))).status, 201);
    assert.match(await worker.kv.get("nodes/JPE7/pattern"), /name: named/);
    assert.equal((await worker.request("GET", "/nodes/JPE7")).json.name, "static");
  });

  test("replaces the records of a registration that was never completed", async () => {
    await store(CONTENT);
    await store({ "nodes/JPE1/.node": "{}", "nodes/JPE1/pattern": "name: other", "nodes/JPE1/attributes": "a: b" });
    assert.equal((await post(facts("JPE1", { neighbors: see("spine1", "spine2", "spine3") }))).status, 201);
    assert.match(await worker.kv.get("nodes/JPE1/pattern"), /name: leaf/);
    assert.equal(await worker.kv.get("nodes/JPE1/attributes"), "a: b");
  });

  test("refuses with the reason why each pattern does not match", async () => {
    await store(CONTENT);
    const response = await post(facts("JPE1", { model: "vEOS", neighbors: see("spine1", "core1") }));
    assertRefusal(response, 400, /no pattern matches/);
    const lines = response.text.trim().split("\n");
    assert.match(lines[1], /^pattern 'leaf': /);
    assert.match(lines[2], /^pattern 'by model': requires model regex\('DCS-70\[0-9\]\+'\), saw 'vEOS'/);
    assert.deepEqual(await stored(), []);
    assert.match(worker.requests().at(-1).reason, /pattern 'leaf': /);
  });

  test("bounds the reasons of many patterns, in the response and in the log", async () => {
    const patterns = Array.from({ length: 1000 }, (_, index) => `- {name: rack ${index}, definition: leaf, interfaces: [any: "regex('spine<${index}>')"]}\n`);
    await store({ ...CONTENT, neighbordb: `patterns:\n${patterns.join("")}` });
    const long = "\u001b<&".repeat(300);
    const neighbors = { Ethernet1: Array.from({ length: 3 }, () => ({ device: long, port: long })) };
    const response = await post(facts("JPE1", { neighbors }));
    assertRefusal(response, 400, /no pattern matches it:\npattern 'rack 0': .*\nand \d+ more patterns\n$/s);
    assert.ok(response.bytes.length <= 64 * 1024 && response.bytes.length > 60 * 1024, `${response.bytes.length}`);
    const { reason } = worker.requests().at(-1);
    assert.match(reason, /no pattern matches it:\npattern 'rack 0': .*\nand \d+ more patterns$/s);
    assert.ok(Buffer.byteLength(reason) <= 4096, `${reason.length}`);
  });

  test("bounds every other reason as well", async () => {
    await store({ "nodes/JPE1/definition": `actions:\n- action: a\n  attributes: {x: "allocate('${"<".repeat(100_000)}')"}\n` });
    const response = await worker.request("GET", "/nodes/JPE1");
    assertRefusal(response, 400, /…\n$/);
    assert.ok(response.bytes.length <= 64 * 1024, `${response.bytes.length}`);
    const { reason } = worker.requests().at(-1);
    assert.ok(Buffer.byteLength(reason) <= 4096 && reason.endsWith("…"), reason);
  });

  test("rejects a definition whose rendering is too large", async () => {
    const attributes = Array.from({ length: 1000 }, (_, index) => `k${index}: $long`).join(", ");
    await store({
      "nodes/JPE1/definition": `actions:\n- action: a\n  attributes: {${attributes}}\n`,
      "nodes/JPE1/attributes": `long: ${"x".repeat(10_000)}\n`,
    });
    assertRefusal(await worker.request("GET", "/nodes/JPE1"), 400, /nodes\/JPE1\/definition is broken: line 2, column 3: the definition has more than 2097152 bytes/);
  });

  test("matches a node with thirty thousand interfaces without neighbors", async () => {
    await store(CONTENT);
    const empty = Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`E${index}`, []]));
    assert.equal((await post(facts("JPE1", { neighbors: { ...empty, ...see("spine1", "spine2", "spine3") } }))).status, 201);
    assert.deepEqual(Object.keys(JSON.parse(await worker.kv.get("nodes/JPE1/.node")).neighbors), Object.keys(see("spine1", "spine2", "spine3")));
  });

  test("removes spaces around a serial number", async () => {
    await store({ "nodes/JPE1/definition": LEAF });
    const response = await post(facts(" JPE1 "));
    assert.equal(response.status, 409);
    assert.equal(response.headers.location, `${worker.url.origin}/nodes/JPE1`);
    assert.equal(JSON.parse(await worker.kv.get("nodes/JPE1/.node")).serialnumber, "JPE1");
    assert.equal((await worker.request("GET", "/nodes/JPE1%20")).status, 200);
  });

  for (const [name, content, reason] of [
    ["there is no neighbordb", { neighbordb: undefined }, /there is no neighbordb/],
    ["neighbordb is empty", { neighbordb: "" }, /no pattern for this node/],
    ["neighbordb is not YAML", { neighbordb: "patterns: [" }, /neighbordb is broken: line/],
    ["a pattern is invalid, also if another matches", { neighbordb: `${NEIGHBORDB}  - name: typo\n    definition: leaf\n    interface: []\n` }, /pattern &#?\w*;?'?typo|pattern 'typo'/],
    ["a regular expression is invalid", { neighbordb: "patterns:\n- {name: x, definition: leaf, model: '('}\n" }, /pattern 'x'/],
    ["the definition is not stored", { "definitions/leaf": undefined }, /definitions\/leaf that it names is not stored/],
    ["the definition is broken", { "definitions/leaf": "actions: 1" }, /definitions\/leaf is broken/],
    ["neighbordb is not UTF-8", { neighbordb: Uint8Array.of(0xff).buffer }, /neighbordb is not UTF-8/],
    ["the definition is not UTF-8", { "definitions/leaf": Uint8Array.of(0xff).buffer }, /definitions\/leaf is not UTF-8/],
    ["the config-handler is not UTF-8", { "config-handlers/archive": Uint8Array.of(0xff).buffer }, /config-handlers\/archive is not UTF-8/],
    ["the config-handler is not stored", { "config-handlers/archive": undefined }, /config-handlers\/archive that it names is not stored/],
  ]) {
    test(`refuses, and stores nothing, if ${name}`, async () => {
      const all = Object.entries({ ...CONTENT, ...content }).filter(([, text]) => text !== undefined);
      await store(Object.fromEntries(all));
      assertRefusal(await post(facts("JPE1", { neighbors: see("spine1", "spine2", "spine3") })), 400, reason);
      assert.deepEqual(await stored(), []);
    });
  }

  test("ends a catastrophic regular expression early, with the reason", async () => {
    await store({ ...CONTENT, neighbordb: "patterns:\n- name: slow\n  definition: leaf\n  interfaces:\n  - any: regex('(a+)+$')\n- name: all\n  definition: leaf\n  model: .*\n" });
    const response = await post(facts("JPE1", { neighbors: see(`${"a".repeat(60)}!`) }));
    assert.ok([201, 400].includes(response.status));
    if (response.status === 400) assert.match(response.text, /slow/);
  });
});

describe("GET /nodes/{id} of a matched node", () => {
  test("is refused after its cabling changes, and served after it is correct again", async () => {
    await store(CONTENT);
    const right = see("spine1", "spine2", "spine3");
    await post(facts("JPE1", { neighbors: right }));
    assert.equal((await post(facts("JPE1", { neighbors: see("spine1", "core9", "spine3") }))).status, 409);
    assertRefusal(await worker.request("GET", "/nodes/JPE1"), 400, /no longer matches its pattern.*pattern 'leaf': Ethernet2 requires device regex\('spine\\d\+'\), saw 'core9'/);
    await post(facts("JPE1", { neighbors: right }));
    assert.equal((await worker.request("GET", "/nodes/JPE1")).status, 200);
  });

  test("is served without a check if there is no pattern", async () => {
    await store({ "nodes/JPE1/definition": LEAF });
    assert.equal((await worker.request("GET", "/nodes/JPE1")).status, 200);
  });

  for (const [name, content, reason] of [
    ["its facts are missing", { "nodes/JPE1/.node": undefined }, /POST \/nodes comes first/],
    ["its facts are broken", { "nodes/JPE1/.node": "{" }, /nodes\/JPE1\/\.node is broken/],
    ["its pattern is broken", { "nodes/JPE1/pattern": "interfaces: 7" }, /nodes\/JPE1\/pattern is broken/],
  ]) {
    test(`is refused if ${name}`, async () => {
      const all = {
        "nodes/JPE1/.node": JSON.stringify(facts("JPE1")),
        "nodes/JPE1/pattern": "name: x\ninterfaces:\n- Ethernet1: spine1\n",
        "nodes/JPE1/definition": LEAF,
        ...content,
      };
      await store(Object.fromEntries(Object.entries(all).filter(([, text]) => text !== undefined)));
      assertRefusal(await worker.request("GET", "/nodes/JPE1"), 400, reason);
    });
  }

  test("is not checked with DISABLE_TOPOLOGY_VALIDATION=True", async (t) => {
    const other = await startWorker({ vars: { DISABLE_TOPOLOGY_VALIDATION: "True" } });
    t.after(() => other.stop());
    await other.kv.put("nodes/JPE1/definition", LEAF);
    await other.kv.put("nodes/JPE1/pattern", "name: x\ninterfaces:\n- Ethernet1: spine9\n");
    await other.kv.put("nodes/JPE1/.node", JSON.stringify(facts("JPE1")));
    assert.equal((await other.request("GET", "/nodes/JPE1")).status, 200);
  });
});
