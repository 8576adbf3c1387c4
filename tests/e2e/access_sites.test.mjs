// Nodes are not visible to other sites; the writes that clients may make.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { ADMIN, AMSTERDAM, LONDON, nodeToken, startGuarded } from "./credentials.mjs";
import { assertOperatorRefusal, assertRefusal, facts } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startGuarded({ bundle: "bundle-clock" });
});
after(async () => {
  worker.assertNothingLeaked();
  await worker.stop();
});
beforeEach(() => worker.clear());

const DEFINITION = JSON.stringify({ name: "leaf", actions: [{ action: "add_config", attributes: { url: "files/x" } }] });
const NEIGHBORDB = "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - any: spine1:any\n";
const at = (site, token, id) => nodeToken(site, token, id);
const ams = (id) => at("amsterdam", AMSTERDAM, id);
const lon = (id) => at("london", LONDON, id);
const post = (credential, id, others) => worker.under(credential, "POST", "/nodes", { body: JSON.stringify(facts(id, others)) });
const put = (credential, id, body = "hostname x") => worker.under(credential, "PUT", `/nodes/${id}/startup-config`, { body });
const get = (credential, id, rest = "") => worker.under(credential, "GET", `/nodes/${id}${rest}`);
const stored = (id, record) => worker.kv.get(`nodes/${id}/${record}`);

describe("a node belongs to the site", () => {
  test("whose POST was accepted first", async () => {
    // Shared content is cached for some seconds: the tests store it once, and never change it.
    await worker.kv.put("neighbordb", NEIGHBORDB);
    await worker.kv.put("definitions/leaf", DEFINITION);
    const posted = await post(AMSTERDAM, "JPE1");
    assert.equal(posted.status, 201, posted.text);
    assert.equal(posted.headers.location, `${worker.url.origin}/t/${AMSTERDAM}/nodes/JPE1`);
    assert.equal(await stored("JPE1", "site"), "amsterdam");
    assert.equal((await get(AMSTERDAM, "JPE1")).status, 200);

    const before = await stored("JPE1", ".node");
    for (const credential of [LONDON, lon("JPE1")]) {
      assertRefusal(await post(credential, "JPE1", { version: "9" }), 400, /not known here/);
      assertRefusal(await get(credential, "JPE1"), 400, /not known here/);
      assertRefusal(await get(credential, "JPE1", "/startup-config"), 400, /no startup-config here/);
      assertRefusal(await put(credential, "JPE1"), 403, /not known here/);
      assert.equal((await worker.under(credential, "GET", "/meta/nodes/JPE1/.node")).status, 500);
    }
    assert.equal(await stored("JPE1", ".node"), before);
    assert.equal(await stored("JPE1", "startup-config"), null);
  });

  test("in its record `site`, if an operator has stored one", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "x");
    await worker.kv.put("nodes/JPE1/site", "london\n");
    assert.equal((await get(LONDON, "JPE1")).status, 200);
    assert.equal((await get(AMSTERDAM, "JPE1")).status, 400);
    assert.equal((await post(LONDON, "JPE1")).status, 409);
    assert.equal(await stored("JPE1", "site"), "london\n");
  });

  for (const [name, record] of [["empty", ""], ["of another case", "London"], ["two sites", "london amsterdam"], ["binary", Buffer.from([0xff, 0xfe, 0])], ["a prefix", "lon"]]) {
    test(`and to none, if that record is ${name}`, async () => {
      await worker.kv.put("nodes/JPE1/startup-config", "x");
      await worker.kv.put("nodes/JPE1/site", record);
      for (const credential of [LONDON, lon("JPE1"), AMSTERDAM, ams("JPE1")]) {
        assert.equal((await get(credential, "JPE1")).status, 400);
        assert.equal((await get(credential, "JPE1", "/startup-config")).status, 400);
        assert.equal((await put(credential, "JPE1")).status, 403);
        assert.equal((await post(credential, "JPE1")).status, 400);
      }
      assert.match(worker.requests().at(-1).warning, /belongs to another site/);
    });
  }

  test("and to every site until a POST or PUT stores such a record", async () => {
    for (const id of ["JPE1", "JPE2"]) await worker.kv.put(`nodes/${id}/startup-config`, "x");
    for (const credential of [LONDON, AMSTERDAM]) assert.equal((await get(credential, "JPE1")).status, 200);
    assert.equal((await post(LONDON, "JPE1")).status, 409);
    assert.equal((await put(AMSTERDAM, "JPE2")).status, 201);
    assert.deepEqual([await stored("JPE1", "site"), await stored("JPE2", "site")], ["london", "amsterdam"]);
    assert.equal((await get(AMSTERDAM, "JPE1")).status, 400);
    assert.equal((await get(LONDON, "JPE2")).status, 400);
  });

  test("and keeps its values from pools of its site", async () => {
    await worker.kv.put("resources/net", "10.0.0.1: null\n10.0.0.2: null\n");
    await worker.kv.put("nodes/POOL1/definition", DEFINITION.replace("files/x", "allocate('net')"));
    const url = async (credential) => (await get(credential, "POOL1")).json.actions[0].attributes.url;
    assert.equal(await url(AMSTERDAM), "10.0.0.1");
    assert.equal(await url(ams("POOL1")), "10.0.0.1");
    await worker.request("DELETE", "/admin/pools/net?node=POOL1", { headers: { Authorization: `Bearer ${ADMIN}` } });
  });
});

describe("a startup-config", () => {
  test("is accepted for a known node, or under the URL of the node", async () => {
    assertRefusal(await put(AMSTERDAM, "JPE1"), 403, /only from the URL that was made for it/);
    assert.equal(await stored("JPE1", "startup-config"), null);
    assert.equal((await put(ams("JPE1"), "JPE1")).status, 201);
    assert.equal(await stored("JPE1", "site"), "amsterdam");
    assert.equal((await put(AMSTERDAM, "JPE1", "hostname y")).status, 201);
    assert.equal((await get(AMSTERDAM, "JPE1", "/startup-config")).text, "hostname y");
  });

  test("is rejected under another node's URL", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "mine");
    for (const path of ["/nodes/JPE1/startup-config", "/nodes/%4aPE1/startup-config"]) {
      assertRefusal(await worker.under(ams("JPE2"), "PUT", path, { body: "x" }), 403, /made for another node/);
    }
    assert.equal(await stored("JPE1", "startup-config"), "mine");
  });

  test("in a POST is accepted only under the URL of the node", async () => {
    const config = { config: "hostname x" };
    assertRefusal(await post(AMSTERDAM, "JPE1", config), 403, /only from the URL that was made for it/);
    assertRefusal(await post(ams("JPE2"), "JPE1", config), 403, /made for another node/);
    assert.deepEqual((await worker.kv.list()).keys, []);
    const posted = await post(ams("JPE1"), "JPE1", config);
    assert.equal(posted.status, 201);
    assert.equal(posted.headers.location, `${worker.url.origin}/t/${ams("JPE1")}/nodes/JPE1`);
    const { json } = await get(ams("JPE1"), "JPE1");
    assert.equal(json.actions[0].attributes.url, `${worker.url.origin}/t/${ams("JPE1")}/nodes/JPE1/startup-config`);
    assert.equal((await post(AMSTERDAM, "JPE1", { config: "other" })).status, 409);
    assert.equal(await stored("JPE1", "startup-config"), "hostname x");
  });
});

describe("facts", () => {
  test("of another node are rejected under a node's URL, and nothing is stored", async () => {
    for (const serial of ["JPE2", "jpe1", "JPE 1", "JPE1\u200b"]) {
      assertRefusal(await post(ams("JPE1"), serial, { config: "x" }), 403, /made for another node/);
    }
    assert.deepEqual((await worker.kv.list()).keys, []);
  });

  test("cannot forge a line of the log, or an id that leaves its folder", async () => {
    worker.requests();
    for (const serial of ["a\nb", "../x", "..", "a/b", "\u0000", "{\"status\":200}\r\nx"]) {
      assertRefusal(await post(AMSTERDAM, serial, { config: "x" }), 400, /is not a valid node id|cannot identify/);
    }
    assert.equal(worker.requests().length, 6);
    assert.deepEqual((await worker.kv.list()).keys, []);
  });

  test("that are too long are rejected: a refusal could repeat them for each pattern", async () => {
    assertRefusal(await post(AMSTERDAM, "JPE1", { model: "x".repeat(1025) }), 400, /model has 1025 bytes/);
  });
});

describe("/admin with sites", () => {
  test("accepts only its own token, outside of every site", async () => {
    const ask = (path, token) => worker.request("GET", path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    assert.equal((await ask("/admin/pools", ADMIN)).status, 200);
    for (const token of [undefined, "", "wrong", AMSTERDAM, ams("JPE1"), `${ADMIN}x`, ADMIN.slice(0, -1)]) {
      assertRefusal(await ask("/admin/pools", token), 404, /nothing at this path/);
    }
    for (const path of [`/t/${AMSTERDAM}/admin/pools`, "/Admin/pools", "/admin%2fpools"]) {
      assertRefusal(await ask(path, ADMIN), 404, /nothing at this path/);
    }
    for (const path of ["/admin/console", "/admin/other"]) assertOperatorRefusal(await ask(path, ADMIN), 404, /nothing at this path/);
  });
});
