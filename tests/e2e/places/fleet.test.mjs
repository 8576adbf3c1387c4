// A fleet boots while the object of its site ends again and again: afterwards it has the state of every node and all
// events. And the size of a site: how long a page of its list takes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorker } from "../harness.mjs";
import { SITES, startPlaces } from "./bench.mjs";
import { CONTENT, PROPAGATION, SHOWN, TOKENS, each, eventually, get, post, put, shown, SITES as TOKEN } from "./requests.mjs";
import { IS_FULL, scaled } from "./scale.mjs";

const ADMIN = "an-admin-token-0123";
const NODES = scaled(500, 60);
/** How often the site's object ends or is down meanwhile. */
const ENDS = 10;
/** How many switches boot at a time. */
const AT_ONCE = 20;
/** Milliseconds after the last boot in which the site's object must have everything. */
const MAX_DELAY = 90_000;
const ROWS = scaled(5_000, 500);
/** The largest time of a page of a site in the object, in milliseconds, as the median of `PAGES`. */
const MAX_PAGE_MS = 50;
const PAGES = 20;
const STATES = ["failed", "stalled", "waiting", "booting", "served", "planned", "booted", "backed-up"];

let bench;
before(async () => {
  bench = await startPlaces({ places: 3, bindings: { ZTP_TOKENS: TOKENS, ZTP_ADMIN_TOKEN: ADMIN }, kv: { propagation: PROPAGATION } });
  await bench.kv.putAll(CONTENT);
  await bench.advance(SHOWN);
});
after(() => bench?.stop());

const iso = (time) => new Date(time).toISOString();
const admin = (path) => bench.places[0].request("GET", `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` } });
const script = (place, node) => place.request("GET", `/t/${TOKEN.berlin}/bootstrap`, { headers: { "X-Arista-Serial": node, "X-Arista-ModelName": "DCS-7050TX-64-F", "X-Arista-SoftwareVersion": "4.28.0F" } });

/** The boots of switches: the state after each, and its events. */
const BOOTS = {
  waiting: { events: ["script-fetched", "refused"], device: "unknown" },
  served: { events: ["script-fetched", "registered", "definition-fetched"] },
  booting: { events: ["script-fetched", "registered", "boot-started", "definition-fetched", "action-started"] },
  failed: { events: ["script-fetched", "registered", "boot-started", "definition-fetched", "action-started", "action-failed", "boot-failed"] },
  booted: { events: ["script-fetched", "registered", "boot-started", "definition-fetched", "action-started", "action-succeeded", "boot-succeeded"] },
  "backed-up": { events: ["script-fetched", "registered", "boot-started", "definition-fetched", "action-started", "action-succeeded", "boot-succeeded", "startup-config-stored"] },
};
const FIELDS = {
  "action-started": { action: "add_config" },
  "action-succeeded": { action: "add_config", seconds: 1.5 },
  "action-failed": { action: "add_config", reason: "no space left" },
  "boot-succeeded": { seconds: 9 },
  "boot-failed": { reason: "add_config failed", log: "no space left" },
};

/** Boots a switch as the client does. */
async function boot(place, node, state) {
  const { events, device = "spine1" } = BOOTS[state];
  let seq = 0;
  for (const event of events) {
    const expect = (answer, ...statuses) => assert.ok(statuses.includes(answer.status), `${node} ${event}: ${shown(answer)}`);
    if (event === "script-fetched") expect(await script(place, node), 200);
    else if (event === "refused") expect(await post(place, node, { device }), 400);
    else if (event === "registered") expect(await post(place, node), 201);
    else if (event === "definition-fetched") expect(await get(place, node), 200);
    else if (event === "startup-config-stored") expect(await put(place, node, `hostname ${node}\n`), 201);
    else {
      seq += 1;
      const body = JSON.stringify({ boot: `boot-${node}`.toLowerCase().replaceAll(/[^a-z0-9]/g, ""), seq, at: seq, event, ...FIELDS[event] });
      expect(await place.request("POST", `/t/${TOKEN.berlin}/nodes/${node}/events`, { body }), 204);
    }
  }
}

/** All pages of a list. `first` and `next` are what the query of a page has in addition. */
async function pages(path, name, next, first = "") {
  const all = [];
  for (let more = first; more !== undefined; ) {
    const page = await admin(`${path}${more}`);
    assert.equal(page.status, 200, shown(page));
    all.push(...page.json[name]);
    more = next(page.json);
  }
  return all;
}
const rows = () => pages("/nodes?site=berlin&limit=100", "nodes", ({ cursor }) => (cursor === null ? undefined : `&cursor=${encodeURIComponent(cursor)}`));
const events = () => pages("/events?site=berlin", "events", ({ last, more }) => (more ? `&after=${last}` : undefined), "&after=0");

test("a fleet boots while the object of its site ends again and again: no state is wrong, and no event is missing", { timeout: 900_000 }, async () => {
  const states = Object.keys(BOOTS);
  const fleet = Array.from({ length: NODES }, (_, at) => ({ node: `FLEET${at}`, state: states[at % states.length] }));
  let booted = 0;
  let ends = 0;
  // Also if a boot fails.
  let isOver = false;
  const disturb = async () => {
    for (; ends < ENDS; ends += 1) {
      while (!isOver && booted < (NODES * (ends + 0.5)) / ENDS) await sleep(20);
      if (isOver) return;
      if (ends % 3 === 2) {
        await bench.breakObjects(SITES, "throws");
        await sleep(1_500);
        await bench.breakObjects(SITES);
      } else await bench.end(SITES, "berlin");
    }
  };
  const disturbing = disturb();
  await each(NODES, AT_ONCE, async (at) => {
    await boot(bench.places[at % bench.places.length], fleet[at].node, fleet[at].state);
    booted += 1;
  }).finally(() => (isOver = booted < NODES));
  await disturbing;
  assert.equal(ends, ENDS);

  const began = Date.now();
  let problems;
  const isComplete = async () => {
    const [listed, happened] = [await rows(), await events()];
    const stateOf = new Map(listed.map(({ node, state }) => [node, state]));
    const eventsOf = Map.groupBy(happened, ({ node }) => node);
    problems = fleet.flatMap(({ node, state }) => {
      const found = (eventsOf.get(node) ?? []).map(({ event }) => event);
      const isOnce = new Set(happened.map(({ n }) => n)).size === happened.length;
      const hasAll = found.sort().join() === [...BOOTS[state].events].sort().join();
      return stateOf.get(node) === state && hasAll && isOnce ? [] : [`${node}: ${stateOf.get(node)}, not ${state}, with ${found}`];
    });
    return problems.length === 0;
  };
  await eventually(isComplete, MAX_DELAY);
  assert.deepEqual(problems?.slice(0, 5), [], `${problems?.length} of ${NODES} nodes`);
  const seconds = Math.round((Date.now() - began) / 1_000);
  const own = await Promise.all(fleet.slice(0, 20).map(async ({ node }) => (await admin(`/nodes/${node}/events`)).json.events));
  const inSite = Map.groupBy(await events(), ({ node }) => node);
  for (const [at, expected] of own.entries()) {
    const found = inSite.get(fleet[at].node).map(({ n, node_n, node, ...event }) => event);
    const byTime = (list) => list.map(({ n, node_n, node, ...event }) => JSON.stringify(event)).sort();
    assert.deepEqual(byTime(found), byTime(expected), fleet[at].node);
  }
  const expected = Object.fromEntries(STATES.map((state) => [state, fleet.filter((one) => one.state === state).length]));
  const hasCounts = async () => {
    const { sites } = (await admin("/sites")).json;
    return JSON.stringify(sites.find(({ site }) => site === "berlin").counts, Object.keys(expected)) === JSON.stringify(expected);
  };
  assert.ok(await eventually(hasCounts), "the counts of the site");
  console.log(`fleet: ${NODES} boots, the site's object ended or down ${ENDS} times; everything was there ${seconds} s after the last boot`);
});

test("without the object of the site, switches notice nothing, and operators receive a 503 that says so", async () => {
  await bench.breakObjects(SITES, "throws");
  const place = bench.places[0];
  assert.equal((await post(place, "DOWN1", { site: "paris" })).status, 201);
  assert.equal((await get(place, "DOWN1", "", "paris")).status, 200);
  assert.equal((await put(place, "DOWN1", "hostname a\n", "paris")).status, 201);
  for (const [path, which] of [["/nodes?site=paris", "the site paris"], ["/nodes", "all sites"], ["/events?site=paris", "the site paris"], ["/sites", "all sites"]]) {
    const { status, json } = await admin(path);
    assert.deepEqual([status, json.error], [503, `calling the object of ${which} failed; retry in a few seconds`], path);
  }
  await bench.breakObjects(SITES);
  const states = async () => (await admin("/nodes?site=paris")).json.nodes.map(({ node, state }) => `${node} ${state}`);
  assert.ok(await eventually(async () => (await states()).join() === "DOWN1 backed-up"), `${await states()}`);
});

test("a plan stays with the node that was receiving it when a request failed: the same request is repeated, or another one is forced", async () => {
  const place = bench.places[0];
  const assign = (node, body, query = "") => place.request("POST", `/admin/nodes/${node}/assign${query}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: JSON.stringify(body) });
  for (const [plan, one, other] of [["HALFPLAN1", "HALFA", "HALFB"], ["HALFPLAN2", "HALFC", "HALFD"]]) {
    assert.equal((await assign(plan, { definition: CONTENT["definitions/leaf"] })).status, 200);
    // The audit log is in such an object, and comes after the plan.
    await bench.breakObjects(SITES, "throws");
    assert.equal((await assign(one, { as: plan })).status, 503);
    await bench.breakObjects(SITES);
    const refused = await assign(other, { as: plan });
    assert.equal(refused.status, 409);
    assert.match(refused.json.error, new RegExp(`the records of ${plan} are given to ${one} by a request that failed or has not ended: repeat it for ${one}, .*\\?force=1`));
    if (plan === "HALFPLAN1") {
      assert.equal((await assign(one, { as: plan })).status, 200);
      assert.equal((await assign(other, { as: plan })).status, 409);
    } else {
      assert.equal((await assign(other, { as: plan }, "?force=1")).status, 200);
      assert.match((await assign(one, { as: plan })).json.error, new RegExp(`the records of ${plan} were given to ${other}, `));
    }
  }
});

test("a node that is not forgotten because a statement failed keeps its history", async () => {
  const place = bench.places[0];
  const history = async () => (await admin("/nodes/KEEP1/events")).json.events.map(({ event }) => event);
  const forget = () => place.request("POST", "/admin/nodes/KEEP1/forget", { headers: { Authorization: `Bearer ${ADMIN}` }, body: JSON.stringify({ history: true }) });
  assert.equal((await post(place, "KEEP1", { site: "paris" })).status, 201);
  assert.deepEqual(await history(), ["registered"]);
  await bench.failStatements("INTO item");
  assert.equal((await forget()).status, 503);
  await bench.failStatements();
  assert.deepEqual(await history(), ["registered"]);
  assert.equal((await forget()).status, 200);
  assert.equal((await admin("/nodes/KEEP1")).status, 404);
});

test("a report of which the last statement fails is stored as a whole when it is sent again", async () => {
  const place = bench.places[0];
  const before = (await bench.figures()).failedStatements;
  await bench.failStatements("INTO shown");
  assert.equal((await post(place, "HALF1", { site: "paris" })).status, 201);
  assert.ok(await eventually(async () => (await bench.figures()).failedStatements > before), "no statement has failed");
  const shown = async (path, name) => (await admin(`${path}?site=paris`)).json[name].filter(({ node }) => node === "HALF1");
  assert.deepEqual(await shown("/events", "events"), []);
  await bench.failStatements();
  const state = async () => (await shown("/nodes", "nodes")).map(({ state }) => state).join();
  assert.ok(await eventually(async () => (await state()) === "served" || (await state()) === "booting"), `the state is "${await state()}"`);
  assert.deepEqual((await shown("/events", "events")).map(({ event }) => event), ["registered"]);
});

// The sample measures only: a busy machine is not a fault.
test(IS_FULL ? `a page of a site with ${ROWS} nodes takes less than ${MAX_PAGE_MS} ms in its object` : `the pages of a site with ${ROWS} nodes are read, and measured`, async (t) => {
  const worker = await startWorker();
  t.after(() => worker.stop());
  const steps = Array.from({ length: 12 }, (_, at) => ({ step: `action step-${at}`, at: iso(Date.now()) }));
  const store = async (at) => {
    const state = STATES.filter((name) => name !== "stalled")[at % (STATES.length - 1)];
    const last = Date.now() - at * 1_000;
    const row = { state, last, text: `sn${at}\ndcs-7050tx-64-f\n4.28.0f\nleaf-${at % 50}\nleaf` };
    const contents = JSON.stringify({ state, step: null, since: iso(last), last: iso(last), started: iso(last), ended: null, steps, model: "DCS-7050TX-64-F", version: "4.28.0F", definition: `leaf-${at % 50}`, pattern: "leaf", client: null, reason: null });
    const reply = await worker.callSite("berlin", { Report: { site: "berlin", node: `SN${at}`, number: 1, row: { ...row, contents }, events: [], withdrawn: [] } });
    assert.equal(reply, "Reported");
  };
  await each(ROWS, 50, store);
  const middle = Date.now() - (ROWS / 2) * 1_000;
  const query = { states: STATES, text: null, sort: "State", after: null, limit: 200, bytes: 2 << 20 };
  const figures = {};
  const call = async (command) => {
    const began = performance.now();
    const reply = await worker.callSite("berlin", command);
    const time = performance.now() - began;
    assert.ok(reply.Nodes ?? reply.Events, JSON.stringify(reply));
    return time;
  };
  const median = (times) => times.sort((one, other) => one - other)[PAGES / 2];
  for (const [name, others] of Object.entries({
    first: {},
    middle: { after: { state: "served", last: middle, node: "SN" } },
    "by node": { sort: "Node" },
    "by last": { sort: "Last", after: { state: "failed", last: middle, node: "SN" } },
    text: { text: "leaf-49" },
    "text by node": { text: "leaf-49", sort: "Node" },
    "no text": { text: "nothing has this" },
    stalled: { states: ["stalled"] },
  })) {
    const [times, calls] = [[], []];
    for (let tries = 0; tries < PAGES; tries += 1) {
      calls.push(await call({ Events: { after: null, limit: 1, bytes: 2 << 20 } }));
      times.push(await call({ Nodes: { ...query, ...others } }));
    }
    // Of the call itself, this test knows the time, too.
    figures[name] = Math.round((median(times) - median(calls)) * 10) / 10;
  }
  console.log(`sites: pages of 200 of ${ROWS} nodes, without the call, median ms: ${JSON.stringify(figures)}`);
  if (!IS_FULL) return;
  for (const [name, time] of Object.entries(figures)) assert.ok(time < MAX_PAGE_MS, `${name}: ${time} ms`);
});
