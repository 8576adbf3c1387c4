// Events delay and fail no boot, and none is lost, while the objects that keep them do not answer.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { SITES, startPlaces } from "./bench.mjs";
import { CONTENT, SECOND, SHOWN, TOKENS, SITES as CREDENTIALS, each, eventually, get, post, put, shown } from "./requests.mjs";
import { scaled } from "./scale.mjs";

const ADMIN = "an-admin-token-0123";
/** The places whose objects of nodes do not answer. */
const [THROWS, HANGS] = [2, 3];
/** Seconds in which a request must be answered although a site's object hangs. */
const MAX_ANSWER = 5;

let bench;
let places;
before(async () => {
  bench = await startPlaces({ places: 4, bindings: { ZTP_TOKENS: TOKENS, ZTP_ADMIN_TOKEN: ADMIN }, unreachable: { [THROWS]: "throws", [HANGS]: "hangs" } });
  places = bench.places.slice(0, THROWS);
  await bench.kv.putAll(CONTENT);
  await bench.advance(SHOWN);
});
after(() => bench?.stop());

let made = 0;
const serial = (name) => `${name}${++made}`;
const admin = async (path, method = "GET", body) => {
  const answer = await places[0].request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, shown(answer));
  return answer.json;
};
const eventsOf = async (node) => (await admin(`/nodes/${node}/events`)).events;
/** All events of a site, as its object has them. */
async function reported(site) {
  const all = [];
  for (let [after, more] = [0, true]; more; ) {
    const page = await admin(`/events?site=${site}&after=${after}`);
    all.push(...page.events);
    ({ last: after, more } = page);
  }
  return all;
}
const rowOf = async (node, site) => (await admin(`/nodes?site=${site}&text=${node}`)).nodes.find((row) => row.node === node);
/** An event without its numbers, which differ between the node and the site. */
const plain = ({ n, node_n, ...event }) => JSON.stringify(event);

async function timed(asking) {
  const began = Date.now();
  const answer = await asking;
  const seconds = (Date.now() - began) / 1000;
  assert.ok(seconds < MAX_ANSWER, `the answer took ${seconds} s`);
  return answer;
}

const report = (place, node, fields) => place.request("POST", `/t/${CREDENTIALS.berlin}/nodes/${node}/events`, { body: JSON.stringify({ boot: "abcdef01", at: 0, ...fields }) });
/** The requests of a boot, each answered in time. */
async function boot(node, at = 0) {
  const place = () => places[(at += 1) % places.length];
  const statuses = [];
  for (const ask of [
    () => post(place(), node, { device: "unknown" }),
    () => post(place(), node),
    () => get(place(), node),
    () => report(place(), node, { seq: 1, event: "boot-started" }),
    () => report(place(), node, { seq: 2, event: "boot-succeeded", seconds: 7 }),
    () => put(place(), node, `hostname ${node}\n`),
    () => get(place(), node, "/startup-config"),
  ]) {
    statuses.push((await timed(ask())).status);
  }
  assert.deepEqual(statuses, [400, 201, 200, 204, 204, 201, 200]);
}
const KINDS = ["refused", "registered", "definition-fetched", "boot-started", "boot-succeeded", "startup-config-stored", "startup-config-fetched"];

/** Asserts that the site's object has every event of the nodes once, and the state that follows from them. */
async function assertComplete(nodes, site = "berlin") {
  const missing = async () => {
    const found = (await reported(site)).map(plain);
    assert.equal(new Set(found).size, found.length, "an event is there twice");
    const known = new Set(found);
    const problems = [];
    for (const node of nodes) {
      const lost = (await eventsOf(node)).filter((event) => !known.has(plain(event)));
      if (lost.length > 0) problems.push(`${node}: ${lost.map(({ event }) => event)}`);
    }
    return problems;
  };
  let problems;
  const done = await eventually(async () => (problems = await missing()).length === 0);
  assert.ok(done, problems?.slice(0, 3).join("; "));
  for (const node of nodes) assert.equal((await rowOf(node, site))?.state, "backed-up", node);
}

for (const how of ["throws", "hangs"]) {
  test(`while a site's object ${how}, switches boot, KV receives the records, and no event is lost`, async () => {
    const nodes = Array.from({ length: scaled(20, 6) }, () => serial(`DOWN-${how}`));
    await bench.breakObjects(SITES, how);
    await each(nodes.length, 4, (at) => boot(nodes[at], at));
    for (const node of nodes) {
      assert.deepEqual((await eventsOf(node)).map(({ event }) => event), KINDS);
      assert.ok(await eventually(async () => (await bench.kv.get(`nodes/${node}/startup-config`)) !== null, 5 * SECOND), "KV has no copy");
    }
    await bench.breakObjects(SITES);
    await bench.advance(60 * SECOND);
    await assertComplete(nodes);
  });
}

test("events that no site has received survive the end of the runtime", async () => {
  const nodes = Array.from({ length: 4 }, () => serial("KILLED"));
  await bench.breakObjects(SITES, "throws");
  await each(nodes.length, 4, (at) => boot(nodes[at], at));
  // The event of a read is written a tenth of a second later.
  await sleep(500);
  await bench.kill();
  await bench.advance(60 * SECOND);
  await assertComplete(nodes);
});

test("a node that moves has a row at its new site only", async () => {
  const node = serial("MOVED");
  const isAt = (site) => eventually(async () => (await rowOf(node, site)) !== undefined);
  const isGone = (site) => eventually(async () => (await rowOf(node, site)) === undefined);
  assert.equal((await post(places[0], node, { device: "unknown", site: "paris" })).status, 400);
  assert.ok(await isAt("paris"));
  await boot(node);
  assert.ok((await isAt("berlin")) && (await isGone("paris")));
  await bench.breakObjects(SITES, "throws");
  await bench.breakObjects(SITES);
  await admin(`/nodes/${node}/move`, "POST", { site: "paris" });
  assert.ok((await isAt("paris")) && (await isGone("berlin")));
  assert.ok((await reported("paris")).some((event) => event.node === node && event.event === "moved"));
  await admin(`/nodes/${node}/forget`, "POST", { history: true });
  assert.ok(await isGone("paris"));
  await boot(node);
  assert.ok(await isAt("berlin"));
});

test("one alarm of a node's object copies and reports what a boot leaves within 0.2 seconds", async () => {
  const alarms = async () => (await bench.figures()).nodeAlarms;
  let fewest = Infinity;
  // A slow machine takes longer than that for a boot now and then.
  for (let tries = 0; tries < 5 && fewest > 1; tries += 1) {
    const [node, before] = [serial("ALARM"), await alarms()];
    for (const ask of [post, get]) await ask(places[0], node);
    assert.ok(await eventually(async () => (await reported("berlin")).some((event) => event.node === node && event.event === "definition-fetched")));
    assert.ok(await eventually(async () => (await bench.kv.get(`nodes/${node}/definition`)) !== null));
    fewest = Math.min(fewest, (await alarms()) - before);
  }
  assert.equal(fewest, 1);
});

describe("where the objects of nodes do not answer", () => {
  for (const [at, how] of [[THROWS, "fail"], [HANGS, "hang"]]) {
    test(`and ${how}, the requests without a call of them do not wait`, async () => {
      const node = serial("CUT");
      const place = bench.places[at];
      const script = await timed(place.request("GET", `/t/${CREDENTIALS.berlin}/bootstrap`, { headers: { "X-Arista-Serial": node } }));
      assert.equal(script.status, 200);
      const [own] = /\/t\/[\w.~-]+/.exec(script.text);
      assert.equal((await timed(place.request("GET", `${own}/actions/add_config`))).status, 200);
      assert.equal((await timed(place.request("GET", `${own}/files/missing`))).status, 404);
    });
  }
});
