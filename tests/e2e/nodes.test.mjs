// POST /nodes and GET /nodes/{id}: static provisioning.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, assertSameForHead, facts, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

const post = (body) => worker.request("POST", "/nodes", { body: typeof body === "string" ? body : JSON.stringify(body), headers: { "Content-Type": "application/json" } });
const keys = async () => (await worker.kv.list()).keys.map((key) => key.name);

const DEFINITION = `
name: static leaf
attributes:
  ntp: 192.0.2.1
  domain: example.net
actions:
  - name: configure
    action: add_config
    attributes:
      url: files/templates/base
      ntp: $ntp
      nothing: $absent
      variables:
        domain: $domain
        hostname: $hostname
        deep:
          untouched: $ntp
      list: [$ntp, 7]
  - name: greet
    action: run_cli_commands
    always_execute: yes
    onsuccess: done
    attributes:
      domain: $domain
`;

describe("POST /nodes", () => {
  for (const record of ["definition", "startup-config"]) {
    test(`is 409 with the node's URL if it has a ${record}`, async () => {
      await worker.kv.put(`nodes/JPE1/${record}`, DEFINITION);
      const response = await post(facts("JPE1"));
      assert.equal(response.status, 409);
      assert.match(response.headers["content-type"], /^text\/html/);
      assert.equal(response.headers.location, `${worker.url.origin}/nodes/JPE1`);
      assert.equal(response.headers["cache-control"], "no-store");
      assert.equal(response.bytes.length, 0);
      const stored = JSON.parse(await worker.kv.get("nodes/JPE1/.node"));
      assert.equal(stored.serialnumber, "JPE1");
      assert.deepEqual(stored.neighbors, { Ethernet1: [{ device: "spine1", port: "Ethernet7" }] });
    });
  }

  test("knows a node by an empty startup-config, too", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "");
    assert.equal((await post(facts("JPE1"))).status, 409);
  });

  test("stores the config of a new node, and its facts", async () => {
    const response = await post({ ...facts("JPE2"), config: "hostname jpe2\n" });
    assert.equal(response.status, 201);
    assert.equal(response.headers.location, `${worker.url.origin}/nodes/JPE2`);
    assert.equal(await worker.kv.get("nodes/JPE2/startup-config"), "hostname jpe2\n");
    assert.deepEqual((await keys()).sort(), ["nodes/JPE2/.node", "nodes/JPE2/startup-config"]);
    assert.equal((await post(facts("JPE2"))).status, 409);
  });

  test("does not replace a stored startup-config by a config", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "mine");
    assert.equal((await post({ ...facts("JPE1"), config: "theirs" })).status, 409);
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "mine");
  });

  test("writes the facts only if they changed", async () => {
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    worker.logs();
    await post(facts("JPE1"));
    await post(facts("JPE1"));
    await post({ ...facts("JPE1"), version: "4.99" });
    const lines = worker.requests();
    const calls = lines.filter((line) => line.method === "POST").map((line) => line.object_calls);
    assert.deepEqual(calls, [2, 1, 2], "reads alone, or a read and a commit");
    assert.equal(JSON.parse(await worker.kv.get("nodes/JPE1/.node")).version, "4.99");
  });

  test("compares facts as values: the order of interfaces, neighbors and keys is irrelevant", async () => {
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    const peers = [{ device: "spine1", port: "Ethernet7" }, { device: "spine2", port: "Ethernet7" }];
    const [one, two] = peers;
    const stored = JSON.stringify({ neighbors: { Ethernet2: [], Ethernet1: [{ port: two.port, device: two.device }, one] }, version: "4.28.0F", serialnumber: "JPE1", model: "DCS-7050TX-64-F", systemmac: "001c73010203" });
    await worker.kv.put("nodes/JPE1/.node", stored);
    await post(facts("JPE1", { neighbors: { Ethernet1: peers, Ethernet2: [] } }));
    assert.equal(await worker.kv.get("nodes/JPE1/.node"), stored);
    for (const neighbors of [{ Ethernet1: [one] }, { Ethernet1: [one, one], Ethernet2: [] }, { Ethernet1: [one], Ethernet2: [two] }]) {
      await post(facts("JPE1", { neighbors }));
      assert.deepEqual(JSON.parse(await worker.kv.get("nodes/JPE1/.node")).neighbors, neighbors);
    }
  });

  test("warns of another switch with a known serial number: another MAC address and model", async () => {
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    const warning = async (others) => {
      worker.logs();
      assert.equal((await post(facts("JPE1", others))).status, 409);
      await worker.settle();
      return worker.requests()[0].warning;
    };
    const other = { systemmac: "00:1c:73:99:99:99", model: "DCS-7280SR-48C6-F" };
    assert.equal(await warning({}), undefined);
    assert.equal(await warning({ systemmac: other.systemmac }), undefined);
    assert.equal(await warning({ systemmac: other.systemmac, model: other.model, version: "4.99" }), undefined);
    assert.match(await warning({}), /another switch has this id now: it was a DCS-7280SR-48C6-F with the MAC address 001c73999999, and is a DCS-7050TX-64-F with 001c73010203/);
    assert.equal(await warning({ version: "4.99" }), undefined);
  });

  test("accepts neighbors in the form of the specification", async () => {
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    const neighbors = { Ethernet1: [{ device: "spine1", remote_interface: "Ethernet7" }] };
    assert.equal((await post({ ...facts("JPE1"), neighbors })).status, 409);
    const stored = JSON.parse(await worker.kv.get("nodes/JPE1/.node"));
    assert.deepEqual(stored.neighbors, { Ethernet1: [{ device: "spine1", port: "Ethernet7" }] });
  });

  test("percent-encodes an unusual id in Location, and serves the node at that URL", async () => {
    const response = await post({ ...facts("a b/../ü".replace("/../", ".")), config: "x" });
    assert.equal(response.status, 201);
    assert.equal(response.headers.location, `${worker.url.origin}/nodes/a%20b.%C3%BC`);
    const definition = await worker.request("GET", new URL(response.headers.location).pathname);
    assert.equal(definition.json.actions[0].attributes.url, `${response.headers.location}/startup-config`);
  });

  for (const [name, body, reason] of [
    ["no body", "", /not JSON/],
    ["malformed JSON", '{"serialnumber": ', /not JSON/],
    ["a list", "[]", /JSON object, not a list/],
    ["null", "null", /JSON object, not null/],
    ["bytes that are not UTF-8", Buffer.from([0x22, 0xff, 0x22]), /not JSON/],
    ["no identifier", JSON.stringify({ ...facts("x"), serialnumber: undefined }), /no serialnumber.*systemmac/],
    ["an empty identifier", JSON.stringify(facts("")), /no serialnumber/],
    ["an id with a slash", JSON.stringify(facts("a/b")), /a\/b.*is not a valid node id/],
    ["an id of dots", JSON.stringify(facts("..")), /is not a valid node id/],
    ["an id with a control character", JSON.stringify(facts("a\nb")), /is not a valid node id/],
    ["an id of 201 bytes", JSON.stringify(facts("x".repeat(201))), /201 bytes/],
    ["a config that is not a string", JSON.stringify({ ...facts("JPE1"), config: {} }), /config must be a string/],
    ["neighbors that are not an object", JSON.stringify({ ...facts("JPE1"), neighbors: [] }), /neighbors must be an object/],
    ["an unknown node", JSON.stringify(facts("JPE9")), /JPE9 is not known here, and there is no neighbordb/],
  ]) {
    test(`rejects ${name}, and stores nothing`, async () => {
      assertRefusal(await worker.request("POST", "/nodes", { body }), 400, reason);
      assert.deepEqual(await keys(), []);
    });
  }

  test("escapes the client's values in the reason", async () => {
    const response = await post(facts("<script>alert(1)</script>\n"));
    assertRefusal(response, 400, /&lt;script&gt;/);
    assert.ok(!response.text.includes("<script>"));
  });

  test("accepts an id of 200 bytes", async () => {
    assert.equal((await post({ ...facts("x".repeat(200)), config: "c" })).status, 201);
  });

  for (const chunked of [false, true]) {
    test(`rejects more than 1 MiB${chunked ? " of unknown length" : ""}`, async () => {
      const body = JSON.stringify({ ...facts("JPE1"), config: "x".repeat(1 << 20) });
      const response = await worker.request("POST", "/nodes", { body, chunked });
      assertRefusal(response, 413, /exceeds the limit of 1048576 bytes/);
      assert.deepEqual(await keys(), []);
    });
  }
});

describe("GET /nodes/{id}", () => {
  test("is the definition with its $names replaced", async () => {
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    await worker.kv.put("nodes/JPE1/attributes", "hostname: jpe1\nntp: 192.0.2.99\n");
    const response = await worker.request("GET", "/nodes/JPE1");
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-type"], "application/json");
    assert.equal(response.headers["cache-control"], "no-store");
    assert.deepEqual(response.json, {
      name: "static leaf",
      attributes: { ntp: "192.0.2.1", domain: "example.net" },
      actions: [
        {
          name: "configure",
          action: "add_config",
          attributes: {
            url: "files/templates/base",
            ntp: "192.0.2.99",
            nothing: null,
            variables: { domain: "example.net", hostname: "jpe1", deep: { untouched: "$ntp" } },
            list: ["$ntp", 7],
          },
        },
        {
          name: "greet",
          action: "run_cli_commands",
          always_execute: true,
          onsuccess: "done",
          attributes: { domain: "example.net" },
        },
      ],
    });
    await assertSameForHead(worker, "/nodes/JPE1", response);
  });

  test("warns of undefined attributes that it uses, and sends null for them", async () => {
    const warning = async () => {
      worker.logs();
      const response = await worker.request("GET", "/nodes/JPE1");
      assert.equal(response.status, 200);
      const line = worker.requests()[0];
      return { warning: line.warning, actions: response.json.actions };
    };
    const definition = (attributes) => `attributes: {domain: example.net, set: null}\nactions:\n- action: a\n  attributes: ${attributes}\n`;
    await worker.kv.put("nodes/JPE1/definition", definition("{variables: {hostname: $hostnam}, mgmt: $mgmt, same: $mgmt, domain: $domain, set: $set}"));
    for (const attributes of [undefined, "hostname: jpe1\n"]) {
      if (attributes) await worker.kv.put("nodes/JPE1/attributes", attributes);
      const logged = await warning();
      assert.match(logged.warning, /uses \$hostnam, \$mgmt, which neither the node's attributes nor the definition's define.*null/);
      assert.deepEqual(logged.actions[0].attributes, { variables: { hostname: null }, mgmt: null, same: null, domain: "example.net", set: null });
    }
    await worker.kv.put("nodes/JPE1/definition", definition("{domain: $domain, set: $set, hostname: $hostname}"));
    assert.equal((await warning()).warning, undefined);
    // Also with a startup-config.
    await worker.kv.put("nodes/JPE1/startup-config", "x");
    await worker.kv.put("nodes/JPE1/definition", "actions:\n- action: a\n  always_execute: true\n  attributes: {x: $absent}\n");
    assert.match((await warning()).warning, /uses \$absent, which/);
    const many = Array.from({ length: 12 }, (_, index) => `k${index}: $absent${index}`);
    await worker.kv.put("nodes/JPE1/definition", definition(`{${many}}`));
    await worker.kv.delete("nodes/JPE1/startup-config");
    assert.match((await warning()).warning, /\$absent9 and 2 more, which/);
  });

  test("is autogenerated if there is a startup-config", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "hostname jpe1\n");
    const response = await worker.request("GET", "/nodes/JPE1");
    assert.equal(response.status, 200);
    assert.equal(response.json.name, "Autogenerated definition");
    assert.equal(response.json.actions.length, 1);
    const [action] = response.json.actions;
    assert.equal(action.action, "replace_config");
    assert.equal(action.always_execute, true);
    assert.deepEqual(action.attributes, { url: `${worker.url.origin}/nodes/JPE1/startup-config` });
  });

  test("keeps always_execute actions and their attributes with a startup-config", async () => {
    await worker.kv.put("nodes/JPE1/startup-config", "hostname jpe1\n");
    await worker.kv.put("nodes/JPE1/definition", DEFINITION);
    const { json } = await worker.request("GET", "/nodes/JPE1");
    assert.deepEqual(json.actions.map((action) => action.action), ["replace_config", "run_cli_commands"]);
    assert.deepEqual(json.actions[1].attributes, { domain: "example.net" });
  });

  test("parses YAML by the rules of PyYAML", async () => {
    await worker.kv.put(
      "nodes/JPE1/definition",
      "name: y\nactions:\n- action: a\n  attributes: {on: yes, oct: 010, clock: 1:30, day: 2026-01-02, ip: 10.0.0.1}\n",
    );
    const { json } = await worker.request("GET", "/nodes/JPE1");
    assert.deepEqual(json.actions[0].attributes, { true: true, oct: 8, clock: 90, day: "2026-01-02", ip: "10.0.0.1" });
  });

  for (const [name, stored, reason] of [
    ["an unknown node", {}, /JPE1 is not known/],
    ["a node with only attributes", { attributes: "a: b" }, /JPE1 is not known/],
    ["YAML that does not parse", { definition: "actions: [\n" }, /nodes\/JPE1\/definition is broken: line \d+/],
    ["an empty definition", { definition: "" }, /definition is broken/],
    ["a definition without actions", { definition: "name: x\n" }, /no &#?[a-z0-9]*;?actions|no 'actions'/],
    ["an action without a name", { definition: "actions:\n- attributes: {}\n" }, /has no 'action'/],
    ["broken attributes", { definition: DEFINITION, attributes: "- a\n" }, /nodes\/JPE1\/attributes is broken/],
    ["a broken definition with a startup-config", { definition: "actions: 7", "startup-config": "x" }, /must be a list/],
    ["an unknown plugin", { definition: "actions:\n- action: a\n  attributes: {x: mysql_vars('t')}\n" }, /mysql_vars/],
  ]) {
    test(`is 400 with the reason for ${name}`, async () => {
      for (const [record, text] of Object.entries(stored)) await worker.kv.put(`nodes/JPE1/${record}`, text);
      assertRefusal(await worker.request("GET", "/nodes/JPE1"), 400, reason);
    });
  }

  for (const [wire, reason] of [
    ["a%2Fb", /is not a valid node id/],
    ["%2e%2e%2fx", /is not a valid node id/],
    ["%00", /is not a valid node id/],
    ["x".repeat(201), /201 bytes/],
  ]) {
    test(`rejects the id ${wire.slice(0, 20)}`, async () => {
      assertRefusal(await worker.request("GET", `/nodes/${wire}`), 400, reason);
    });
  }
});

describe("IDENTIFIER=systemmac", () => {
  test("names a node by its MAC address in every spelling", async (t) => {
    const other = await startWorker({ vars: { IDENTIFIER: "systemmac" } });
    t.after(() => other.stop());
    for (const systemmac of ["00:1C:73:AA:BB:CC", "001c.73aa.bbcc", "00-1c-73-aa-bb-cc"]) {
      await other.kv.put("nodes/001c73aabbcc/startup-config", "x");
      const body = JSON.stringify({ ...facts("", { systemmac }) });
      const response = await other.request("POST", "/nodes", { body });
      assert.equal(response.status, 409, systemmac);
      assert.equal(response.headers.location, `${other.url.origin}/nodes/001c73aabbcc`);
      assert.equal((await other.request("GET", `/nodes/${systemmac}`)).status, 200);
    }
    const response = await other.request("POST", "/nodes", { body: JSON.stringify(facts("JPE1", { systemmac: "" })) });
    assertRefusal(response, 400, /no systemmac/);
  });

  test("names a planned node by its MAC address in every spelling", async (t) => {
    const other = await startWorker({ vars: { IDENTIFIER: "systemmac" }, secrets: { ZTP_ADMIN_TOKEN: "an-admin-token-0123" } });
    t.after(() => other.stop());
    const send = (method, path, body) => other.request(method, `/admin${path}`, { headers: { Authorization: "Bearer an-admin-token-0123" }, body: JSON.stringify(body) });
    assert.equal((await send("POST", "/nodes/00:1C:73:AA:BB:C0/assign", { attributes: "a: 1\n" })).status, 200);
    for (const [index, planned] of ["00:1C:73:AA:BB:C0", "001c.73aa.bbc0", "001c73aabbc0"].entries()) {
      const assigned = await send("POST", `/nodes/001c73aabbd${index}/assign?force=1`, { as: planned });
      assert.equal(assigned.status, 200, assigned.text);
    }
    const itself = await send("POST", "/nodes/001c73aabbc0/assign", { as: "00:1C:73:AA:BB:C0" });
    assert.deepEqual([itself.status, /names the node itself/.test(itself.text)], [400, true]);
  });
});
