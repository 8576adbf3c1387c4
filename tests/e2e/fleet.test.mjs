// Nodes, their pool values and allocations, as operators read and change them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertOperatorRefusal, facts, startWorker, waitFor } from "./harness.mjs";
import { OPERATORS, startTeam } from "./operators.mjs";

const ADMIN = "an-admin-token-0123";
const BERLIN = "/t/berlin-token-0123456789";
const PARIS = "/t/paris-token-01234567890";
const DEFINITION = "name: leaf\nactions:\n- action: add_config\n  attributes:\n    url: files/a\n    ip: allocate('net')\n";
const NEIGHBORDB = "patterns:\n- {name: leaf, definition: leaf, config-handler: backup, interfaces: []}\n";

let team;
let worker;
before(async () => {
  team = await startTeam();
  worker = await startWorker({ vars: team.vars, secrets: { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: "berlin=berlin-token-0123456789\nparis=paris-token-01234567890" }, bundle: "bundle-clock" });
});
after(async () => {
  await worker.stop();
  await team.stop();
});
beforeEach(() => worker.reset());

const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body === undefined ? undefined : JSON.stringify(body) });
const act = (node, action, body) => admin("POST", `/nodes/${node}/${action}`, body);
const post = (node, { site = BERLIN, ...others } = {}) => worker.request("POST", `${site}/nodes`, { body: JSON.stringify(facts(node, others)) });
const get = (node, rest = "", site = BERLIN) => worker.request("GET", `${site}/nodes/${node}${rest}`);
const sha1 = (text) => createHash("sha1").update(text).digest("hex");
const entry = async (n) => (await admin("GET", "/audit")).json.entries.find((one) => one.n === n);
const log = async () => (await admin("GET", "/audit")).json.entries.map(({ action }) => action);
const keys = async () => (await worker.kv.list({ prefix: "nodes/" })).keys.map(({ name }) => name);

/** Content with which every switch becomes a leaf with an address from `net`. */
async function stock() {
  const values = { neighbordb: NEIGHBORDB, "definitions/leaf": DEFINITION, "config-handlers/backup": "#!/bin/sh\n", "resources/net": "10.0.0.1: null\n10.0.0.2: null\n10.0.0.3: null\n", "resources/as": "65001: null\n" };
  for (const [key, value] of Object.entries(values)) await worker.kv.put(key, value);
}
/** A leaf of Berlin that has its definition and address, and a startup-config. */
async function boot(node) {
  assert.equal((await post(node)).status, 201);
  assert.equal((await get(node)).status, 200);
  assert.equal((await worker.request("PUT", `${BERLIN}/nodes/${node}/startup-config`, { body: "hostname a\n" })).status, 201);
}

describe("GET /admin/nodes?records=1", () => {
  test("lists nodes with their sites and records, by site and text, in pages", async () => {
    const values = { "nodes/SN2/definition": "a", "nodes/SN2/.node": "{}", "nodes/SN1/startup-config": "a", "nodes/SN1/site": "berlin\n", "nodes/sn3/site": "paris", "nodes/sn3/other": "a", "nodes/alone": "a", "nodes/SN1-b/pattern": "a" };
    for (const [key, value] of Object.entries(values)) await worker.kv.put(key, value);
    const all = (await admin("GET", "/nodes?records=1")).json;
    assert.deepEqual(all, {
      nodes: [
        { node: "SN1-b", site: null, records: ["pattern"] },
        { node: "SN1", site: "berlin", records: ["site", "startup-config"] },
        { node: "SN2", site: null, records: [".node", "definition"] },
        { node: "sn3", site: "paris", records: ["site"] },
      ],
      cursor: null,
    });
    const named = async (query) => (await admin("GET", `/nodes?records=1&${query}`)).json.nodes.map(({ node }) => node);
    assert.deepEqual(await named("site=paris"), ["sn3"]);
    assert.deepEqual(await named("text=SN3"), ["sn3"]);
    assert.deepEqual(await named("text=1&site=berlin"), ["SN1"]);
    assert.deepEqual(await named("text=nothing"), []);
    const paged = [];
    for (let cursor = ""; cursor !== null; ) {
      const page = (await admin("GET", `/nodes?records=1&limit=1${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).json;
      assert.ok(page.nodes.length <= 1);
      paged.push(...page.nodes.map(({ node }) => node));
      ({ cursor } = page);
    }
    assert.deepEqual(paged, ["SN1-b", "SN1", "SN2", "sn3"]);
  });

  test("lists every node once when lists of keys end between the records of one", async () => {
    const names = Array.from({ length: 400 }, (_, at) => `N${String(at).padStart(3, "0")}`);
    const keys = names.flatMap((name) => ["definition", "pattern", ".node"].map((record) => `nodes/${name}/${record}`));
    await worker.putAll(Object.fromEntries(keys.map((key) => [key, "a"])));
    for (const limit of [500, 150]) {
      const found = [];
      let cursor = null;
      do {
        const page = (await admin("GET", `/nodes?records=1&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`)).json;
        found.push(...page.nodes);
        ({ cursor } = page);
      } while (cursor !== null);
      assert.deepEqual(found.map(({ node }) => node), names);
      assert.ok(found.every(({ records }) => records.length === 3));
    }
  });

  test("rejects a limit and a cursor that are not valid", async () => {
    assertOperatorRefusal(await admin("GET", "/nodes?records=1&limit=x"), 400, /limit is "x", but must be a number/);
    for (const limit of [0, 501, -1]) assertOperatorRefusal(await admin("GET", `/nodes?records=1&limit=${limit}`), 400, /must be a number from 1 to 500/);
    assertOperatorRefusal(await admin("GET", "/nodes?records=1&cursor=x"), 400, /the cursor is not valid/);
  });
});

describe("GET /admin/nodes/{id}", () => {
  test("has the site, facts, records, pool values, events and versions of a node", async () => {
    await stock();
    await boot("SN1");
    const { since, ...value } = (await admin("GET", "/nodes/SN1")).json.pools[0];
    assert.deepEqual(value, { pool: "net", value: "10.0.0.1" });
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000);
    const shown = (await admin("GET", "/nodes/SN1")).json;
    assert.equal(shown.node, "SN1");
    assert.equal(shown.site, "berlin");
    assert.equal(shown.facts.serialnumber, "SN1");
    assert.deepEqual(shown.records.map(({ name }) => name), [".node", "definition", "pattern", "startup-config", "config-handler", "site"]);
    assert.deepEqual(shown.records.find(({ name }) => name === "definition"), { name: "definition", size: DEFINITION.length, sha1: sha1(DEFINITION) });
    assert.deepEqual(shown.records.find(({ name }) => name === "startup-config"), { name: "startup-config", size: 11, sha1: sha1("hostname a\n") });
    const { state, reason, model, definition, pattern, client } = shown.status;
    assert.deepEqual([state, reason, model, definition, pattern, client], ["backed-up", null, "DCS-7050TX-64-F", "leaf", "leaf", "ztpserver"]);
    const { time, ...seen } = shown.seen;
    assert.deepEqual(seen, shown.facts);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    // That of the pool's value follows after its response.
    const kinds = shown.events.map(({ event }) => event).filter((event) => event !== "pool-values-given");
    assert.deepEqual(kinds, ["registered", "definition-fetched", "startup-config-stored"]);
    assert.equal(shown.versions.length, 1);
  });

  test("is 404 for a node of which nothing is known, and 400 for an invalid id", async () => {
    assertOperatorRefusal(await admin("GET", "/nodes/SN1"), 404, /nothing is known of the node SN1/);
    assertOperatorRefusal(await admin("GET", "/nodes/a%01b"), 400, /is not a valid node id/);
  });

  test("has facts that are not valid JSON as null", async () => {
    await worker.kv.put("nodes/SN1/.node", "{");
    const shown = (await admin("GET", "/nodes/SN1")).json;
    assert.deepEqual([shown.facts, shown.records.length], [null, 1]);
  });
});

describe("POST /admin/nodes/{id}/assign", () => {
  test("stores, replaces and deletes records, and once is enough", async () => {
    await stock();
    const first = await act("SN1", "assign", { definition: DEFINITION, startup_config: "hostname a\n", attributes: "a: 1\n", pattern: null });
    assert.equal(first.status, 200, first.text);
    assert.deepEqual(first.json, { node: "SN1", audit: 1, findings: [] });
    assert.deepEqual((await act("SN1", "assign", { definition: DEFINITION, startup_config: "hostname a\n", attributes: "a: 1\n", pattern: null })).json, { node: "SN1", audit: null, findings: [] });
    assert.equal((await get("SN1", "/startup-config")).text, "hostname a\n");
    assert.equal((await get("SN1")).json.name, "Autogenerated definition");
    const second = await act("SN1", "assign", { startup_config: null, attributes: "a: 2\n" });
    assert.equal(second.json.audit, 2);
    assert.equal((await get("SN1")).json.name, "leaf");
    assert.equal((await get("SN1", "/startup-config")).status, 400);
    assert.deepEqual(await keys(), ["nodes/SN1/attributes", "nodes/SN1/definition"]);
    assert.equal(await worker.kv.get("nodes/SN1/attributes"), "a: 2\n");
    const { events, versions } = (await admin("GET", "/nodes/SN1/events")).json;
    const acts = events.filter(({ by }) => by !== null);
    assert.deepEqual(acts.map(({ event, by }) => [event, by]), Array(2).fill(["operator-changed", "admin token"]));
    assert.equal(versions.length, 1);
    const { action, target, detail } = await entry(2);
    const short = (text) => sha1(text).slice(0, 8);
    assert.deepEqual([action, target, detail], ["assign", "SN1", `startup-config ${short("hostname a\n")} deleted, attributes ${short("a: 1\n")} replaced by ${short("a: 2\n")}`]);
  });

  test("refuses an invalid record with the findings, unless it is forced", async () => {
    const refused = await act("SN1", "assign", { definition: "actions: 1\n", attributes: "a: 1\n" });
    const { findings } = assertOperatorRefusal(refused, 422, /nothing was changed for the node SN1/);
    assert.deepEqual(findings.map(({ key, kind, severity, line }) => [key, kind, severity, line]), [["nodes/SN1/definition", "bad-definition", "error", 1]]);
    assert.deepEqual([await keys(), await log()], [[], []]);
    assertOperatorRefusal(await admin("POST", "/nodes/SN1/assign?force=yes", { definition: "actions: 1\n" }), 400, /force is "yes"/);
    const forced = await admin("POST", "/nodes/SN1/assign?force=1", { definition: "actions: 1\n" });
    assert.deepEqual([forced.status, forced.json.findings.length], [200, 1]);
    assert.equal((await entry(1)).forced, true);
    assert.equal(await worker.kv.get("nodes/SN1/definition"), "actions: 1\n");
  });

  test("has the warnings that the same document has under /admin/content", async () => {
    const assigned = await act("SN1", "assign", { definition: "name: leaf\nactions: []\nattributs: {}\n" });
    assert.equal(assigned.status, 200, assigned.text);
    assert.deepEqual(assigned.json.findings.map(({ key, severity }) => [key, severity]), [["nodes/SN1/definition", "warning"]]);
    const stored = await worker.request("PUT", "/admin/content/nodes/SN1/definition", { headers: { Authorization: `Bearer ${ADMIN}` }, body: "name: leaf\nactions: []\nattributs: {}\n" });
    assert.deepEqual(stored.json.findings, assigned.json.findings);
  });

  test("reads 8 MiB of JSON, and refuses more", async () => {
    const body = (size) => `{"pattern": null${" ".repeat(size - 17)}}`;
    const send = (size) => worker.request("POST", "/admin/nodes/SN1/assign", { headers: { Authorization: `Bearer ${ADMIN}` }, body: body(size) });
    assert.equal((await send(8 << 20)).status, 200);
    assertOperatorRefusal(await send((8 << 20) + 1), 413, /the request exceeds the limit of 8388608 bytes/);
  });

  test("refuses a body that is not valid", async () => {
    for (const [body, reason] of [
      ["[]", /it must be a JSON object/],
      ["{", /the request is not valid/],
      ['{"startup-config": "a"}', /"startup-config" is not a field of it; its fields are definition, startup_config/],
      ['{"definition": 1}', /the field "definition" must be a text, or null/],
      ['{"as": 1}', /the field "as" must be the id of a planned node/],
      ['{"as": null}', /the field "as" must be the id of a planned node/],
      ['{"as": "a/b"}', /the field "as" .*a\/b/],
      ['{"as": "SN1"}', /the field "as" names the node itself, SN1/],
      ['{"as": "SN2", "pattern": null}', /the field "as" stands for all records/],
    ]) {
      const response = await worker.request("POST", "/admin/nodes/SN1/assign", { headers: { Authorization: `Bearer ${ADMIN}` }, body });
      assertOperatorRefusal(response, 400, reason);
    }
    assertOperatorRefusal(await act("SN1", "assign", { config_handler: "a".repeat((512 << 10) + 1) }), 413, /exceeds the limit of 524288/);
    assert.deepEqual(await keys(), []);
  });
});

describe("POST /admin/nodes/{id}/assign with `as`", () => {
  const PATTERN = "name: plan\ninterfaces: []\n";
  const PLAN = { definition: DEFINITION, pattern: PATTERN, config_handler: "#!/bin/sh\n", attributes: "a: 1\n" };

  test("gives a node the records of a planned one, which keeps them", async () => {
    await stock();
    await act("PLAN1", "assign", PLAN);
    await act("SN1", "assign", { startup_config: "hostname old\n", attributes: "old: 1\n" });
    const done = await act("SN1", "assign", { as: "PLAN1" });
    assert.deepEqual(done.json, { node: "SN1", audit: 3, findings: [] });
    const names = ["attributes", "config-handler", "definition", "pattern"];
    assert.deepEqual(await keys(), ["PLAN1", "SN1"].flatMap((node) => names.map((name) => `nodes/${node}/${name}`)));
    for (const name of names) assert.equal(await worker.kv.get(`nodes/SN1/${name}`), PLAN[name.replace("-", "_")], name);
    const { action, target, detail } = await entry(3);
    const short = (text) => sha1(text).slice(0, 8);
    assert.deepEqual([action, target, detail], ["assign", "SN1", `the records of PLAN1: definition ${short(DEFINITION)}, no startup-config, attributes ${short("a: 1\n")}, pattern ${short(PATTERN)}, config-handler ${short("#!/bin/sh\n")}`]);
    assert.deepEqual((await act("SN1", "assign", { as: "PLAN1" })).json, { node: "SN1", audit: null, findings: [] });
    assert.equal((await post("SN1")).status, 409);
    assert.equal((await get("SN1")).json.name, "leaf");
  });

  test("gives it a startup-config, of any size", async () => {
    const config = `hostname ${"a".repeat(2 << 20)}\n`;
    await worker.kv.put("nodes/PLAN1/startup-config", config);
    assert.equal((await act("SN1", "assign", { as: "PLAN1" })).json.audit, 1);
    assert.equal((await get("SN1", "/startup-config")).text, config);
  });

  test("keeps them for the site of the planned one, unless the node was seen at another site", async () => {
    for (const [key, value] of [["startup-config", "hostname a\nenable secret 0 a\n"], ["site", "berlin\n"]]) await worker.kv.put(`nodes/PLAN1/${key}`, value);
    assert.equal((await post("SEEN", { site: PARIS })).status, 400);
    await waitFor("the refusal of SEEN", async () => (await admin("GET", "/nodes/SEEN")).status === 200);
    await act("OWN", "assign", { attributes: "a: 1\n" });
    await act("OWN", "move", { site: "paris" });
    for (const node of ["SN1", "SEEN", "OWN"]) assert.equal((await admin("POST", `/nodes/${node}/assign?force=1`, { as: "PLAN1" })).status, 200);
    assert.deepEqual([await get("SN1", "/startup-config", PARIS), await get("SN1", "/startup-config", BERLIN)].map(({ status }) => status), [400, 200]);
    for (const node of ["SEEN", "OWN"]) assert.equal((await get(node, "/startup-config", PARIS)).status, 200, node);
    const { site } = (await admin("GET", "/audit?target=SN1")).json.entries[0];
    assert.equal(site, "berlin");
    assert.equal((await act("SN1", "assign", { as: "PLAN1" })).json.audit, null);
  });

  test("gives them to one node, until that one is forgotten or it is forced", async () => {
    await act("PLAN1", "assign", PLAN);
    await act("SN1", "assign", { as: "PLAN1" });
    const refused = await act("SN2", "assign", { as: "PLAN1" });
    assertOperatorRefusal(refused, 409, /the records of PLAN1 were given to SN1, .*: forget SN1 .*\?force=1/);
    assert.equal((await admin("GET", "/nodes/SN2")).status, 404);
    await act("PLAN1", "assign", { attributes: "a: 2\n" });
    assert.equal((await act("SN2", "assign", { as: "PLAN1" })).status, 409);
    assert.equal((await act("SN1", "assign", { as: "PLAN1" })).status, 200);
    await act("SN1", "forget");
    assert.equal((await act("SN2", "assign", { as: "PLAN1" })).status, 200);
    assert.equal((await admin("POST", "/nodes/SN3/assign?force=1", { as: "PLAN1" })).status, 200);
    const [forced] = (await admin("GET", "/audit?target=SN3")).json.entries;
    assert.equal(forced.forced, true);
    const given = (await admin("GET", "/nodes/PLAN1")).json.events.filter(({ event }) => event === "plan-given");
    assert.deepEqual(given.map(({ to, by }) => [to, by]), ["SN1", "SN2", "SN3"].map((node) => [node, "admin token"]));
    await act("PLAN1", "forget");
    await act("PLAN1", "assign", PLAN);
    assert.equal((await act("SN4", "assign", { as: "PLAN1" })).status, 200);
  });

  test("gives them to one of several nodes that ask at the same time", async () => {
    await act("PLAN1", "assign", PLAN);
    const nodes = Array.from({ length: 8 }, (_, at) => `SN${at}`);
    const statuses = await Promise.all(nodes.map(async (node) => (await act(node, "assign", { as: "PLAN1" })).status));
    assert.deepEqual(statuses.sort(), [200, ...Array(7).fill(409)]);
    const stored = await Promise.all(nodes.map(async (node) => (await admin("GET", `/nodes/${node}`)).status));
    assert.deepEqual(stored.sort(), [200, ...Array(7).fill(404)]);
  });

  test("gives them to one of two nodes, also if the second asks while the first receives them", async () => {
    for (let at = 0; at < 4; at += 1) {
      const [plan, first, second] = [`PLAN${at}`, `A${at}`, `B${at}`];
      await act(plan, "assign", { definition: DEFINITION, startup_config: "hostname a\n".repeat(50_000) });
      const one = act(first, "assign", { as: plan });
      await sleep(5 * at);
      const statuses = (await Promise.all([one, act(second, "assign", { as: plan })])).map(({ status }) => status);
      const have = await Promise.all([first, second].map(async (node) => (await admin("GET", `/nodes/${node}`)).status === 200));
      assert.deepEqual([statuses.sort(), have.sort()], [[200, 409], [false, true]], `after ${5 * at} ms`);
    }
  });

  test("gives them to no other node while one has them, also if the last one was forgotten", async () => {
    await act("PLAN1", "assign", PLAN);
    await act("SN1", "assign", { as: "PLAN1" });
    await admin("POST", "/nodes/SN2/assign?force=1", { as: "PLAN1" });
    await act("SN2", "forget");
    assertOperatorRefusal(await act("SN3", "assign", { as: "PLAN1" }), 409, /the records of PLAN1 were given to SN1, /);
    await act("SN1", "forget", { history: true });
    assert.equal((await act("SN3", "assign", { as: "PLAN1" })).status, 200);
  });

  test("gives them to ten nodes, if it is forced", async () => {
    await act("PLAN1", "assign", PLAN);
    const force = (node) => admin("POST", `/nodes/${node}/assign?force=1`, { as: "PLAN1" });
    for (let at = 1; at <= 10; at += 1) assert.equal((await force(`SN${at}`)).status, 200, at);
    assertOperatorRefusal(await force("SN11"), 409, /10 nodes have the records of PLAN1, and at most 10 may/);
    await act("SN4", "forget");
    assert.equal((await force("SN11")).status, 200);
  });

  test("does not count as given if the records cannot be stored", async () => {
    await act("PLAN1", "assign", PLAN);
    await worker.kv.put("nodes/PLAN1/config-handler", "a".repeat((512 << 10) + 1));
    assertOperatorRefusal(await act("SN1", "assign", { as: "PLAN1" }), 413, /nodes\/SN1\/config-handler has 524289 bytes and exceeds the limit of 524288/);
    await act("PLAN1", "assign", PLAN);
    assert.equal((await act("SN2", "assign", { as: "PLAN1" })).status, 200);
    const given = (await admin("GET", "/nodes/PLAN1")).json.events.filter(({ event }) => event === "plan-given");
    assert.deepEqual(given.map(({ to }) => to), ["SN2"]);
  });

  test("shows in the list of nodes which one received them", async () => {
    await act("PLAN1", "assign", PLAN);
    await act("PLAN2", "assign", PLAN);
    await act("SN1", "assign", { as: "PLAN1" });
    const given = async () => Object.fromEntries((await admin("GET", "/nodes?state=planned")).json.nodes.map(({ node, given_to: to }) => [node, to]));
    await waitFor("the report of PLAN1", async () => (await given()).PLAN1);
    assert.deepEqual([(await given()).PLAN1, (await given()).PLAN2], ["SN1", null]);
    assert.equal((await admin("GET", "/nodes/PLAN1")).json.status.given_to, "SN1");
    await act("PLAN1", "forget");
    await act("PLAN1", "assign", PLAN);
    await waitFor("the new plan", async () => (await given()).PLAN1 === null);
  });

  test("refuses records that are not valid, unless it is forced", async () => {
    await worker.kv.put("nodes/PLAN1/definition", "actions: 1\n");
    assertOperatorRefusal(await act("SN1", "assign", { as: "PLAN1" }), 422, /nothing was changed for the node SN1/);
    const forced = await admin("POST", "/nodes/SN1/assign?force=1", { as: "PLAN1" });
    assert.deepEqual([forced.status, forced.json.findings.length], [200, 1]);
  });

  test("is 404 for a node without these records, and 409 for one that has made requests", async () => {
    await stock();
    assertOperatorRefusal(await act("SN1", "assign", { as: "PLAN1" }), 404, /nothing is planned for the node PLAN1: it has no definition/);
    assert.equal((await post("SN2")).status, 201);
    assertOperatorRefusal(await act("SN1", "assign", { as: "SN2" }), 409, /the node SN2 is not only planned: it has made requests itself/);
    await worker.kv.put("nodes/PLAN2/definition", DEFINITION);
    await worker.kv.put("nodes/PLAN2/.node", "{}");
    assertOperatorRefusal(await act("SN1", "assign", { as: "PLAN2" }), 409, /PLAN2 is not only planned/);
    assert.deepEqual(await log(), []);
  });
});

describe("POST /admin/nodes/{id}/reprovision", () => {
  test("matches the node anew: its startup-config, attributes, site, facts and values stay", async () => {
    await stock();
    await boot("SN1");
    await act("SN1", "assign", { attributes: "a: 1\n" });
    assert.deepEqual((await act("SN1", "reprovision")).json, { node: "SN1", audit: 2, known: true });
    assert.deepEqual((await act("SN1", "reprovision")).json, { node: "SN1", audit: null, known: true });
    const shown = (await admin("GET", "/nodes/SN1")).json;
    assert.deepEqual(shown.records.map(({ name }) => name), [".node", "attributes", "startup-config", "site"]);
    assert.equal(shown.pools.length, 1);
    assert.deepEqual(shown.events.at(-1).event, "reprovisioned");
    assert.deepEqual(await keys(), [".node", "attributes", "site", "startup-config"].map((name) => `nodes/SN1/${name}`));
    await act("SN1", "assign", { startup_config: null });
    assert.equal((await act("SN1", "reprovision")).json.known, false);
    await worker.kv.put("definitions/leaf", DEFINITION.replace("leaf", "fixed"));
    await worker.advance(11_000);
    assert.equal((await post("SN1")).status, 201);
    assert.equal((await get("SN1")).json.name, "fixed");
    assert.equal((await get("SN1")).json.actions[0].attributes.ip, "10.0.0.1");
  });
});

describe("POST /admin/nodes/{id}/forget", () => {
  test("deletes all records; pool values and history only if asked", async () => {
    await stock();
    await boot("SN1");
    assert.deepEqual((await act("SN1", "forget")).json, { node: "SN1", audit: 1, released: [] });
    assert.deepEqual((await act("SN1", "forget")).json, { node: "SN1", audit: null, released: [] });
    assert.equal((await get("SN1")).status, 400);
    assert.equal((await get("SN1", "", PARIS)).status, 400);
    assert.deepEqual(await keys(), []);
    const shown = (await admin("GET", "/nodes/SN1")).json;
    assert.deepEqual([shown.site, shown.facts, shown.records, shown.pools.length, shown.versions.length], [null, null, [], 1, 1]);
    const second = await act("SN1", "forget", { pools: true, history: true });
    assert.deepEqual(second.json, { node: "SN1", audit: 2, released: [{ pool: "net", value: "10.0.0.1" }] });
    assert.deepEqual((await act("SN1", "forget", { pools: true, history: true })).json, { node: "SN1", audit: null, released: [] });
    assertOperatorRefusal(await admin("GET", "/nodes/SN1"), 404, /nothing is known/);
    await worker.settle();
    assert.deepEqual((await worker.r2.list({ prefix: "history/" })).objects, []);
    assert.equal((await entry(2)).detail, "net: 10.0.0.1 released, history deleted");
    assert.equal((await post("SN1", { site: PARIS })).status, 201);
  });

  test("refuses a field of another type", async () => {
    assertOperatorRefusal(await act("SN1", "forget", { pools: "yes" }), 400, /the field "pools" is "yes", but must be true or false/);
  });
});

describe("POST /admin/nodes/{id}/move", () => {
  test("assigns the node to another site at once, or to none", async () => {
    await stock();
    await boot("SN1");
    assert.equal((await get("SN1", "", PARIS)).status, 400);
    assert.deepEqual((await act("SN1", "move", { site: "paris" })).json, { node: "SN1", audit: 1 });
    assert.deepEqual((await act("SN1", "move", { site: "paris" })).json, { node: "SN1", audit: null });
    assert.equal((await get("SN1", "", PARIS)).status, 200);
    assert.equal((await get("SN1")).status, 400);
    assert.equal((await entry(1)).detail, "from berlin to paris");
    assert.equal((await entry(1)).site, "berlin");
    assert.deepEqual((await act("SN1", "move", { site: null })).json, { node: "SN1", audit: 2 });
    assert.equal((await post("SN1")).status, 409);
    assert.equal((await get("SN1", "", PARIS)).status, 400);
    assert.equal((await admin("GET", "/nodes/SN1")).json.site, "berlin");
  });

  test("counts a site that was written with a line end", async () => {
    await worker.kv.put("nodes/SN1/site", "paris\n");
    assert.equal((await act("SN1", "move", { site: "paris" })).json.audit, null);
  });

  test("refuses a site that is not valid, not configured or missing", async () => {
    assertOperatorRefusal(await act("SN1", "move", { site: "a b" }), 400, /the site is "a b"/);
    assertOperatorRefusal(await act("SN1", "move", { site: "rome" }), 400, /the site rome has no token in ZTP_TOKENS/);
    assertOperatorRefusal(await act("SN1", "move", {}), 400, /missing field `site`/);
  });
});

describe("the values of a node", () => {
  test("are read and released over all pools", async () => {
    await stock();
    await admin("PUT", "/pools/as/65001?node=SN1");
    await admin("PUT", "/pools/net/10.0.0.2?node=SN1");
    const { node, values } = (await admin("GET", "/pools?node=SN1")).json;
    assert.deepEqual([node, values.map(({ pool, value }) => `${pool} ${value}`)], ["SN1", ["as 65001", "net 10.0.0.2"]]);
    const released = [{ pool: "as", value: "65001" }, { pool: "net", value: "10.0.0.2" }];
    assert.deepEqual((await admin("DELETE", "/pools?node=SN1")).json, { node: "SN1", released, audit: 3 });
    assert.deepEqual((await admin("DELETE", "/pools?node=SN1")).json, { node: "SN1", released: [], audit: null });
    assert.deepEqual((await admin("GET", "/pools?node=SN1")).json.values, []);
    assert.deepEqual((await admin("GET", "/pools")).json.pools, ["as", "net"]);
    assertOperatorRefusal(await admin("DELETE", "/pools"), 400, /missing query parameter `node`/);
  });
});

describe("allocations", () => {
  test("are exported and imported again", async () => {
    await stock();
    await admin("PUT", "/pools/as/65001?node=SN1");
    await admin("PUT", "/pools/net/10.0.0.2?node=SN2");
    const exported = (await admin("GET", "/allocations")).json;
    assert.deepEqual(exported.allocations.map(({ pool, value, node }) => [pool, value, node]), [["as", "65001", "SN1"], ["net", "10.0.0.2", "SN2"]]);
    assert.deepEqual((await admin("PUT", "/allocations", exported)).json, { assigned: 0, unchanged: 2, refused: [], audit: null });
    await admin("DELETE", "/pools?node=SN1");
    assert.deepEqual((await admin("PUT", "/allocations", exported)).json, { assigned: 1, unchanged: 1, refused: [], audit: 4 });
    assert.equal((await entry(4)).detail, "1 assigned, 0 refused");
    const allocation = (pool, value, node) => ({ pool, value, node });
    const wanted = [allocation("net", "10.0.0.2", "SN3"), allocation("net", "10.0.0.9", "SN3"), allocation("net", "10.0.0.3", "SN3"), allocation("missing", "1", "SN3"), allocation("net", "10.0.0.2", "SN2")];
    const { refused, ...others } = (await admin("PUT", "/allocations", { allocations: wanted })).json;
    assert.deepEqual(others, { assigned: 1, unchanged: 1, audit: 5 });
    assert.deepEqual(refused.map(({ pool, value }) => [pool, value]).sort(), [["missing", "1"], ["net", "10.0.0.2"], ["net", "10.0.0.9"]]);
    assert.match(refused.find(({ value }) => value === "10.0.0.2").error, /held by the node SN2/);
    assert.match(refused.find(({ pool }) => pool === "missing").error, /is not found/);
    const twice = [allocation("as", "65001", "SN1"), allocation("net", "10.0.0.1", "SN4"), allocation("net", "10.0.0.1", "SN4")];
    assert.deepEqual((await admin("PUT", "/allocations", { allocations: twice })).json, { assigned: 1, unchanged: 1, refused: [], audit: 6 });
    assert.equal((await entry(6)).detail, "1 assigned, 0 refused");
  });

  test("are refused if the request is not valid", async () => {
    for (const [body, status, reason] of [
      [{}, 400, /missing field `allocations`/],
      [{ allocations: [{ pool: "net", value: "1" }] }, 400, /the allocation 0 has no text "node"/],
      [{ allocations: [{ pool: "../net", value: "1", node: "SN1" }] }, 400, /is not a valid pool name/],
      [{ allocations: [{ pool: "net", value: "1", node: "" }] }, 400, /the allocation 0: the node id is empty/],
      [{ allocations: Array(10_001).fill({ pool: "net", value: "1", node: "SN1" }) }, 413, /exceeds the limit of 10000/],
    ]) {
      assertOperatorRefusal(await admin("PUT", "/allocations", body), status, reason);
    }
  });
});

describe("an operator with sites", () => {
  /** A request of the admin of paris. */
  const paris = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { "Cf-Access-Jwt-Assertion": team.token("paris") }, body: body === undefined ? undefined : JSON.stringify(body) });
  const DEFINITIONS = { "nodes/SNB/definition": "name: b\nactions: []\n", "nodes/SNB/site": "berlin\n", "nodes/SNP/definition": "name: p\nactions: []\n", "nodes/SNP/site": "paris", "nodes/SNX/definition": "name: x\nactions: []\n" };
  beforeEach(async () => {
    await stock();
    for (const [key, value] of Object.entries({ ...DEFINITIONS, operators: OPERATORS })) await worker.kv.put(key, value);
  });

  test("sees the nodes of these sites, and what they hold", async () => {
    for (const [value, node] of [["10.0.0.1", "SNB"], ["10.0.0.2", "SNP"], ["10.0.0.3", "SNX"]]) await admin("PUT", `/pools/net/${value}?node=${node}`);
    assert.deepEqual((await paris("GET", "/nodes?records=1")).json.nodes.map(({ node }) => node), ["SNP"]);
    assert.equal((await paris("GET", "/nodes/SNP")).json.site, "paris");
    assert.deepEqual((await paris("GET", "/allocations")).json.allocations.map(({ node }) => node), ["SNP"]);
    assert.deepEqual((await paris("GET", "/pools?node=SNP")).json.values.map(({ value }) => value), ["10.0.0.2"]);
    for (const node of ["SNB", "SNX", "missing"]) {
      for (const path of [`/nodes/${node}`, `/pools?node=${node}`]) assertOperatorRefusal(await paris("GET", path), 404, new RegExp(`^nothing is known of the node ${node}$`));
    }
  });

  test("changes them only, and moves them only between these sites", async () => {
    const others = [["POST", "reprovision"], ["POST", "forget"], ["POST", "move", { site: "paris" }]];
    for (const node of ["SNB", "SNX", "missing"]) {
      assertOperatorRefusal(await paris("POST", "/nodes/SNP/assign", { as: node }), 404, new RegExp(`^nothing is known of the node ${node}$`));
      // An unknown one can be planned.
      const changes = node === "missing" ? others : [...others, ["POST", "assign", { attributes: "a: 1\n" }]];
      for (const [method, action, body] of changes) assertOperatorRefusal(await paris(method, `/nodes/${node}/${action}`, body), 404, new RegExp(`^nothing is known of the node ${node}$`));
      assertOperatorRefusal(await paris("DELETE", `/pools?node=${node}`), 404, new RegExp(`^nothing is known of the node ${node}$`));
    }
    assert.deepEqual(await log(), []);
    for (const site of ["berlin", null]) assertOperatorRefusal(await paris("POST", "/nodes/SNP/move", { site }), 403, /may assign nodes only to its own sites/);
    assert.equal((await paris("POST", "/nodes/SNP/assign", { attributes: "a: 1\n" })).json.audit, 1);
    const { who, site } = await entry(1);
    assert.deepEqual([who, site], ["paris@example.net", "paris"]);
    assert.equal((await admin("GET", "/nodes/SNP/events")).json.events[0].by, "paris@example.net");
  });

  test("explains what the switches of these sites are answered", async () => {
    assertOperatorRefusal(await paris("POST", "/explain", { node: "SNP", site: "berlin" }), 403, /may not see this site/);
    assertOperatorRefusal(await paris("POST", "/explain", { node: "SNB" }), 404, /nothing is known of the node SNB/);
    assertOperatorRefusal(await paris("POST", "/explain", { node: "SNX" }), 404, /nothing is known of the node SNX/);
    const explain = async (body) => (await paris("POST", "/explain", body)).json;
    assert.equal((await explain({ node: "SNP" })).definition.name, "p");
    assert.equal((await explain({ facts: facts("SNN") })).status, 201);
    const { status, definition, error } = await explain({ facts: facts("SNB"), site: "paris" });
    assert.deepEqual([status, definition], [400, null]);
    assert.match(error, /the node SNB is not known here/);
  });

  test("is not shown the stored facts of a node of another site by a `site` of its own", async () => {
    await post("SNF", { neighbors: { Ethernet1: [{ device: "core-of-berlin", port: "Ethernet9" }] } });
    for (const node of ["SNF", "SNB", "SNX"]) {
      const response = await paris("POST", "/explain", { node, site: "paris" });
      assertOperatorRefusal(response, 404, new RegExp(`^nothing is known of the node ${node}$`));
      assert.doesNotMatch(response.text, /core-of-berlin/);
    }
    assert.equal((await admin("POST", "/explain", { node: "SNF", site: "paris" })).json.status, 400);
  });

  const put = (send, key, body) => worker.request("PUT", `/admin/content/${key}`, { headers: { "Cf-Access-Jwt-Assertion": team.token(send) }, body });
  const elsewhere = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { "Cf-Access-Jwt-Assertion": team.token("elsewhere") }, body: body === undefined ? undefined : JSON.stringify(body) });
  const unknown = (node) => new RegExp(`^nothing is known of the node ${node}$`);
  /** A switch that was refused at a site: no pattern matches. */
  async function refused(node, site) {
    await worker.kv.delete("neighbordb");
    await worker.advance(20_000);
    assert.equal((await post(node, { site })).status, 400);
    await worker.settle();
  }

  test("assigns to a switch that was refused at its site, which is a node of this site then", async () => {
    await refused("PW1", PARIS);
    assert.equal((await paris("GET", "/nodes/PW1")).json.status.state, "waiting");
    assert.deepEqual((await paris("GET", "/nodes/PW1/events")).json.events.map(({ event }) => event), ["refused"]);
    assert.equal((await paris("POST", "/nodes/PW1/assign", { startup_config: "hostname a\n" })).json.audit, 1);
    assert.deepEqual([(await paris("GET", "/nodes/PW1")).json.site, (await entry(1)).site], ["paris", "paris"]);
    assert.equal((await post("PW1", { site: PARIS })).status, 409);
    assert.equal((await get("PW1", "", PARIS)).status, 200);
    assert.equal((await get("PW1", "", BERLIN)).status, 400);
    assert.deepEqual((await paris("GET", "/audit?target=PW1")).json.entries.map(({ action }) => action), ["assign"]);
    await refused("PW2", PARIS);
    assert.equal((await put("paris", "nodes/PW2/startup-config", "hostname b\n")).status, 201);
    assert.equal((await elsewhere("GET", "/nodes/PW2")).json.site, "paris");
    await refused("PW3", PARIS);
    assert.equal((await elsewhere("POST", "/nodes/PW3/assign", { attributes: "a: 1\n" })).status, 200);
    assert.equal((await paris("GET", "/nodes/PW3")).json.site, "paris");
  });

  test("does not see a switch that was refused at another site", async () => {
    await refused("BW1", BERLIN);
    for (const send of [paris, elsewhere]) {
      assertOperatorRefusal(await send("GET", "/nodes/BW1"), 404, unknown("BW1"));
      assertOperatorRefusal(await send("GET", "/nodes/BW1/events"), 404, unknown("BW1"));
      assertOperatorRefusal(await send("POST", "/nodes/BW1/assign", { startup_config: "hostname a\n" }), 404, unknown("BW1"));
    }
    assertOperatorRefusal(await put("paris", "nodes/BW1/startup-config", "hostname a\n"), 404, /is not stored/);
    // A refusal of another site does not count if the node was released later.
    await post("SNP", { site: BERLIN });
    await worker.settle();
    await act("SNP", "move", { site: null });
    assertOperatorRefusal(await paris("GET", "/nodes/SNP"), 404, unknown("SNP"));
    assert.equal((await admin("GET", "/nodes/BW1")).json.site, null);
  });

  test("plans a switch that nobody has seen, for its only site", async () => {
    assert.equal((await paris("POST", "/nodes/PN1/assign", { attributes: "a: 1\n" })).json.audit, 1);
    assert.equal((await paris("GET", "/nodes/PN1")).json.site, "paris");
    assert.equal((await get("PN1", "", BERLIN)).status, 400);
    assert.equal((await put("paris", "nodes/PN2/startup-config", "hostname b\n")).status, 201);
    assert.equal((await paris("GET", "/nodes/PN2")).json.site, "paris");
    // Which site is not clear.
    assertOperatorRefusal(await elsewhere("POST", "/nodes/PN3/assign", { attributes: "a: 1\n" }), 404, unknown("PN3"));
    // An operator without sites assigns no site.
    assert.equal((await act("PN4", "assign", { attributes: "a: 1\n" })).status, 200);
    assert.equal((await admin("GET", "/nodes/PN4")).json.site, null);
    assertOperatorRefusal(await paris("POST", "/nodes/PN4/assign", { attributes: "a: 2\n" }), 404, unknown("PN4"));
  });

  test("cannot release a node or give it away by its record `site`", async () => {
    const remove = (send, node) => worker.request("DELETE", `/admin/content/nodes/${node}/site`, { headers: { "Cf-Access-Jwt-Assertion": team.token(send) } });
    assertOperatorRefusal(await remove("paris", "SNP"), 403, /may assign nodes only to its own sites/);
    assertOperatorRefusal(await put("paris", "nodes/SNP/site", "berlin"), 403, /may assign nodes only to its own sites/);
    assertOperatorRefusal(await remove("paris", "SNB"), 404, /is not stored/);
    // As `move`: no switch of it could receive the records.
    assertOperatorRefusal(await put("elsewhere", "nodes/SNP/site", "rome"), 400, /the site rome has no token in ZTP_TOKENS/);
    assertOperatorRefusal(await put("admin", "nodes/SNP/site", "rome"), 400, /the site rome has no token in ZTP_TOKENS/);
    assert.equal((await paris("GET", "/nodes/SNP")).json.site, "paris");
    assert.deepEqual(await log(), []);
    assert.equal((await put("admin", "nodes/SNP/site", "berlin")).status, 200);
    assert.equal((await remove("admin", "SNP")).status, 200);
    assert.deepEqual((await admin("GET", "/nodes/SNP/events")).json.events.map(({ event }) => event), ["moved", "moved"]);
  });

  test("does not read the nodes of other sites in entries about pools", async () => {
    await admin("PUT", "/pools/net/10.0.0.1?node=SNB");
    await paris("PUT", "/pools/net/10.0.0.2?node=SNP");
    assert.equal((await paris("PUT", "/pools/net/10.0.0.1?node=SNP")).status, 409);
    await paris("DELETE", "/pools/net/10.0.0.2");
    await admin("DELETE", "/pools/net?node=SNB");
    const { entries } = (await paris("GET", "/audit")).json;
    assert.doesNotMatch(JSON.stringify(entries.filter(({ who }) => who === "admin token")), /SNB/);
    assert.deepEqual(entries.map(({ action, site, detail }) => [action, site, detail?.slice(0, 15) ?? null]), [["release", null, null], ["release", "paris", "10.0.0.2 of SNP"], ["allocate", "paris", entries[2].detail.slice(0, 15)], ["allocate", "paris", "10.0.0.2 to SNP"], ["allocate", null, null]]);
    assert.equal((await entry(1)).detail, "10.0.0.1 to SNB");
  });
});
