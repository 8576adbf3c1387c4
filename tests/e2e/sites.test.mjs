// The objects of sites, and what operators read from them: nodes with their states, counts and events. The reports come
// from this test, in the form in which the objects of nodes send them.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertOperatorRefusal, facts, startWorker } from "./harness.mjs";
import { OPERATORS, startTeam } from "./operators.mjs";

const ADMIN = "an-admin-token-0123";
const NONE = { failed: 0, stalled: 0, waiting: 0, booting: 0, served: 0, planned: 0, booted: 0, "backed-up": 0 };
const STALLED_MS = 600_000;

let team;
let worker;
before(async () => {
  team = await startTeam();
  const secrets = { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: "berlin=berlin-token-0123456789\nberlin=berlin-token-of-last-year\nparis=paris-token-01234567890" };
  worker = await startWorker({ vars: team.vars, secrets });
});
after(async () => {
  await worker.stop();
  await team.stop();
});
beforeEach(() => worker.reset());

const admin = (path, options = {}) => worker.request("GET", `/admin${path}`, { ...options, headers: { Authorization: `Bearer ${ADMIN}`, ...options.headers } });
const names = async (query) => {
  const { status, json, text } = await admin(`/nodes?${query}`);
  assert.equal(status, 200, text);
  return json.nodes.map(({ node }) => node).join(" ");
};
const iso = (time) => new Date(time).toISOString();

/** The row of a node, as its object sends it. */
function rowOf(state, { last = Date.now(), text = "", ...others } = {}) {
  const contents = { state, step: null, since: iso(last), last: iso(last), started: iso(last), ended: null, steps: [], model: null, version: null, definition: null, pattern: null, client: null, reason: null, ...others };
  return { state, last, text, contents: JSON.stringify(contents) };
}

async function report(site, node, number, row, events = [], withdrawn = []) {
  const sent = events.map(([of, event, time = Date.now()]) => ({ number: of, time, contents: JSON.stringify({ time, event }) }));
  const reply = await worker.callSite(site, { Report: { site, node, number, row, events: sent, withdrawn } });
  assert.equal(reply, "Reported");
}

/** Waits until GET /admin/sites shows what is wanted. */
async function counted(wanted) {
  let shown;
  for (let tries = 0; tries < 80; tries += 1) {
    shown = (await admin("/sites")).json;
    const found = Object.fromEntries(shown.sites.map(({ site, counts }) => [site, Object.fromEntries(Object.entries(counts).filter(([, nodes]) => nodes > 0))]));
    try {
      assert.deepEqual(found, wanted);
      return shown;
    } catch {
      await sleep(100);
    }
  }
  assert.fail(`${JSON.stringify(shown)} is not ${JSON.stringify(wanted)}`);
}

describe("a report", () => {
  test("changes the row only if it is newer, and its events are stored once", async () => {
    await report("berlin", "SN1", 2, rowOf("booting"), [[1, "registered"], [2, "definition-fetched"]]);
    await report("berlin", "SN1", 5, rowOf("booted"), [[3, "boot-started"], [4, "action-started"], [5, "boot-succeeded"]]);
    await report("berlin", "SN1", 2, rowOf("booting"), [[1, "registered"], [2, "definition-fetched"]]);
    await report("berlin", "SN1", 5, rowOf("failed"), [[5, "boot-succeeded"], [4, "action-started"]]);
    const { nodes, total } = (await admin("/nodes?site=berlin")).json;
    assert.deepEqual([nodes.map(({ state }) => state), total], [["booted"], 1]);
    const { events } = (await admin("/events?site=berlin")).json;
    assert.deepEqual(events.map(({ node, event }) => `${node} ${event}`), ["registered", "definition-fetched", "boot-started", "action-started", "boot-succeeded"].map((event) => `SN1 ${event}`));
  });

  test("that is late adds its events, and changes no row", async () => {
    await report("berlin", "SN1", 2, rowOf("booted"), [[2, "boot-succeeded"]]);
    await report("berlin", "SN1", 1, rowOf("booting"), [[1, "boot-started"]]);
    assert.equal((await admin("/nodes?site=berlin")).json.nodes[0].state, "booted");
    assert.deepEqual((await admin("/events?site=berlin")).json.events.map(({ event }) => event), ["boot-succeeded", "boot-started"]);
  });

  test("is stored with others at once as it would be alone, also of the same node", async () => {
    const nodes = Array.from({ length: 110 }, (_, at) => `SN${1000 + at}`);
    await report("berlin", "SN1001", 7, rowOf("booted"));
    await report("berlin", "SN1002", 1, rowOf("booting", { only_script: true }));
    await Promise.all([
      ...nodes.map((node) => report("berlin", node, 2, rowOf("booting"), [[2, "registered"]])),
      report("berlin", "SN2", 3, null, [[3, "moved"]]),
      report("berlin", "SN1003", 3, rowOf("failed"), [[3, "boot-failed"]]),
    ]);
    assert.equal(await names("site=berlin&sort=node&limit=500"), nodes.join(" "));
    assert.equal(await names("site=berlin&state=booted"), "SN1001");
    assert.equal(await names("site=berlin&state=failed"), "SN1003");
    const { events } = (await admin("/events?site=berlin&limit=200")).json;
    const wanted = [...nodes.map((node) => `${node} registered`), "SN2 moved", "SN1003 boot-failed"];
    // In the order in which they arrived.
    assert.deepEqual(events.map(({ node, event }) => `${node} ${event}`).sort(), wanted.sort());
  });

  test("is stored also if those that arrive at once are larger than what the object collects", async () => {
    const text = "a".repeat(100 << 10);
    const nodes = Array.from({ length: 24 }, (_, at) => `SN${10 + at}`);
    await Promise.all(nodes.map((node) => report("berlin", node, 1, rowOf("failed"), [[1, text]])));
    assert.equal(await names("site=berlin&sort=node"), nodes.join(" "));
    const stored = [];
    for (let after = 0, more = true; more; ) {
      const page = (await admin(`/events?site=berlin&after=${after}`)).json;
      assert.ok(page.events.every(({ event }) => event === text));
      stored.push(...page.events.map(({ node }) => node));
      ({ last: after, more } = page);
    }
    assert.deepEqual(stored.sort(), nodes);
  });

  for (const [size, bytes] of [["small", 0], ["large", 700 << 10]]) {
    test(`takes back an event of one that waits beside it, also if both are ${size}`, async () => {
      const text = (event) => event + "a".repeat(bytes);
      const first = report("berlin", "SN1", 1, rowOf("booting"), [[1, text("facts-posted")]]);
      // Both wait for the same transaction, unless the machine is busy.
      await sleep(20);
      await Promise.all([first, report("berlin", "SN1", 2, rowOf("waiting"), [[2, text("refused")]], [1])]);
      const { events } = (await admin("/events?site=berlin")).json;
      assert.deepEqual(events.map(({ node_n: number, event }) => [number, event.slice(0, 7)]), [[2, "refused"]]);
      assert.equal(await names("site=berlin&state=waiting"), "SN1");
    });
  }

  test("takes events back that others replace", async () => {
    await report("berlin", "SN1", 1, rowOf("booting"), [[1, "facts-posted"]]);
    await report("berlin", "SN2", 1, rowOf("booting"), [[1, "facts-posted"]]);
    await report("berlin", "SN1", 2, rowOf("waiting"), [[2, "refused"]], [1]);
    assert.deepEqual((await admin("/events?site=berlin")).json.events.map(({ node, event }) => `${node} ${event}`), ["SN2 facts-posted", "SN1 refused"]);
  });

  test("that is late adds its events also if younger ones were taken back", async () => {
    const now = Date.now();
    await report("berlin", "SN1", 1, rowOf("booting"), [[1, "facts-posted", now]]);
    await report("berlin", "SN1", 2, rowOf("waiting"), [[2, "refused", now + 900]], [1]);
    await report("berlin", "SN2", 1, rowOf("booting"), [[1, "registered", now + 500]]);
    assert.deepEqual((await admin("/events?site=berlin")).json.events.map(({ node, event }) => `${node} ${event}`), ["SN1 refused", "SN2 registered"]);
  });

  test("without a row removes the node; a late report does not bring it back, and a newer one does", async () => {
    await report("berlin", "SN1", 4, null, [[4, "moved"]]);
    await report("berlin", "SN1", 3, rowOf("booted"));
    assert.equal(await names("site=berlin"), "");
    await report("berlin", "SN1", 5, rowOf("booted"));
    assert.equal(await names("site=berlin"), "SN1");
    await report("berlin", "SN1", 6, null);
    assert.equal(await names("site=berlin"), "");
    assert.deepEqual((await admin("/events?site=berlin")).json.events.map(({ event }) => event), ["moved"]);
  });
});

describe("GET /admin/sites", () => {
  test("has the number of nodes in each state of each site", async () => {
    assert.deepEqual((await admin("/sites")).json, { sites: ["berlin", "paris"].map((site) => ({ site, nodes: 0, counts: NONE, last: null })), counts: NONE });
    const last = Date.now();
    await report("berlin", "SN1", 1, rowOf("failed", { last: last - 5_000 }));
    await report("berlin", "SN2", 1, rowOf("backed-up", { last }));
    await report("paris", "SN3", 1, rowOf("waiting", { last }));
    await report("default", "SN4", 1, rowOf("planned", { last: 0 }));
    await report("oslo", "SN5", 1, rowOf("booted", { last }));
    const shown = await counted({ berlin: { failed: 1, "backed-up": 1 }, default: { planned: 1 }, oslo: { booted: 1 }, paris: { waiting: 1 } });
    assert.deepEqual(shown.sites[0], { site: "berlin", nodes: 2, counts: { ...NONE, failed: 1, "backed-up": 1 }, last: iso(last) });
    assert.deepEqual(shown.sites[1].last, null);
    assert.deepEqual(shown.counts, { ...NONE, failed: 1, "backed-up": 1, waiting: 1, planned: 1, booted: 1 });
    await report("oslo", "SN5", 2, null);
    await report("berlin", "SN1", 2, rowOf("booted", { last }));
    await counted({ berlin: { booted: 1, "backed-up": 1 }, default: { planned: 1 }, paris: { waiting: 1 } });
  });

  test("counts a boot as stalled when its time has come, without a report", async () => {
    await report("berlin", "SN1", 1, rowOf("booting", { last: Date.now() - STALLED_MS + 5_000 }));
    await counted({ berlin: { booting: 1 }, paris: {} });
    await counted({ berlin: { stalled: 1 }, paris: {} });
    assert.equal(await names("site=berlin&state=stalled"), "SN1");
  });

  test("receives the counts of a site at most once in 2 s", async () => {
    const times = new Set();
    const began = Date.now();
    for (let number = 1; Date.now() - began < 5_000; number += 1) {
      await report("berlin", `SN${number}`, 1, rowOf("booted"));
      const reply = await worker.callSite("*", "Sites");
      for (const { time } of reply.Sites) times.add(time);
    }
    const sorted = [...times].sort();
    assert.ok(sorted.length >= 2, `${sorted}`);
    for (const [at, time] of sorted.entries()) assert.ok(at === 0 || time - sorted[at - 1] >= 2_000, `${sorted}`);
  });
});

describe("GET /admin/nodes", () => {
  const HOUR = 3_600_000;
  async function stock() {
    const now = Date.now();
    await report("berlin", "B1", 1, rowOf("booted", { last: now - 1_000, text: "b1\ndcs-7050\nleaf", model: "DCS-7050" }));
    await report("berlin", "B2", 1, rowOf("failed", { last: now - 2_000, text: "b2\nno space left", reason: "no space left" }));
    await report("berlin", "B3", 1, rowOf("booting", { last: now - HOUR, step: "facts", since: iso(now - 2 * HOUR) }));
    await report("paris", "P1", 1, rowOf("failed", { last: now - 500 }));
    await report("paris", "P2", 1, rowOf("booting", { last: now - 100, step: "action a" }));
    await report("paris", "P3", 1, rowOf("backed-up", { last: now, text: "ümlaut" }));
    await report("default", "D1", 1, rowOf("planned", { last: 0, since: null }));
    await counted({ berlin: { failed: 1, stalled: 1, booted: 1 }, default: { planned: 1 }, paris: { failed: 1, booting: 1, "backed-up": 1 } });
    return now;
  }

  test("lists the nodes of a site or of all, what needs attention first", async () => {
    const now = await stock();
    assert.equal(await names(""), "P1 B2 B3 P2 D1 B1 P3");
    assert.equal(await names("site=berlin"), "B2 B3 B1");
    assert.equal(await names("site=default"), "D1");
    assert.equal(await names("sort=node"), "B1 B2 B3 D1 P1 P2 P3");
    assert.equal(await names("sort=last"), "P3 P2 P1 B1 B2 B3 D1");
    const { nodes, total, cursor } = (await admin("/nodes?site=berlin")).json;
    assert.deepEqual([total, cursor], [3, null]);
    const { node, site, state, step, since, last } = nodes[1];
    assert.deepEqual({ node, site, state, step, since, last }, { node: "B3", site: "berlin", state: "stalled", step: "facts", since: iso(now - HOUR + STALLED_MS), last: iso(now - HOUR) });
    assert.deepEqual(Object.keys(nodes[1]).sort(), ["client", "definition", "ended", "last", "model", "node", "pattern", "reason", "since", "site", "started", "state", "step", "steps", "version"]);
    assert.equal((await admin("/nodes?site=default")).json.nodes[0].site, null);
  });

  test("selects states and texts", async () => {
    await stock();
    assert.equal(await names("state=failed"), "P1 B2");
    assert.equal(await names("state=stalled,booting"), "B3 P2");
    assert.equal(await names("state=stalled,booting&sort=node"), "B3 P2");
    assert.equal(await names("state=waiting"), "");
    assert.equal(await names("text=DCS-7050"), "B1");
    assert.equal(await names("text=Space%20left&state=failed"), "B2");
    assert.equal(await names("text=%C3%9CML"), "P3");
    assert.equal(await names("text=%25"), "");
    assert.equal((await admin("/nodes?text=l&state=failed,booted")).json.total, 2);
  });

  test("has pages in each order, each node once", async () => {
    await stock();
    for (const sort of ["state", "node", "last"]) {
      const all = await names(`sort=${sort}`);
      for (const limit of [1, 2, 3, 7]) {
        const found = [];
        for (let cursor = ""; cursor !== null; ) {
          const page = (await admin(`/nodes?sort=${sort}&limit=${limit}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)).json;
          assert.ok(page.nodes.length <= limit);
          assert.equal(page.total, 7);
          found.push(...page.nodes.map(({ node }) => node));
          ({ cursor } = page);
        }
        assert.equal(found.join(" "), all, `${sort} ${limit}`);
      }
    }
  });

  test("ends a page after 2 MiB of rows, and lists each node once", async () => {
    const now = Date.now();
    const sizes = { berlin: 30_000, paris: 60_000, oslo: 1_900_000 };
    const wanted = [];
    const reports = [];
    for (const [site, size] of Object.entries(sizes)) {
      for (let at = 0; at < 5_700_000 / size; at += 1) {
        reports.push(() => report(site, `${site}${at}`, 1, rowOf(at % 2 ? "failed" : "booted", { last: now - at * 7, reason: "x".repeat(size) })));
        wanted.push(`${site}${at}`);
      }
    }
    for (; reports.length > 0; ) await Promise.all(reports.splice(0, 20).map((send) => send()));
    await counted({ berlin: { failed: 95, booted: 95 }, oslo: { failed: 1, booted: 2 }, paris: { failed: 47, booted: 48 } });
    for (const query of ["", "&sort=node", "&sort=last", "&site=berlin", "&site=oslo", "&state=failed"]) {
      const found = [];
      let total;
      for (let cursor = ""; cursor !== null; ) {
        const page = await admin(`/nodes?limit=1000${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        assert.ok(page.json.nodes.length === 1 || page.bytes.length < 2.2 * 2 ** 20, `${query} ${page.bytes.length}`);
        assert.ok(page.json.nodes.length > 0);
        found.push(...page.json.nodes);
        ({ cursor, total } = page.json);
      }
      const of = query.startsWith("&site=") ? wanted.filter((node) => node.startsWith(query.slice(6))) : wanted;
      const selected = query === "&state=failed" ? of.filter((node) => Number(/\d+/.exec(node)[0]) % 2) : of;
      assert.deepEqual(found.map(({ node }) => node).sort(), [...selected].sort(), query);
      assert.equal(total, selected.length);
      if (query === "&sort=last") assert.deepEqual(found.map(({ last }) => last), found.map(({ last }) => last).sort().reverse());
    }
  });

  test("rejects parameters that are not valid, and an unknown site", async () => {
    for (const [query, reason] of [
      ["state=broken", /state is "broken", but must be one or more of failed, stalled, waiting/],
      ["sort=age", /sort is "age", but must be state, node or last/],
      ["limit=x", /limit is "x", but must be a number/],
      ["limit=0", /limit is "0", but must be a number from 1 to 1000/],
      ["limit=1001", /limit is "1001", but must be a number from 1 to 1000/],
      ["cursor=x", /the cursor is not valid/],
      ["records=yes", /records is "yes", but must be 1 if it is given/],
    ]) {
      assertOperatorRefusal(await admin(`/nodes?${query}`), 400, reason);
    }
    for (const path of ["/nodes?site=rome", "/events?site=rome", "/nodes?site=*", "/events?site="]) assertOperatorRefusal(await admin(path), 404, /nothing is known of the site .*GET \/admin\/sites/);
  });

  test("asks for a site if too many have such nodes", async () => {
    await Promise.all(Array.from({ length: 41 }, (_, at) => report(`site${at}`, `SN${at}`, 1, rowOf(at === 0 ? "failed" : "booted"))));
    for (let tries = 0; (await admin("/sites")).json.sites.length < 43; tries += 1) {
      assert.ok(tries < 80);
      await sleep(100);
    }
    assertOperatorRefusal(await admin("/nodes"), 400, /43 sites have such nodes.*40 at most: name one with `site`/);
    assert.equal(await names("state=failed"), "SN0");
    assert.equal(await names("site=site7"), "SN7");
  });
});

describe("GET /admin/events", () => {
  test("has the last events, or those after a number, and 304 until there are others", async () => {
    const numbers = Array.from({ length: 250 }, (_, at) => at + 1);
    for (const some of [numbers.slice(0, 100), numbers.slice(100, 200), numbers.slice(200)]) {
      await report("berlin", "SN1", some.at(-1), rowOf("booting"), some.map((number) => [number, "facts-posted"]));
    }
    const latest = await admin("/events?site=berlin");
    assert.deepEqual([latest.json.events.length, latest.json.events[0].n, latest.json.last, latest.json.more], [200, 51, 250, false]);
    assert.deepEqual(Object.keys(latest.json.events[0]).sort(), ["by", "event", "n", "node", "node_n", "site", "time"]);
    const first = await admin("/events?site=berlin&after=0");
    assert.deepEqual([first.json.events.length, first.json.last, first.json.more], [200, 200, true]);
    const next = await admin("/events?site=berlin&after=200&limit=200");
    assert.deepEqual([next.json.events.map(({ n }) => n).at(0), next.json.last, next.json.more], [201, 250, false]);
    const none = await admin("/events?site=berlin&after=250");
    assert.deepEqual(none.json, { events: [], last: 250, more: false });
    const unless = (response) => ({ headers: { "If-None-Match": response.headers.etag } });
    for (const [path, response] of [["/events?site=berlin", latest], ["/events?site=berlin&after=0", first], ["/events?site=berlin&after=250", none]]) {
      const again = await admin(path, unless(response));
      assert.deepEqual([again.status, again.bytes.length, again.headers.etag, again.headers["cache-control"]], [304, 0, response.headers.etag, "no-store"]);
    }
    await report("berlin", "SN2", 1, rowOf("booting"), [[1, "registered"]]);
    const more = await admin("/events?site=berlin&after=250", unless(none));
    assert.deepEqual(more.json.events.map(({ n, node_n: nodeN, node, event }) => [n, nodeN, node, event]), [[251, 1, "SN2", "registered"]]);
    assert.equal((await admin("/events?site=berlin", unless(latest))).status, 200);
  });

  test("ends a page after 2 MiB of events", async () => {
    const long = "x".repeat(40_000);
    for (const [from, to] of [[1, 23], [24, 46], [47, 69], [70, 70], [71, 95], [96, 120]]) {
      const events = Array.from({ length: to - from + 1 }, (_, at) => {
        const number = from + at;
        const contents = JSON.stringify({ time: Date.now(), event: "boot-failed", reason: number === 70 ? "x".repeat(1_900_000) : long });
        return { number, time: Date.now(), contents };
      });
      await worker.callSite("berlin", { Report: { site: "berlin", node: "SN1", number: to, row: rowOf("failed"), events, withdrawn: [] } });
    }
    const latest = await admin("/events?site=berlin");
    assert.ok(latest.bytes.length < 2.2 * 2 ** 20, `${latest.bytes.length}`);
    assert.deepEqual([latest.json.events.at(-1).n, latest.json.last, latest.json.more], [120, 120, false]);
    assert.ok(latest.json.events.length >= 50);
    const found = [];
    for (let after = 0, more = true; more; ) {
      const page = await admin(`/events?site=berlin&after=${after}`);
      assert.ok(page.bytes.length < 2.2 * 2 ** 20, `${page.bytes.length}`);
      found.push(...page.json.events.map(({ n }) => n));
      ({ last: after, more } = page.json);
    }
    assert.deepEqual(found, Array.from({ length: 120 }, (_, at) => at + 1));
  });

  test("has an empty list for a site without events, and asks for a site", async () => {
    assert.deepEqual((await admin("/events?site=paris")).json, { events: [], last: 0, more: false });
    for (const limit of [0, 201]) assertOperatorRefusal(await admin(`/events?site=paris&limit=${limit}`), 400, /must be a number from 1 to 200/);
    assertOperatorRefusal(await admin("/events"), 400, /missing parameter `site`/);
    assertOperatorRefusal(await admin("/events?site=berlin&after=x"), 400, /after is "x", but must be a number/);
  });
});

test("an operator with sites sees these sites only", async () => {
  await worker.kv.put("operators", OPERATORS);
  await report("berlin", "B1", 1, rowOf("failed"), [[1, "boot-failed"]]);
  await report("paris", "P1", 1, rowOf("booted"), [[1, "boot-succeeded"]]);
  await report("default", "D1", 1, rowOf("planned"));
  await counted({ berlin: { failed: 1 }, default: { planned: 1 }, paris: { booted: 1 } });
  const paris = (path) => worker.request("GET", `/admin${path}`, { headers: { "Cf-Access-Jwt-Assertion": team.token("paris") } });
  const { sites, counts } = (await paris("/sites")).json;
  assert.deepEqual([sites.map(({ site }) => site), counts], [["paris"], { ...NONE, booted: 1 }]);
  assert.deepEqual((await paris("/nodes")).json.nodes.map(({ node }) => node), ["P1"]);
  assert.deepEqual((await paris("/events?site=paris")).json.events.map(({ node }) => node), ["P1"]);
  for (const site of ["berlin", "default", "rome"]) {
    for (const path of ["nodes", "events"]) assertOperatorRefusal(await paris(`/${path}?site=${site}`), 404, new RegExp(`^nothing is known of the site "${site}"`));
  }
});

test("an operator with sites does not see the facts of a switch that another site refused", async () => {
  await worker.kv.put("operators", OPERATORS);
  await worker.kv.put("neighbordb", "patterns: []\n");
  const refused = await worker.request("POST", "/t/berlin-token-0123456789/nodes", { body: JSON.stringify(facts("B2", { model: "SECRET-MODEL", neighbors: {} })) });
  assert.equal(refused.status, 400, refused.text);
  const explain = (headers, body) => worker.request("POST", "/admin/explain", { headers, body: JSON.stringify(body) });
  const paris = { "Cf-Access-Jwt-Assertion": team.token("paris") };
  const all = { Authorization: `Bearer ${ADMIN}` };
  // The event follows after the response.
  let found;
  for (let tries = 0; tries < 80 && found?.json.warnings?.length !== 0; tries += 1) {
    await sleep(50);
    found = await explain(all, { node: "B2" });
  }
  assert.deepEqual(found.json.warnings, []);
  for (const body of [{ node: "B2" }, { node: "B2", site: "paris" }]) {
    const hidden = await explain(paris, body);
    assertOperatorRefusal(hidden, 404, /B2/);
    assert.doesNotMatch(hidden.text, /SECRET|berlin/);
  }
});

test("a site has rows for so many nodes: of more, those that wait lose theirs first, then those with the oldest event", async (t) => {
  // In this bundle, a site has 20 rows, and there are 20 sites.
  const small = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-panicking" });
  t.after(() => small.stop());
  const now = Date.now();
  const store = async (node, state, age) => {
    const reply = await small.callSite("default", { Report: { site: "default", node, number: 1, row: rowOf(state, { last: now - age }), events: [], withdrawn: [] } });
    assert.equal(reply, "Reported");
  };
  const shown = async () => (await small.request("GET", "/admin/nodes?sort=node", { headers: { Authorization: `Bearer ${ADMIN}` } })).json.nodes.map(({ node }) => node);
  const names = (prefix, from, to) => Array.from({ length: to - from }, (_, at) => `${prefix}${from + at}`);
  const eventually = async (wanted) => {
    for (let tries = 0; tries < 80 && (await shown()).join() !== wanted.join(); tries += 1) await sleep(100);
    assert.deepEqual(await shown(), wanted);
  };
  for (const [at, node] of names("B", 10, 28).entries()) await store(node, "booted", 1_000 * (18 - at));
  for (const [at, node] of names("W", 1, 3).entries()) await store(node, "waiting", at);
  await eventually([...names("B", 10, 28), ...names("W", 1, 3)]);
  await store("X1", "failed", 0);
  await eventually([...names("B", 10, 28), "W1", "X1"]);
  for (const node of names("X", 2, 5)) await store(node, "failed", 0);
  await eventually([...names("B", 12, 28), ...names("X", 1, 5)]);
  const counts = Array(8).fill(1);
  for (let at = 1; at <= 25; at += 1) await small.callSite("*", { Counts: { site: `site${at}`, time: 2 * now + at, counts, last: null } });
  const { Sites: sites } = await small.callSite("*", "Sites");
  assert.deepEqual(sites.map(({ site }) => site).sort(), names("site", 6, 26).sort());
});

test("switches that have only fetched the client script lose their rows before all others", async (t) => {
  // In this bundle, a site has 20 rows.
  const small = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: "berlin=berlin-token-0123456789" }, bundle: "bundle-panicking" });
  t.after(() => small.stop());
  await small.kv.put("neighbordb", "patterns:\n- {name: rack, definition: leaf, interfaces: [{Ethernet1: spine1}]}\n");
  const script = (node) => small.request("GET", "/t/berlin-token-0123456789/bootstrap", { headers: { "X-Arista-Serial": node } });
  const shown = async () => (await small.request("GET", "/admin/nodes?sort=node&site=berlin", { headers: { Authorization: `Bearer ${ADMIN}` } })).json.nodes.map(({ node, state }) => `${node} ${state}`);
  const eventually = async (isWanted) => {
    let found;
    for (let tries = 0; tries < 80; tries += 1) {
      found = await shown();
      if (isWanted(found)) return found;
      await sleep(100);
    }
    assert.fail(found.join(", "));
  };
  const real = (state) => (node, at) => `REAL${at} ${at === 0 ? state : "waiting"}`;
  for (let at = 0; at < 5; at += 1) {
    await script(`REAL${at}`);
    await small.request("POST", "/t/berlin-token-0123456789/nodes", { body: JSON.stringify(facts(`REAL${at}`, { neighbors: {} })) });
  }
  await eventually((found) => found.join() === Array.from({ length: 5 }, real("waiting")).join());
  // It begins again: it is known by its request before.
  await script("REAL0");
  const reals = Array.from({ length: 5 }, real("booting"));
  await eventually((found) => found.join() === reals.join());
  for (let at = 10; at < 40; at += 1) await script(`FAKE${at}`);
  const left = await eventually((found) => found.length === 20 && found.some((row) => row.startsWith("FAKE39")));
  assert.deepEqual(left, [...Array.from({ length: 15 }, (_, at) => `FAKE${25 + at} booting`), ...reals]);
});

test("a site has an event for each of its numbers, the newest 50,000", async () => {
  const events = (from, to) => Array.from({ length: to - from }, (_, at) => [from + at, "facts-posted", 1_000_000 + from + at]);
  for (let from = 1; from <= 50_001; from += 5_000) await report("berlin", "SN1", from + 4_999, rowOf("booting"), events(from, Math.min(from + 5_000, 50_002)));
  const first = async () => (await admin("/events?site=berlin&after=0&limit=1")).json.events[0].n;
  // The alarm after the report deletes the oldest one.
  for (let tries = 0; tries < 80 && (await first()) === 1; tries += 1) await sleep(100);
  assert.equal(await first(), 2);
  // The deleted one is not stored again, also after the oldest event was taken back.
  await report("berlin", "SN1", 1, rowOf("booting"), events(1, 2), [2, 3]);
  assert.equal((await admin("/events?site=berlin")).json.last, 50_001);
  // Another node's late event is younger than the deleted one.
  await report("berlin", "SN2", 1, rowOf("booting"), events(1, 2).map(([of, event, time]) => [of, event, time + 1]));
  assert.equal((await admin("/events?site=berlin")).json.last, 50_002);
});
