// Resource pools: plugin calls in definitions, and the operators' API.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { withStorage } from "../../scripts/storage.mjs";
import { assertOperatorRefusal, assertRefusal, send, startWorker } from "./harness.mjs";
import { startOn } from "./persistent.mjs";

const ADMIN = "an-admin-token-of-enough-length";
let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const get = (node) => worker.request("GET", `/nodes/${node}`);
const admin = (method, path, token = ADMIN) => worker.request(method, `/admin/pools${path}`, { headers: { Authorization: `Bearer ${token}` } });
const pool = (name, ...lines) => worker.kv.put(`resources/${name}`, lines.join("\n"));

async function define(attributes, ...nodes) {
  const definition = JSON.stringify({ name: "x", actions: [{ action: "add_config", attributes }] });
  for (const node of nodes) await worker.kv.put(`nodes/${node}/definition`, definition);
}
async function value(node) {
  const response = await get(node);
  assert.equal(response.status, 200, response.text);
  return response.json.actions[0].attributes.ip;
}

describe("allocate in a definition", () => {
  test("is replaced at every depth of mappings and lists, and the text around it stays", async () => {
    await pool("net", "10.0.0.1: null", "10.0.0.2: null");
    await pool("as", "65001: null");
    await define(
      {
        ip: "allocate('net')",
        quoted: 'allocate("net")',
        around: "ip address allocate('net')/24 secondary",
        two: "allocate('net') as allocate('as')",
        old: "sqlite('net')",
        variables: { ip: "allocate('net')/24", deep: { list: ["a", ["allocate('as')"], 7] } },
        list: ["allocate('net')", 1, null],
        plain: "z reallocate('net')",
      },
      "JPE1",
    );
    const response = await get("JPE1");
    assert.equal(response.status, 200, response.text);
    assert.deepEqual(response.json.actions[0].attributes, {
      ip: "10.0.0.1",
      quoted: "10.0.0.1",
      around: "ip address 10.0.0.1/24 secondary",
      two: "10.0.0.1 as 65001",
      old: "10.0.0.1",
      variables: { ip: "10.0.0.1/24", deep: { list: ["a", ["65001"], 7] } },
      list: ["10.0.0.1", 1, null],
      plain: "z reallocate('net')",
    });
    const line = worker.requests().at(-1);
    assert.equal(line.object_calls, 3, "of the node and two pools");
    assert.deepEqual(line.allocated, ["net: 10.0.0.1", "as: 65001"]);
  });

  test("is replaced in the value of an attribute", async () => {
    await pool("net", "10.0.0.1: null");
    await define({ ip: "$address" }, "JPE1");
    await worker.kv.put("nodes/JPE1/attributes", "address: allocate('net')\n");
    assert.equal(await value("JPE1"), "10.0.0.1");
  });

  test("returns the value of the node, else its reservation, else the first free value", async () => {
    await pool("net", "10.0.0.1: JPE2", "10.0.0.2: null", "10.0.0.3: null");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2", "JPE3");
    assert.equal(await value("JPE1"), "10.0.0.2");
    assert.equal(await value("JPE2"), "10.0.0.1");
    assert.equal(await value("JPE3"), "10.0.0.3");
    for (const node of ["JPE3", "JPE1", "JPE2"]) assert.ok(await value(node));
    assert.equal(await value("JPE1"), "10.0.0.2");
  });

  test("accepts ranges and the hosts of networks", async () => {
    await pool("net", "10.0.0.254-10.0.1.0/22: null", "hosts(192.168.7.0/30): null");
    const nodes = ["JPE1", "JPE2", "JPE3", "JPE4", "JPE5"];
    await define({ ip: "allocate('net')" }, ...nodes, "JPE6");
    const values = [];
    for (const node of nodes) values.push(await value(node));
    assert.deepEqual(values, ["10.0.0.254/22", "10.0.0.255/22", "10.0.1.0/22", "192.168.7.1/30", "192.168.7.2/30"]);
    assertRefusal(await get("JPE6"), 400, /the pool &?#?\w*;?'?net.*JPE6.*5 are taken/);
  });

  test("returns a network as one value, and each address of a loopback range with /32", async () => {
    const nodes = ["RACK1", "RACK2", "RACK3"];
    await pool("prefix", "10.20.1.0/24: null", "10.20.2.0/24: null", "2001:db8:20:1::/64: null");
    await pool("loopback", "10.255.0.255-10.255.1.1/32: null");
    await define({ ip: "allocate('prefix') allocate('loopback')" }, ...nodes);
    await define({ ip: "allocate('prefix')" }, "RACK4");
    const values = [];
    for (const node of nodes) values.push(await value(node));
    assert.deepEqual(values, ["10.20.1.0/24 10.255.0.255/32", "10.20.2.0/24 10.255.1.0/32", "2001:db8:20:1::/64 10.255.1.1/32"]);
    assertRefusal(await get("RACK4"), 400, /no value is free: 3 are taken.*10\.20\.1\.0\/24 is one value; write hosts\(10\.20\.1\.0\/24\)/);
  });

  for (const [name, lines, reason] of [
    ["is missing", undefined, /pool 'net' is not found: resources\/net is not stored/],
    ["is empty", [""], /pool 'net' cannot be used.*it is empty/],
    ["is not a mapping", ["- 10.0.0.1"], /pool 'net' cannot be used: resources\/net is broken: line 1.*a list/],
    ["is exhausted", ["10.0.0.1: JPE9", "10.0.0.2: JPE8"], /JPE1: no value is free: 0 are taken and 2 more are reserved/],
    ["has a range that runs backwards", ["10.0.0.9-10.0.0.1: null"], /runs backwards/],
  ]) {
    test(`is a clear 400 if the pool ${name}`, async () => {
      if (lines) await pool("net", ...lines);
      await define({ ip: "allocate('net')" }, "JPE1");
      assertRefusal(await get("JPE1"), 400, reason);
    });
  }

  for (const call of ["allocate('../nodes')", "allocate('a//b')", "mysql_vars('net')"]) {
    test(`is a clear 400 for ${call}`, async () => {
      await define({ ip: call }, "JPE1");
      assertRefusal(await get("JPE1"), 400, /calls/);
    });
  }

  test("keeps the value of an earlier pool if a later pool has none", async () => {
    await pool("net", "10.0.0.1: null", "10.0.0.2: null");
    await define({ ip: "allocate('net')", as: "allocate('as')" }, "JPE1");
    await define({ ip: "allocate('net')" }, "JPE2");
    assertRefusal(await get("JPE1"), 400, /pool 'as'/);
    assert.deepEqual(worker.requests().at(-1).allocated, ["net: 10.0.0.1"]);
    assert.equal(await value("JPE2"), "10.0.0.2");
    await pool("as", "65001: null");
    assert.equal(await value("JPE1"), "10.0.0.1");
  });
});

describe("an edited pool", () => {
  test("keeps a removed value with its node, and gives it to no other node after it is added again", async () => {
    await pool("net", "10.0.0.1: null", "10.0.0.2: null");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2", "JPE3");
    assert.equal(await value("JPE1"), "10.0.0.1");
    await pool("net", "10.0.0.2: null");
    assert.equal(await value("JPE1"), "10.0.0.1");
    await pool("net", "10.0.0.1: null", "10.0.0.2: null", "10.0.0.3: null");
    assert.equal(await value("JPE2"), "10.0.0.2");
    assert.equal(await value("JPE3"), "10.0.0.3");
  });

  test("that is missing or broken still returns allocated values, and allocates no new ones", async () => {
    await pool("net", "10.0.0.1: null", "10.0.0.2: null");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2");
    assert.equal(await value("JPE1"), "10.0.0.1");
    await pool("net", "- broken");
    assert.equal(await value("JPE1"), "10.0.0.1");
    assertRefusal(await get("JPE2"), 400, /resources\/net is broken/);
    await worker.kv.delete("resources/net");
    assert.equal(await value("JPE1"), "10.0.0.1");
    assertRefusal(await get("JPE2"), 400, /resources\/net is not stored/);
  });

  test("that changes addresses to their network keeps the allocated addresses, and does not allocate the network", async () => {
    await pool("net", "hosts(10.20.1.0/24): null");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2");
    assert.equal(await value("JPE1"), "10.20.1.1/24");
    await pool("net", "10.20.1.0/24: null", "10.20.2.0/24: null");
    assert.equal(await value("JPE1"), "10.20.1.1/24");
    assert.equal(await value("JPE2"), "10.20.2.0/24");
  });

  test("never allocates a value twice while values are added, removed and reserved", async () => {
    const nodes = Array.from({ length: 60 }, (_, at) => `N${at}`);
    await define({ ip: "allocate('net')" }, ...nodes);
    const all = Array.from({ length: 80 }, (_, at) => `10.0.0.${at + 1}`);
    let random = 7;
    const next = (below) => (random = (random * 48271) % 2147483647) % below;
    const edit = () => {
      const lines = all.filter(() => next(4) > 0).map((ip) => `${ip}: ${next(5) === 0 ? nodes[next(60)] : "null"}`);
      return pool("net", ...lines);
    };
    await edit();
    const seen = new Map();
    for (let round = 0; round < 6; round += 1) {
      const asking = nodes.map(async (node) => [node, await get(node)]);
      const [responses] = await Promise.all([Promise.all(asking), edit().then(edit)]);
      for (const [node, response] of responses) {
        if (response.status === 400) continue;
        const ip = response.json.actions[0].attributes.ip;
        assert.equal(seen.get(node) ?? ip, ip, "a node keeps its value");
        seen.set(node, ip);
      }
      assert.equal(new Set(seen.values()).size, seen.size, "no value is given twice");
    }
    assert.ok(seen.size > 30, `${seen.size} nodes got a value`);
  });
});

describe("/admin/pools", () => {
  test("lists pools with their allocated, reserved and free values", async () => {
    await pool("net", "10.0.0.1/24: null", "10.0.0.2/24: JPE7");
    await pool("as", "65001: null");
    await define({ ip: "allocate('net')" }, "JPE1");
    await value("JPE1");
    assert.deepEqual((await admin("GET", "")).json, { pools: ["as", "net"] });
    const { allocations, ...listing } = (await admin("GET", "/net")).json;
    assert.deepEqual(listing, { pool: "net", size: 1, taken: 1, reservations: [{ value: "10.0.0.2/24", node: "JPE7" }] });
    assert.equal(allocations.length, 1);
    assert.equal(allocations[0].value, "10.0.0.1/24");
    assert.equal(allocations[0].node, "JPE1");
    assert.ok(Math.abs(worker.now() - Date.parse(allocations[0].since)) < 60_000);
  });

  test("releases a value only from the node that has it, if that is named", async () => {
    await worker.kv.put("resources/net", "10.0.0.1/24: null\n10.0.0.2/24: null\n");
    for (const [value, node] of [["10.0.0.1", "JPE2"], ["10.0.0.2", "JPE1&name=a"]]) assert.equal((await admin("PUT", `/net/${value}%2F24?node=${node}`)).status, 200);
    for (const [value, holder, now] of [["10.0.0.1", "JPE1", "JPE2"], ["10.0.0.1", "JPE2/a", "JPE2"], ["10.0.0.2", "JPE1", "JPE1/a"]]) {
      const refused = await admin("DELETE", `/net/${value}%2F24?holder=${encodeURIComponent(holder)}`);
      assertOperatorRefusal(refused, 409, new RegExp(`was not released: ${now} holds it now, not ${holder}; read the pool again`));
    }
    // Not as if there were no condition.
    assertOperatorRefusal(await admin("DELETE", "/net/10.0.0.1%2F24?holder=JPE2%FF"), 400, /the query of the URL is not valid/);
    for (const [value, holder] of [["10.0.0.1", "JPE2"], ["10.0.0.2", "JPE1/a"]]) {
      assert.equal((await admin("DELETE", `/net/${value}%2F24?holder=${encodeURIComponent(holder)}`)).status, 200);
      assertOperatorRefusal(await admin("DELETE", `/net/${value}%2F24?holder=${encodeURIComponent(holder)}`), 404, /no such allocation/);
    }
  });

  test("releases a value, or the value of a node, and logs it", async () => {
    await pool("net", "10.0.0.1/24: null");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2", "JPE3");
    await value("JPE1");
    const released = await admin("DELETE", "/net/10.0.0.1%2F24");
    assert.equal(released.status, 200, released.text);
    assert.equal(released.json.released.node, "JPE1");
    const line = worker.requests().at(-1);
    assert.deepEqual([line.released, line.node, line.route], ["net: 10.0.0.1/24", "JPE1", "/admin/pools/{pool}/{value}"]);
    assert.equal(await value("JPE2"), "10.0.0.1/24");
    assert.equal((await admin("DELETE", "/net?node=JPE2")).json.released.value, "10.0.0.1/24");
    assert.equal(await value("JPE3"), "10.0.0.1/24");
    assertOperatorRefusal(await admin("DELETE", "/net?node=JPE2"), 404, /no such allocation/);
    assertOperatorRefusal(await admin("DELETE", "/net/10.9.9.9"), 404, /no such allocation/);
    assertOperatorRefusal(await admin("DELETE", "/net"), 400, /\?node=ID/);
  });

  test("assigns a value to a node before its first request", async () => {
    await pool("net", "10.0.0.1: null", "10.0.0.2: null", "10.0.0.3: JPE9");
    await define({ ip: "allocate('net')" }, "JPE1", "JPE2");
    assert.equal((await admin("PUT", "/net/10.0.0.2?node=JPE1")).status, 200);
    assert.equal((await admin("PUT", "/net/10.0.0.2?node=JPE1")).status, 200);
    assert.equal(await value("JPE1"), "10.0.0.2");
    assert.equal(await value("JPE2"), "10.0.0.1");
    for (const [path, reason] of [
      ["/net/10.0.0.2?node=JPE4", /held by the node JPE1/],
      ["/net/10.0.0.3?node=JPE4", /reserved for the node JPE9/],
      ["/net/10.0.0.3?node=JPE1", /already holds 10\.0\.0\.2/],
      ["/net/10.0.0.7?node=JPE4", /no value 10\.0\.0\.7/],
    ]) {
      assertOperatorRefusal(await admin("PUT", path), 409, reason);
    }
    assertOperatorRefusal(await admin("PUT", "/net/10.0.0.1"), 400, /\?node=ID/);
    assertOperatorRefusal(await admin("PUT", "/net/10.0.0.1?node=a%2Fb"), 400, /node id/);
  });

  test("accepts names of pools with slashes, encoded or not", async () => {
    await pool("berlin/mgmt", "10.0.0.1/24: null", "10.0.0.2/24: null", "10.0.0.3/24: null");
    await pool("berlin", "mgmt/7: null");
    assert.equal((await admin("GET", "/berlin/mgmt")).json.pool, "berlin/mgmt");
    assert.equal((await admin("GET", "/berlin%2Fmgmt")).json.pool, "berlin/mgmt");
    for (const [path, node, name, value] of [
      ["/berlin/mgmt/10.0.0.1/24", "JPE1", "berlin/mgmt", "10.0.0.1/24"],
      ["/berlin/mgmt/10.0.0.2%2F24", "JPE2", "berlin/mgmt", "10.0.0.2/24"],
      ["/berlin%2Fmgmt/10.0.0.3/24", "JPE3", "berlin/mgmt", "10.0.0.3/24"],
      ["/berlin/mgmt%2F7", "JPE4", "berlin", "mgmt/7"],
    ]) {
      const given = await admin("PUT", `${path}?node=${node}`);
      assert.equal(given.status, 200, `${path}: ${given.text}`);
      assert.deepEqual(given.json, { pool: name, value, node, audit: given.json.audit });
    }
    assert.equal((await admin("DELETE", "/berlin/mgmt?node=JPE1")).json.released.value, "10.0.0.1/24");
    assert.equal((await admin("DELETE", "/berlin/mgmt/10.0.0.2/24")).json.released.node, "JPE2");
    assert.equal((await admin("DELETE", "/berlin%2Fmgmt/10.0.0.3%2F24")).json.released.node, "JPE3");
    assertOperatorRefusal(await admin("GET", "/berlin/none"), 400, /resources\/berlin\/none is not stored/);
  });

  test("accepts the scheme of the token in any case", async () => {
    for (const scheme of ["bearer", "BEARER", "bEaRer"]) {
      const response = await worker.request("GET", "/admin/pools", { headers: { Authorization: `${scheme} ${ADMIN}` } });
      assert.equal(response.status, 200, scheme);
    }
    const other = await worker.request("GET", "/admin/pools", { headers: { Authorization: `Basic ${ADMIN}` } });
    assertRefusal(other, 404, /nothing at this path/);
  });

  test("is not found without the token, or without the secret", async (t) => {
    for (const token of ["", "wrong", `${ADMIN}x`, ADMIN.toUpperCase()]) {
      const response = await admin("GET", "", token);
      assertRefusal(response, 404, /nothing at this path/);
    }
    const other = await startWorker();
    t.after(() => other.stop());
    const response = await other.request("GET", "/admin/pools", { headers: { Authorization: `Bearer ${ADMIN}` } });
    assertRefusal(response, 404, /nothing at this path/);
  });

  test("sends 405 with the methods of the path", async () => {
    for (const [method, path, allow] of [["POST", "", "GET, HEAD, DELETE"], ["PUT", "/net", "GET, HEAD, DELETE"], ["POST", "/net/x", "GET, HEAD, PUT, DELETE"]]) {
      const response = await admin(method, path);
      assert.equal(response.status, 405);
      assert.equal(response.headers.allow, allow);
    }
  });

  test("rejects invalid names of pools", async () => {
    assertOperatorRefusal(await admin("GET", "/..%2Fnodes"), 400, /is not a valid pool name/);
    assertOperatorRefusal(await admin("GET", "/none"), 400, /resources\/none is not stored/);
  });
});

describe("pools of sites", () => {
  const TOKENS = { amsterdam: "amsterdam-amsterdam", london: "london-london-london" };

  test("a site has its own pool if one is stored, and shares every other", async (t) => {
    const secrets = { ZTP_TOKENS: Object.entries(TOKENS).map((line) => line.join("=")).join("\n") };
    const sites = await startWorker({ secrets });
    t.after(() => sites.stop());
    const definition = JSON.stringify({ actions: [{ action: "a", attributes: { own: "allocate('own')", shared: "allocate('shared')" } }] });
    for (const node of ["JPE1", "JPE2", "JPE3"]) await sites.kv.put(`nodes/${node}/definition`, definition);
    await sites.kv.put("resources/shared", "10.0.0.1-10.0.0.9: null");
    await sites.kv.put("resources/own", "192.168.0.1: null\n192.168.0.2: null");
    await sites.kv.put("resources/london/own", "192.168.0.1: null");
    const values = async (site, node) => {
      const response = await sites.request("GET", `/t/${TOKENS[site]}/nodes/${node}`);
      assert.equal(response.status, 200, response.text);
      return response.json.actions[0].attributes;
    };
    assert.deepEqual(await values("london", "JPE1"), { own: "192.168.0.1", shared: "10.0.0.1" });
    assert.deepEqual(await values("amsterdam", "JPE2"), { own: "192.168.0.1", shared: "10.0.0.2" });
    assert.deepEqual(await values("amsterdam", "JPE3"), { own: "192.168.0.2", shared: "10.0.0.3" });
  });

  test("a node keeps its value while its site's pool is added and removed", async (t) => {
    const secrets = { ZTP_TOKENS: `berlin=${"berlin".repeat(3)}`, ZTP_ADMIN_TOKEN: ADMIN };
    const sites = await startWorker({ secrets, forgetful: true });
    t.after(() => sites.stop());
    const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('mgmt')" } }] });
    for (const node of ["JPE1", "JPE2", "JPE3", "JPE4"]) await sites.kv.put(`nodes/${node}/definition`, definition);
    const ask = (node) => sites.request("GET", `/t/${"berlin".repeat(3)}/nodes/${node}`);
    const ip = async (node) => {
      const response = await ask(node);
      assert.equal(response.status, 200, response.text);
      return response.json.actions[0].attributes.ip;
    };
    await sites.kv.put("resources/mgmt", "10.0.0.1: null\n10.0.0.2: null");
    assert.equal(await ip("JPE1"), "10.0.0.1");
    await sites.kv.put("resources/berlin/mgmt", "192.0.2.1: null\n192.0.2.2: JPE1");
    assert.equal(await ip("JPE1"), "10.0.0.1");
    assert.equal(await ip("JPE2"), "192.0.2.1");
    assertRefusal(await ask("JPE3"), 400, /the pool .{0,5}berlin\/mgmt.{0,5} has no value/);
    sites.logs();
    assert.equal(await ip("JPE2"), "192.0.2.1");
    const line = sites.requests().at(-1);
    assert.deepEqual([line.object_calls, line.allocated], [2, ["berlin/mgmt: 192.0.2.1"]]);
    // The site's pool is missing, as in storage that does not return it yet.
    await sites.kv.delete("resources/berlin/mgmt");
    assert.equal(await ip("JPE2"), "192.0.2.1");
    assert.equal(await ip("JPE3"), "10.0.0.2");
    // The site's pool allocates a value only after the value of the shared pool is released.
    await sites.kv.put("resources/berlin/mgmt", "192.0.2.1: null\n192.0.2.2: JPE1");
    const released = await sites.request("DELETE", "/admin/pools/mgmt?node=JPE1", { headers: { Authorization: `Bearer ${ADMIN}` } });
    assert.equal(released.status, 200, released.text);
    assert.equal(await ip("JPE1"), "192.0.2.2");
  });

  test("with READ_ONLY, a node without a value receives none from either pool", async (t) => {
    const sites = await startWorker({ secrets: { ZTP_TOKENS: `berlin=${"berlin".repeat(3)}` }, vars: { READ_ONLY: "True" } });
    t.after(() => sites.stop());
    await sites.kv.put("nodes/JPE1/definition", JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('mgmt')" } }] }));
    await sites.kv.put("resources/mgmt", "10.0.0.1: null");
    await sites.kv.put("resources/berlin/mgmt", "192.0.2.1: null");
    const response = await sites.request("GET", `/t/${"berlin".repeat(3)}/nodes/JPE1`);
    assertRefusal(response, 403, /no value from the pool .{0,5}berlin\/mgmt/);
  });
});

describe("nodes with MAC addresses as ids", () => {
  const SPELLINGS = ["00:1C:73:AA:BB:01", "001c.73aa.bb01", "00-1c-73-aa-bb-01", "001C73AABB01"];

  test("are the same in a reservation and in ?node=, in every spelling", async (t) => {
    const macs = await startWorker({ vars: { IDENTIFIER: "systemmac" }, secrets: { ZTP_ADMIN_TOKEN: ADMIN }, forgetful: true });
    t.after(() => macs.stop());
    const ask = (method, path) => macs.request(method, path, { headers: { Authorization: `Bearer ${ADMIN}` } });
    const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] });
    await macs.kv.put("nodes/001c73aabb01/definition", definition);
    const ip = async () => {
      const response = await macs.request("GET", "/nodes/00:1c:73:aa:bb:01");
      assert.equal(response.status, 200, response.text);
      return response.json.actions[0].attributes.ip;
    };
    for (const mac of SPELLINGS) {
      await macs.kv.put("resources/net", `10.0.0.1: null\n10.0.0.2: '${mac}'\n10.0.0.3: null`);
      assert.equal(await ip(), "10.0.0.2", mac);
      const listed = (await ask("GET", "/admin/pools/net")).json;
      assert.deepEqual(listed.reservations, [{ value: "10.0.0.2", node: "001c73aabb01" }]);
      const released = await ask("DELETE", `/admin/pools/net?node=${mac}`);
      assert.equal(released.status, 200, `${mac}: ${released.text}`);
      assert.equal(released.json.released.node, "001c73aabb01");
      await macs.kv.put("resources/net", "10.0.0.1: null\n10.0.0.3: null");
      const given = await ask("PUT", `/admin/pools/net/10.0.0.3?node=${mac}`);
      assert.deepEqual(given.json, { pool: "net", value: "10.0.0.3", node: "001c73aabb01", audit: given.json.audit });
      assert.equal(await ip(), "10.0.0.3", mac);
      assert.equal((await ask("DELETE", "/admin/pools/net/10.0.0.3")).status, 200);
    }
  });

  test("have a value that an operator assigned to another spelling, unless they have their own", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ztp-edge-macs-"));
    const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] });
    await withStorage(folder, async ({ kv }) => {
      for (const mac of ["001c73aabb01", "001c73aabb02"]) await kv.put(`nodes/${mac}/definition`, definition);
      await kv.put("resources/net", "10.0.0.1: null\n10.0.0.2: null\n10.0.0.3: null");
    });
    const headers = { Authorization: `Bearer ${ADMIN}` };
    const as = async (IDENTIFIER, use) => {
      const worker = await startOn(folder, { IDENTIFIER, ZTP_ADMIN_TOKEN: ADMIN });
      t.after(() => worker.kill());
      await use((method, path) => send(worker.url, method, path, { headers }));
      await worker.kill();
    };
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    // With serial numbers as ids, these ids are stored unchanged.
    await as("serialnumber", async (ask) => {
      const given = await ask("PUT", "/admin/pools/net/10.0.0.2?node=00:1C:73:AA:BB:01");
      assert.deepEqual(given.json, { pool: "net", value: "10.0.0.2", node: "00:1C:73:AA:BB:01", audit: given.json.audit });
      assert.equal((await ask("PUT", "/admin/pools/net/10.0.0.3?node=00:1C:73:AA:BB:02")).status, 200);
      assert.equal((await ask("GET", "/nodes/001c73aabb02")).json.actions[0].attributes.ip, "10.0.0.1");
    });
    await as("systemmac", async (ask) => {
      const ip = async (node) => (await ask("GET", `/nodes/${node}`)).json.actions[0].attributes.ip;
      assert.equal(await ip("00:1c:73:aa:bb:01"), "10.0.0.2");
      assert.equal(await ip("00:1c:73:aa:bb:02"), "10.0.0.1");
      const taken = (await ask("GET", "/admin/pools/net")).json.allocations.map(({ value, node }) => `${value} ${node}`);
      assert.deepEqual(taken.sort(), ["10.0.0.1 001c73aabb02", "10.0.0.2 001c73aabb01", "10.0.0.3 001c73aabb02"]);
      assert.equal((await ask("DELETE", "/admin/pools/net?node=001c.73aa.bb02")).json.released.value, "10.0.0.1");
      assert.equal(await ip("00:1c:73:aa:bb:02"), "10.0.0.3");
    });
  });
});
