// Content and facts in the shape of what people who run ZTPServer have: what a switch gets from the Worker.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, facts, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

const JSON_TYPE = { "Content-Type": "application/json" };
const post = (id, more = {}) => worker.request("POST", "/nodes", { body: JSON.stringify({ ...facts(id), neighbors: {}, ...more }), headers: JSON_TYPE });
const get = (path) => worker.request("GET", path);
const sees = (neighbors) => ({ neighbors: Object.fromEntries(Object.entries(neighbors).map(([port, [device, peer]]) => [port, [{ device, port: peer }]])) });
const store = async (content) => {
  for (const [key, value] of Object.entries(content)) await (/^(files|actions)\//.test(key) ? worker.r2 : worker.kv).put(key, value);
};

test("`none: none:none` is the pattern of a node that sees nobody", async () => {
  await store({
    neighbordb: "patterns:\n- {name: nothing connected, definition: all, interfaces: [none: 'none:none']}\n- {name: anything connected, definition: all, interfaces: [any: 'any:any']}\n",
    "definitions/all": "actions: []\n",
    "nodes/KNOWN1/pattern": "name: stored\ninterfaces:\n- none: none:none\n",
    "nodes/KNOWN1/startup-config": "hostname known1\n",
  });
  const connected = sees({ Ethernet1: ["spine1", "Ethernet1"] });
  for (const [id, more, pattern] of [["NEW1", {}, "nothing connected"], ["NEW2", connected, "anything connected"]]) {
    assert.equal((await post(id, more)).status, 201);
    assert.match(await worker.kv.get(`nodes/${id}/pattern`), new RegExp(pattern));
  }
  assert.equal((await post("KNOWN1")).status, 409);
  assert.equal((await get("/nodes/KNOWN1")).status, 200);
  assert.equal((await post("KNOWN1", connected)).status, 409);
  assertRefusal(await get("/nodes/KNOWN1"), 400, /Ethernet1 must not see a neighbor/);
});

test("a pool of subnets has as many values as keys, and the next node is refused", async () => {
  const definition = "actions:\n- action: add_config\n  attributes:\n    url: files/vlan\n    variables: {prefix: allocate('prefixes')}\n";
  await store({ "resources/prefixes": "10.20.1.0/24: null\n10.20.2.0/24: null\n2001:db8:20:1::/64: null\n" });
  const values = [];
  for (const id of ["RACK1", "RACK2", "RACK3", "RACK4"]) {
    await store({ [`nodes/${id}/definition`]: definition });
    assert.equal((await post(id)).status, 409);
    const response = await get(`/nodes/${id}`);
    values.push(response.status === 200 ? response.json.actions[0].attributes.variables.prefix : response.status);
  }
  assert.deepEqual(values, ["10.20.1.0/24", "10.20.2.0/24", "2001:db8:20:1::/64", 400]);
});

describe("a device that LLDP announces with its domain or in capitals", () => {
  const neighbordb = (device) => `patterns:\n- {name: leaf, definition: leaf, interfaces: [{Ethernet1: "${device}:Ethernet1"}]}\n`;
  const names = ["spine1", "spine1.dc1.example.net", "SPINE1"];

  test("is refused by a plain name, and the reason says how to write the pattern", async () => {
    await store({ neighbordb: neighbordb("spine1"), "definitions/leaf": "actions: []\n" });
    const differs = [null, "its domain", "case"];
    for (const [n, name] of names.entries()) {
      const response = await post(`FQDN${n}`, sees({ Ethernet1: [name, "Ethernet1"] }));
      if (n === 0) assert.equal(response.status, 201);
      else assertRefusal(response, 400, new RegExp(`'${name}' differs only in ${differs[n]}: to match it as well, write host\\('spine1'\\)`));
    }
  });

  test("matches the function that the reason names", async () => {
    await store({ neighbordb: neighbordb("host('spine1')"), "definitions/leaf": "actions: []\n" });
    for (const [n, name] of names.entries()) assert.equal((await post(`FQDN${n}`, sees({ Ethernet1: [name, "Ethernet1"] }))).status, 201, name);
    assertRefusal(await post("OTHER", sees({ Ethernet1: ["spine10", "Ethernet1"] })), 400, /requires device host\('spine1'\)/);
    // The stored pattern has the function, too.
    assert.equal((await get("/nodes/FQDN1")).status, 200);
    assert.equal((await post("FQDN1", sees({ Ethernet1: ["spine2.dc1.example.net", "Ethernet1"] }))).status, 409);
    assertRefusal(await get("/nodes/FQDN1"), 400, /requires device host\('spine1'\)/);
  });
});

test("interfaces and ports may be written as EOS prints them, and Management0 is an interface", async () => {
  await store({
    neighbordb: "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - Et49/1: spine1:Et7/1\n  - Ma0: regex('oob\\d+'):Po1\n",
    "definitions/leaf": "actions: []\n",
  });
  const seen = sees({ "Ethernet49/1": ["spine1", "Ethernet7/1"], Management0: ["oob1", "Port-Channel1"] });
  assert.equal((await post("CEOS1", { model: "cEOSLab", ...seen })).status, 201);
});

test("blanks around a serial number are removed, and a refusal names the node that differs in case only", async () => {
  await store({ neighbordb: "patterns: []\n", "nodes/jpe12345678/startup-config": "hostname leaf3\n" });
  for (const id of ["JPE12345678", "JPE12345678 "]) assertRefusal(await post(id), 400, /the node jpe12345678 is registered, and its id differs only in case/);
  const known = await post("jpe12345678 ");
  assert.equal(known.status, 409);
  assert.match(known.headers.location, /\/nodes\/jpe12345678$/);
});

test("two calls of one pool have the same value", async () => {
  await store({
    "resources/p2p": "192.0.2.1/31: null\n192.0.2.3/31: null\n",
    "nodes/TWICE1/definition": "actions:\n- action: add_config\n  attributes:\n    url: files/p2p\n    variables: {first: allocate('p2p'), second: allocate('p2p')}\n",
  });
  await post("TWICE1");
  assert.deepEqual((await get("/nodes/TWICE1")).json.actions[0].attributes.variables, { first: "192.0.2.1/31", second: "192.0.2.1/31" });
});

describe("a bootstrap script", () => {
  for (const [name, stored, sent] of [
    ["with the line ends of Windows begins with its interpreter", "#!/usr/bin/python\r\nSERVER = '$SERVER'\r\n", "#!/usr/bin/python\nSERVER = 'URL'\n"],
    ["with a byte order mark begins with its interpreter", "\ufeff#!/usr/bin/python\nSERVER = '$SERVER'\n", "#!/usr/bin/python\nSERVER = 'URL'\n"],
    ["with both begins with its interpreter", "\ufeff#!/bin/sh\r\necho $SERVER\r\n", "#!/bin/sh\necho URL\n"],
    ["in another language is served as it is", "#!/bin/bash\nwanted=4.31.1F\n", "#!/bin/bash\nwanted=4.31.1F\n"],
  ]) {
    test(name, async () => {
      await store({ "bootstrap/bootstrap": Buffer.from(stored) });
      const response = await get("/bootstrap");
      assert.equal(response.status, 200);
      assert.equal(response.bytes.toString(), sent.replace("URL", worker.url.origin));
      assert.equal(Number(response.headers["content-length"]), response.bytes.length);
    });
  }
});

test("log destinations are sent as they are stored, also an address in brackets", async () => {
  await store({ "bootstrap/bootstrap.conf": 'logging:\n- {destination: "2001:db8::514", level: INFO}\n- {destination: "[2001:db8::514]:514", level: INFO}\n' });
  const { status, json } = await get("/bootstrap/config");
  assert.deepEqual([status, json.logging.map(({ destination }) => destination)], [200, ["2001:db8::514", "[2001:db8::514]:514"]]);
});
