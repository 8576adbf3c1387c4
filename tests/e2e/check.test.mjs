// The check of the stored content.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertOperatorRefusal, startWorker } from "./harness.mjs";
import { OPERATORS, startTeam } from "./operators.mjs";

const ADMIN = "an-admin-token-0123";
let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const admin = (method, path) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` } });
const run = async (query = "") => {
  const response = await admin("POST", `/check${query}`);
  assert.equal(response.status, 200, response.text);
  return response.json;
};
const put = async (values) => {
  for (const [key, value] of Object.entries(values)) await worker.kv.put(key, value);
};
const kinds = ({ findings }) => findings.map(({ key, kind }) => `${key} ${kind}`);

describe("POST /admin/check", () => {
  test("has the findings of all content with their keys and positions, and what was checked", async () => {
    await put({
      neighbordb: "patterns:\n- {name: leaf, definition: leaf, interfaces: [Ethernet1: spine1]}\n- {name: late, definition: absent, interfaces: []}\n",
      "definitions/leaf": "name: leaf\nactions:\n- action: nothing\n  attributes: {url: files/here, other: files/absent, ip: allocate('net')}\n",
      "definitions/broken": "actions: 1\n",
      "resources/full": "a: null\na: null\n",
      "nodes/SN1/definition": "name: own\nactions:\n- {action: own, attributes: {ip: allocate('none')}}\n",
      "nodes/SN1/startup-config": "hostname a\n",
      "nodes/SN2/.node": '{"serialnumber": "SN3"}',
    });
    await worker.r2.put("files/here", "a");
    await worker.r2.put("actions/own", "def main(attributes): pass\n");
    const result = await run();
    assert.deepEqual(kinds(result), [
      "definitions/broken bad-definition",
      "definitions/leaf missing-action",
      "definitions/leaf missing-file",
      "definitions/leaf missing-pool",
      "neighbordb missing-definition",
      "nodes/SN1/definition missing-pool",
      "nodes/SN2/.node facts-of-other-node",
      "resources/full duplicate-key",
    ]);
    const { line, column, text, severity, message, help } = result.findings[1];
    assert.deepEqual([line, column, text, severity], [3, 3, "- action: nothing", "error"]);
    // A definition that no pattern names, facts of a switch: no switch is concerned.
    const warnings = result.findings.filter((finding) => finding.severity === "warning").map(({ key }) => key);
    assert.deepEqual(warnings, ["definitions/broken", "nodes/SN2/.node", "resources/full"]);
    assert.match(message, /the action 'nothing' is neither in actions\/ nor built in/);
    assert.match(help, /add the file/);
    assert.deepEqual([result.covered, result.cursor], [{ documents: 6, nodes: 2, complete: true }, null]);
    assert.ok(Math.abs(Date.parse(result.time) - Date.now()) < 60_000);
  });

  test("has no finding for empty storage, and writes no key", async () => {
    const { time: _, ...result } = await run();
    assert.deepEqual(result, { findings: [], hidden: 0, omitted: 0, covered: { documents: 0, nodes: 0, complete: true }, cursor: null });
    assert.deepEqual((await worker.kv.list()).keys, []);
  });

  test("checks many nodes page by page, each once, and keeps the findings of all pages", async () => {
    const names = Array.from({ length: 1_100 }, (_, at) => `N${String(at).padStart(4, "0")}`);
    await put({ "definitions/leaf": "name: leaf\nactions:\n- {action: add_config, attributes: {url: $own}}\n" });
    const facts = names.map((name) => [`nodes/${name}/.node`, JSON.stringify({ serialnumber: name === "N1050" ? "other" : name })]);
    await worker.putAll(Object.fromEntries(facts));
    await worker.kv.put("nodes/N1051/attributes", "own: files/a\n");
    const pages = [await run()];
    while (pages.at(-1).cursor !== null) pages.push(await run(`?cursor=${encodeURIComponent(pages.at(-1).cursor)}`));
    assert.ok(pages.length >= 2, `${pages.length} pages`);
    assert.equal(pages.reduce((sum, { covered }) => sum + covered.nodes, 0), names.length);
    assert.deepEqual(pages.flatMap(kinds), ["nodes/N1050/.node facts-of-other-node"]);
    assert.deepEqual(pages.map(({ covered }) => covered.complete), [...Array(pages.length - 1).fill(false), true]);
    const last = (await admin("GET", "/check")).json;
    assert.deepEqual([kinds(last), last.covered, last.cursor], [["nodes/N1050/.node facts-of-other-node"], { documents: 1, nodes: names.length, complete: true }, null]);
    for (const line of worker.requests()) assert.ok(line.kv_reads + line.r2_reads + line.object_calls <= 50, JSON.stringify(line));
  });

  test("finds values that are not UTF-8, and keeps at most 1 MiB of findings", async () => {
    await put({ "definitions/latin": Uint8Array.of(0x6e, 0xe9).buffer, "definitions/mark": "name: '\uFFFD'\nactions: []\n" });
    assert.deepEqual(kinds(await run()), ["definitions/latin not-utf8"]);
    const pools = Array.from({ length: 40 }, (_, at) => [`resources/p${at}`, Array.from({ length: 200 }, (_, n) => `"${"v".repeat(900)}${n}": null\n`.repeat(2)).join("")]);
    await put(Object.fromEntries(pools));
    const { findings } = await run();
    const last = (await admin("GET", "/check")).json;
    assert.ok(findings.length > last.findings.length && last.findings.length > 100, `${findings.length}, ${last.findings.length}`);
    assert.equal(last.findings.length + last.omitted, findings.length);
  });

  test("rejects a cursor that is not valid, and more content than it can read", async () => {
    assertOperatorRefusal(await admin("POST", "/check?cursor=x"), 400, /the cursor is not valid/);
    for (const name of ["a", "b", "c"]) await worker.kv.put(`config-handlers/${name}`, "#".repeat(6 << 20));
    assertOperatorRefusal(await admin("POST", "/check"), 413, /have more than 16777216 bytes/);
  });
});

describe("a check of several pages", () => {
  const FINDINGS = ["definitions/broken bad-definition", ...Array.from({ length: 7 }, (_, at) => `nodes/N0${at}00/.node facts-of-other-node`)];
  const next = (cursor) => run(`?cursor=${encodeURIComponent(cursor)}`);
  const last = async () => (await admin("GET", "/check")).json;
  const reject = async (cursor) => assertOperatorRefusal(await admin("POST", `/check?cursor=${encodeURIComponent(cursor)}`), 400, /the cursor is not valid: .*start again without a cursor/);
  beforeEach(async () => {
    const names = Array.from({ length: 702 }, (_, at) => `N${String(at).padStart(4, "0")}`);
    await worker.putAll({ "definitions/broken": "actions: 1\n", ...Object.fromEntries(names.map((name, at) => [`nodes/${name}/.node`, JSON.stringify({ serialnumber: at % 100 === 0 && at < 700 ? "other" : name })])) });
  });

  test("keeps all of its findings while others are under way", async () => {
    const first = [await run(), await run()];
    await worker.scheduled();
    assert.deepEqual(kinds(await last()), FINDINGS);
    for (const { cursor } of first) {
      assert.equal((await next(cursor)).cursor, null);
      const result = await last();
      assert.deepEqual([kinds(result), result.covered, result.under_way?.nodes], [FINDINGS, { documents: 1, nodes: 702, complete: true }, cursor === first[0].cursor ? first[1].covered.nodes : undefined]);
    }
  });

  test("may be continued only where it ended", async () => {
    const { cursor } = await run();
    const [id] = cursor.split("~");
    const wrong = [":zzzzzz", "~", "~:zzzzzz", "x~y", "scheduled~:zzzzzz", `${id}~:zzzzzz`, `${id}~`, cursor.slice(1), ""];
    for (const one of wrong) await reject(one);
    assert.equal((await next(cursor)).cursor, null);
    for (const one of [...wrong, cursor]) await reject(one);
    const result = await last();
    assert.deepEqual([kinds(result), result.covered.nodes], [FINDINGS, 702]);
  });

  test("replaces a complete one only when it is complete itself", async () => {
    const first = await run();
    const partial = await last();
    assert.deepEqual([kinds(partial), partial.covered, partial.under_way], [kinds(first), first.covered, { time: first.time, nodes: first.covered.nodes }]);
    await next(first.cursor);
    const second = await run();
    const { under_way: underWay, ...result } = await last();
    assert.deepEqual([kinds(result), result.covered.complete, underWay], [FINDINGS, true, { time: second.time, nodes: second.covered.nodes }]);
    await worker.advance(3_600_000);
    assert.equal((await last()).under_way, null);
    assert.equal((await next(second.cursor)).cursor, null);
  });

  test("is forgotten when eight others have begun after it", async () => {
    const cursors = [];
    for (let begun = 0; begun < 9; begun += 1) {
      cursors.push((await run()).cursor);
      await worker.advance(1_000);
    }
    await reject(cursors[0]);
    assert.equal((await next(cursors[1])).cursor, null);
    const { Items: runs } = await worker.callSite("*", { Items: "checking" });
    assert.equal(runs.length, 7);
  });
});

test("an operator with sites sees no finding of a shared document that names nodes of any site", async (t) => {
  const team = await startTeam();
  t.after(() => team.stop());
  const shared = await startWorker({ vars: team.vars, secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
  t.after(() => shared.stop());
  const definition = "name: a\nactions:\n- {action: add_config, attributes: {url: files/a, ip: allocate('net')}}\n";
  const values = { operators: OPERATORS, neighbordb: "patterns:\n- {name: own, definition: leaf, node: BN1, interfaces: []}\n", "definitions/leaf": definition, "resources/net": "10.0.0.1: null\n" };
  for (const node of ["BN1", "BN2", "PN1"]) Object.assign(values, { [`nodes/${node}/definition`]: definition, [`nodes/${node}/site`]: node.startsWith("B") ? "berlin" : "paris" });
  await shared.putAll(values);
  const as = async (method, headers) => (await shared.request(method, "/admin/check", { headers })).json;
  const all = { Authorization: `Bearer ${ADMIN}` };
  const paris = { "Cf-Access-Jwt-Assertion": team.token("paris") };
  for (const method of ["POST", "GET"]) {
    const full = await as(method, all);
    assert.deepEqual([kinds(full), full.hidden], [["definitions/leaf missing-file", "neighbordb known-node", "nodes/BN1/definition missing-file", "nodes/BN2/definition missing-file", "nodes/PN1/definition missing-file", "resources/net exhausted-pool"], 0]);
    const shown = await as(method, paris);
    assert.deepEqual([kinds(shown), shown.hidden], [["definitions/leaf missing-file", "nodes/PN1/definition missing-file"], 2]);
    assert.doesNotMatch(JSON.stringify(shown), /BN/);
  }
});

describe("the cron trigger", () => {
  test("checks all pages, and keeps the result", async () => {
    await worker.putAll(Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`nodes/N${at}/site`, "berlin"])));
    await put({ "definitions/broken": "actions: 1\n" });
    await worker.scheduled();
    const last = (await admin("GET", "/check")).json;
    assert.deepEqual([kinds(last), last.covered], [["definitions/broken bad-definition"], { documents: 1, nodes: 600, complete: true }]);
  });
});

describe("GET /admin/check", () => {
  test("has the last result with its age, and is 404 before the first", async () => {
    assertOperatorRefusal(await admin("GET", "/check"), 404, /the content was not checked yet: POST \/admin\/check/);
    await put({ "definitions/broken": "actions: 1\n" });
    const result = await run();
    await worker.advance(90_000);
    const { age_s: age, under_way: underWay, ...last } = (await admin("GET", "/check")).json;
    assert.deepEqual([last, underWay], [result, null]);
    assert.ok(age >= 90 && age < 120, `${age} s`);
  });
});
