// POST /admin/explain: what a switch would be answered, without a trace in storage.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { pairs } from "../reference/pairs.mjs";
import { generator } from "../security/random.mjs";
import { assertOperatorRefusal, facts, startWorker, waitFor } from "./harness.mjs";

const ADMIN = "an-admin-token-0123";
const SEED = 17;

const client = (worker) => {
  const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body === undefined ? undefined : JSON.stringify(body) });
  return {
    admin,
    explain: async (body) => {
      const response = await admin("POST", "/explain", body);
      assert.equal(response.status, 200, response.text);
      assert.equal(response.headers["cache-control"], "no-store");
      return response;
    },
  };
};
/** The reason in a refusal to a switch. */
const reasonIn = ({ text }) => text.replace(/\n$/, "").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
/** The definition in the text of an explanation, as it is written there: the last field. */
const definitionIn = ({ text }) => /^.*,"definition":(.*)\}$/s.exec(text)[1];

/** Definitions that are served, refused, or need pools. */
const DEFINITIONS = [
  "name: leaf\nactions: []\n",
  "name: leaf\nattributes: {url: files/a}\nactions:\n- action: add_config\n  attributes: {url: $url, other: $missing, n: 12345678901234567890123, f: 1.0}\n",
  "name: leaf\nactions:\n- action: add_config\n  attributes: {ip: allocate('net'), again: [allocate('net')]}\n",
  "name: leaf\nactions:\n- action: add_config\n  attributes: {ip: allocate('net'), as: sqlite('as')}\n",
  "name: leaf\nactions:\n- action: add_config\n  attributes: {ip: allocate('net'), none: allocate('absent')}\n",
  "name: leaf\nactions:\n- action: add_config\n  attributes: {ip: random('net')}\n",
  "name: leaf\nactions:\n- action: add_config\n  attributes: {ip: allocate('full')}\n",
  "actions: 1\n",
  "actions: [",
];

describe("an explanation equals what POST and then GET answer", () => {
  let worker;
  before(async () => {
    worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, forgetful: true });
  });
  after(() => worker.stop());
  beforeEach(() => worker.reset());

  /** The records of a node. */
  const stored = async (id) => {
    const { admin } = client(worker);
    const { keys } = await worker.kv.list({ prefix: `nodes/${id}/` });
    const { events, records, pools } = (await admin("GET", `/nodes/${id}`)).json;
    return [keys.map(({ name }) => name), events, records, pools];
  };

  for (const [count, more] of [[20, ""], [80, " [more]"]]) {
    test(`for ${count} random nodes, neighbordbs and definitions${more}`, async () => {
      const { admin, explain } = client(worker);
      const random = generator(SEED);
      const addresses = Array.from({ length: 2 * count }, (_, at) => `10.0.${at >> 8}.${at & 255}: null\n`).join("");
      for (const [key, value] of Object.entries({ "resources/net": addresses, "resources/as": "hosts(10.1.0.0/24): null\n", "resources/full": "a: other\n", "config-handlers/save": "#!/bin/sh\n" })) await worker.kv.put(key, value);
      const seen = new Set();
      for (const [index, { neighbordb, facts: sent }] of pairs(count, SEED).entries()) {
        const id = String(1000 + index);
        const patterns = neighbordb.patterns.map((pattern) => {
          const node = { self: id, "self number": Number(id), other: "other" }[pattern.node] ?? pattern.node;
          return node === undefined ? pattern : { ...pattern, node };
        });
        if (random.chance(0.9)) await worker.kv.put("neighbordb", JSON.stringify({ ...neighbordb, patterns }));
        else await worker.kv.delete("neighbordb");
        const definition = random.pick(DEFINITIONS);
        await worker.kv.put("definitions/leaf", definition);
        if (random.chance(0.2)) await worker.kv.put(`nodes/${id}/attributes`, random.pick(["url: files/own\n", "a: [", "missing: 1\n"]));
        if (random.chance(0.1)) await worker.kv.put(`nodes/${id}/${random.pick(["definition", "startup-config"])}`, definition);
        const body = { ...sent, serialnumber: id };
        if (random.chance(0.1)) body.config = "hostname a\n";
        if (random.chance(0.05)) delete body.serialnumber;

        for (const round of ["new", "known"]) {
          const name = `pair ${index}, ${round}: ${JSON.stringify({ neighbordb: { ...neighbordb, patterns }, body, definition })}`;
          const before = await stored(id);
          const explained = await explain({ facts: body });
          assert.deepEqual(await stored(id), before, `${name}: something was stored`);
          const { known, status, error, selection, definition_error: definitionError, pools } = explained.json;
          const posted = await worker.request("POST", "/nodes", { body: JSON.stringify(body) });
          assert.equal(status, posted.status, name);
          assert.equal(known, posted.status === 409, name);
          if (status === 400) {
            assert.equal(error, reasonIn(posted), name);
            assert.deepEqual([definitionIn(explained), definitionError, pools], ["null", null, []], name);
          } else {
            assert.equal(error, null, name);
            const got = await worker.request("GET", `/nodes/${id}`);
            if (got.status === 200) {
              const url = new RegExp(`http://[^/]+/nodes/${id}/startup-config`);
              assert.equal(definitionIn(explained).replace(url, ""), got.text.replace(url, ""), name);
              assert.equal(definitionError, null, name);
              const { values } = (await admin("GET", `/pools?node=${id}`)).json;
              const value = ({ pool, value }) => `${pool}: ${value}`;
              assert.deepEqual(values.map(value), pools.map(value).sort(), name);
              assert.ok(pools.every(({ held }) => held === (round === "known")), name);
            } else {
              assert.equal(definitionError, reasonIn(got), name);
              assert.equal(definitionIn(explained), "null", name);
            }
            seen.add(`GET ${got.status}`);
            if (pools.length > 0) seen.add("pools");
          }
          if (status === 201 && !body.config) assert.match(await worker.kv.get(`nodes/${id}/pattern`), new RegExp(`name: '?${selection.pattern}'?$`, "m"), name);
          if (selection === null) seen.add("no selection");
          seen.add(`POST ${status}`);
        }
      }
      assert.deepEqual([...seen].sort(), ["GET 200", "GET 400", "POST 201", "POST 400", "POST 409", "no selection", "pools"]);
    });
  }
});

describe("POST /admin/explain", () => {
  let worker;
  before(async () => {
    worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: "berlin=berlin-token-0123456789\nparis=paris-token-01234567890" }, bundle: "bundle-clock" });
  });
  after(() => worker.stop());
  beforeEach(() => worker.reset());
  const post = (node, site = "berlin-token-0123456789") => worker.request("POST", `/t/${site}/nodes`, { body: JSON.stringify(facts(node)) });

  test("has each pattern that was checked, with its outcome and reason", async () => {
    await worker.kv.put("neighbordb", "patterns:\n- {name: spine, definition: spine, model: DCS-75}\n- {name: rest, definition: leaf, interfaces: []}\n- {name: later, definition: leaf, interfaces: []}\n");
    await worker.kv.put("definitions/leaf", "name: leaf\nactions: []\n");
    const { selection, warnings } = (await client(worker).explain({ facts: facts("SN1"), site: "berlin" })).json;
    assert.deepEqual(selection, {
      pattern: "rest",
      candidates: [
        { pattern: "spine", outcome: "mismatch", reason: "pattern 'spine': requires model regex('DCS-75'), saw 'DCS-7050TX-64-F'", line: 2, definition: "spine", model: { line: "DCS-75", differs: true }, wants: [] },
        { pattern: "rest", outcome: "matches", reason: null, line: 3, definition: "leaf", model: null, wants: [] },
      ],
      omitted: 0,
    });
    assert.deepEqual(warnings, []);
  });

  test("has the lines of a pattern beside what the switch sees, also of the stored pattern of a known node", async () => {
    await worker.kv.put("neighbordb", "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - Ethernet1: spine1\n  - Ethernet2: any\n  - none: core1:any\n");
    await worker.kv.put("definitions/leaf", "name: leaf\nactions: []\n");
    const neighbors = { Ethernet1: [{ device: "spine1", port: "Ethernet7" }], Ethernet2: [{ device: "spine2", port: "Ethernet8" }] };
    const { explain } = client(worker);
    const lines = (differing, second = [{ interface: "Ethernet2", device: "spine2", port: "Ethernet8" }]) => [
      { line: "Ethernet1: spine1", differs: differing === 0, saw: [{ interface: "Ethernet1", device: "spine1", port: "Ethernet7" }] },
      { line: "Ethernet2: any", differs: differing === 1, saw: second },
      { line: "none: core1:any", differs: differing === 2, saw: null },
    ];
    const { selection, checked } = (await explain({ facts: facts("SN1"), site: "berlin" })).json;
    assert.equal(checked, null);
    const [candidate] = selection.candidates;
    assert.deepEqual([candidate.outcome, candidate.wants], ["mismatch", lines(1, [])]);

    assert.equal((await worker.request("POST", "/t/berlin-token-0123456789/nodes", { body: JSON.stringify(facts("SN1", { neighbors })) })).status, 201);
    const known = (await explain({ node: "SN1" })).json;
    assert.equal(known.selection, null);
    assert.deepEqual(known.checked, { pattern: "leaf", outcome: "matches", reason: null, line: null, definition: null, model: null, wants: lines() });
    const moved = (await explain({ facts: facts("SN1") })).json;
    assert.deepEqual([moved.checked.outcome, moved.checked.wants[1].differs], ["mismatch", true]);
    assert.match(moved.checked.reason, /Ethernet2 requires a neighbor, saw no neighbor/);
  });

  test("explains a node by its id: with the facts of its last POST, or only its id", async () => {
    const { explain } = client(worker);
    await worker.kv.put("neighbordb", "patterns:\n- {name: mine, definition: leaf, node: SN1}\n- {name: rest, definition: leaf, model: DCS}\n");
    await worker.kv.put("definitions/leaf", "name: leaf\nactions: []\n");
    const unseen = (await explain({ node: "SN1" })).json;
    assert.deepEqual([unseen.node, unseen.known, unseen.status, unseen.selection.pattern, unseen.definition.name], ["SN1", false, 201, "mine", "leaf"]);
    assert.deepEqual(unseen.warnings, ["the node has sent no facts yet: only its id is known"]);
    const other = (await explain({ node: "SN2" })).json;
    assert.deepEqual([other.status, other.definition], [400, null]);
    assert.match(other.error, /pattern 'rest': requires model/);
    assert.equal((await post("SN2")).status, 201);
    const known = (await explain({ node: "SN2" })).json;
    assert.deepEqual([known.known, known.status, known.selection, known.definition.name, known.warnings], [true, 409, null, "leaf", []]);
  });

  test("explains a switch that was refused by the facts that it sent, at the site where it was seen", async () => {
    const { explain, admin } = client(worker);
    await worker.kv.put("neighbordb", "patterns:\n- {name: other, definition: leaf, model: OTHER}\n");
    await worker.kv.put("definitions/leaf", "name: leaf\nactions:\n- action: a\n  attributes: {ip: allocate('net')}\n");
    await worker.kv.put("resources/net", "shared: null\n");
    await worker.kv.put("resources/paris/net", "own: null\n");
    assert.equal((await post("SN1", "paris-token-01234567890")).status, 400);
    // The facts follow after the response.
    await waitFor("the facts of SN1", async () => {
      const found = await admin("GET", "/nodes/SN1");
      return found.status === 200 && found.json.seen?.model;
    });
    const refused = (await explain({ node: "SN1" })).json;
    assert.deepEqual([refused.status, refused.warnings], [400, []]);
    assert.match(refused.error, /pattern 'other': .*DCS-7050TX-64-F/);
    await worker.kv.put("neighbordb", "patterns:\n- {name: all, definition: leaf, model: DCS}\n");
    // The cached neighbordb expires.
    await worker.advance(10_000);
    const { status, selection, pools } = (await explain({ node: "SN1" })).json;
    assert.deepEqual([status, selection.pattern, pools], [201, "all", [{ pool: "paris/net", value: "own", held: false }]]);
  });

  test("asks the pools of the site, and shows no credential", async () => {
    const { explain, admin } = client(worker);
    await worker.kv.put("neighbordb", "patterns:\n- {name: all, definition: leaf, interfaces: []}\n");
    await worker.kv.put("definitions/leaf", "name: leaf\nactions:\n- action: a\n  attributes: {ip: allocate('net')}\n");
    await worker.kv.put("resources/net", "shared: null\n");
    await worker.kv.put("resources/berlin/net", "own: null\n");
    const next = async (site) => (await explain({ facts: facts("SN1"), site })).json.pools;
    assert.deepEqual(await next("berlin"), [{ pool: "berlin/net", value: "own", held: false }]);
    assert.deepEqual(await next("paris"), [{ pool: "net", value: "shared", held: false }]);
    await admin("PUT", "/pools/berlin/net/own?node=SN9");
    const { definition_error: error, pools } = (await explain({ facts: facts("SN1"), site: "berlin" })).json;
    assert.match(error, /the pool 'berlin\/net' has no value for the node SN1/);
    assert.deepEqual(pools, [{ pool: "net", value: null, held: false }]);
    await worker.kv.put("nodes/SN2/startup-config", "hostname a\n");
    const { text } = await explain({ facts: facts("SN2"), site: "berlin" });
    assert.match(text, /\/t\/TOKEN\/nodes\/SN2\/startup-config/);
    assert.doesNotMatch(text, /berlin-token|berlin\./);
  });

  test("answers for a node of another site as that site is answered", async () => {
    await worker.kv.put("nodes/SN1/definition", "name: leaf\nactions: []\n");
    await worker.kv.put("nodes/SN1/site", "berlin\n");
    const { explain } = client(worker);
    assert.equal((await explain({ node: "SN1" })).json.status, 409);
    const { status, known, error } = (await explain({ node: "SN1", site: "paris" })).json;
    assert.deepEqual([status, known], [400, false]);
    assert.match(error, /the node SN1 is not known here/);
    assert.equal((await post("SN1", "paris-token-01234567890")).status, 400);
  });

  test("refuses a request that is not valid", async () => {
    const { admin, explain } = client(worker);
    for (const [body, reason] of [
      [{}, /needs either `facts`/],
      [{ facts: facts("SN1"), node: "SN1" }, /needs either `facts`/],
      [{ node: 1 }, /the field "node" is 1/],
      [{ node: "a/b" }, /is not a valid node id/],
      [{ facts: facts("SN1"), site: "rome" }, /the site "rome" has no token in ZTP_TOKENS/],
    ]) {
      assertOperatorRefusal(await admin("POST", "/explain", body), 400, reason);
    }
    const { node, status, error } = (await explain({ facts: { model: 5, neighbors: [] } })).json;
    assert.deepEqual([node, status], [null, 400]);
    assert.match(error, /neighbors/);
  });
});
