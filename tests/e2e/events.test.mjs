// The events of a node: what each request of a switch leaves, and the reports of its client.

import assert from "node:assert/strict";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, facts, startWorker } from "./harness.mjs";
import { each } from "./places/requests.mjs";

const ADMIN = "an-admin-token-0123";
const BERLIN = "/t/berlin-token-0123456789";
const PARIS = "/t/paris-token-01234567890";
const DEFINITION = "name: Leaf of a rack\nactions:\n- action: add_config\n  attributes: {url: files/a, ip: allocate('net')}\n";
const PLAIN = "name: Spine\nactions: []\n";
const NEIGHBORDB = "patterns:\n- {name: rack, definition: leaf, interfaces: [{Ethernet1: spine1}]}\n";
const CONTENT = { neighbordb: NEIGHBORDB, "definitions/leaf": DEFINITION, "resources/net": "10.0.0.1: null\n" };
/** Texts that may break what shows them. */
const HOSTILE = ["<script>alert(1)</script>", "\u202eright to left", "😀 é \u0000 \u001b[31m \n", '"\'`${x}%s', "__proto__"];

let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: "berlin=berlin-token-0123456789\nparis=paris-token-01234567890" }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(async () => {
  await worker.reset();
  for (const [key, value] of Object.entries(CONTENT)) await worker.kv.put(key, value);
});

const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body && JSON.stringify(body) });
const post = (node, { at = BERLIN, ...others } = {}) => worker.request("POST", `${at}/nodes`, { body: JSON.stringify(facts(node, others)) });
const get = (node, rest = "", at = BERLIN) => worker.request("GET", `${at}/nodes/${node}${rest}`);
const put = (node, body, at = BERLIN) => worker.request("PUT", `${at}/nodes/${node}/startup-config`, { body });
const events = async (node) => (await admin("GET", `/nodes/${node}/events`)).json.events;
const kinds = async (node) => (await events(node)).map(({ event }) => event);
const show = async (node) => (await admin("GET", `/nodes/${node}`)).json;
const UNPLANNED = { neighbors: { Ethernet1: [{ device: "elsewhere", port: "Ethernet7" }] } };

/** Waits until the node has so many events; returns them. Some follow after the response. */
async function until(node, count) {
  for (let waited = 0; ; waited += 20) {
    const found = await events(node);
    if (found.length >= count || waited > 3000) {
      assert.equal(found.length, count, JSON.stringify(found));
      return found;
    }
    await sleep(20);
  }
}
/** The events of a node once nothing follows any more. */
async function settled(node) {
  await sleep(300);
  return events(node);
}
/** The URL that /bootstrap makes for one switch. */
async function ownUrl(node, headers = {}) {
  const { text } = await worker.request("GET", `${BERLIN}/bootstrap`, { headers: { "X-Arista-Serial": node, ...headers } });
  const [, credential] = /\/t\/([\w.~-]+)/.exec(text);
  return `/t/${credential}`;
}

describe("the requests of a boot", () => {
  test("leave an event each, with numbers, times and the site", async () => {
    await worker.r2.put("files/a", "hostname a\n");
    await worker.r2.put("files/large", Buffer.alloc(300_000, "x"));
    const own = await ownUrl("SN1", { "X-Arista-ModelName": "DCS-7050TX", "X-Arista-SoftwareVersion": "4.28.0F" });
    await until("SN1", 1);
    assert.equal((await post("SN1", { at: own })).status, 201);
    assert.equal((await get("SN1", "", own)).status, 200);
    await until("SN1", 4);
    assert.equal((await get("SN1", "", own)).status, 200);
    await until("SN1", 5);
    assert.equal((await worker.request("GET", `${own}/actions/add_config`)).status, 200);
    await until("SN1", 6);
    assert.equal((await worker.request("GET", `${own}/files/a`)).status, 200);
    await until("SN1", 7);
    assert.equal((await worker.request("GET", `${own}/files/large`)).bytes.length, 300_000);
    await until("SN1", 8);
    assert.equal((await put("SN1", "hostname a\n", own)).status, 201);
    assert.equal((await get("SN1", "/startup-config", own)).status, 200);
    const found = await until("SN1", 10);
    const bare = found.map(({ n, time, node, site, by, seconds, ...fields }) => fields);
    const size = (await worker.request("GET", `${BERLIN}/actions/add_config`)).bytes.length;
    assert.deepEqual(bare, [
      { event: "script-fetched", model: "DCS-7050TX", version: "4.28.0F" },
      { event: "registered", pattern: "rack", definition: "leaf" },
      { event: "definition-fetched", definition: "leaf" },
      { event: "pool-values-given", values: [{ pool: "net", value: "10.0.0.1" }] },
      // With the same values.
      { event: "definition-fetched", definition: "leaf" },
      { event: "file-fetched", path: "actions/add_config", bytes: size, complete: true },
      { event: "file-fetched", path: "files/a", bytes: 11, complete: true },
      { event: "file-fetched", path: "files/large", bytes: 300_000, complete: true },
      { event: "startup-config-stored", sha1: "dd8e29b6a5ac59b3a8d79d8e1b1d6e2e0e2b0f4c", size: 11 },
      { event: "startup-config-fetched" },
    ].map((event) => (event.sha1 ? { ...event, sha1: bare.find(({ sha1 }) => sha1).sha1 } : event)));
    assert.match(bare[8].sha1, /^[0-9a-f]{40}$/);
    assert.deepEqual(found.map(({ n }) => n), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const { time, node, site, by } of found) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.deepEqual([node, site, by], ["SN1", "berlin", null]);
    }
  });

  test("of a known node are its facts, changed or not, and the first site that it is seen at", async () => {
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    assert.equal((await post("SN1")).status, 409);
    assert.deepEqual(await kinds("SN1"), ["facts-changed"]);
    assert.equal((await post("SN1")).status, 409);
    assert.deepEqual(await kinds("SN1"), ["facts-changed", "facts-posted"]);
    assert.equal((await post("SN1", { version: "4.30.0F" })).status, 409);
    assert.deepEqual(await kinds("SN1"), ["facts-changed", "facts-posted", "facts-changed"]);
    assert.equal((await get("SN1")).status, 200);
    await until("SN1", 4);
    const [, , , fetched] = await until("SN1", 4);
    for (let waited = 0; (await events("SN1"))[3].definition !== "Spine"; waited += 20) assert.ok(waited < 3000, JSON.stringify(fetched));
    await worker.kv.put("nodes/SN2/definition", PLAIN);
    await worker.kv.put("nodes/SN2/.node", JSON.stringify(facts("SN2")));
    assert.equal((await post("SN2")).status, 409);
    assert.deepEqual(await kinds("SN2"), ["claimed"]);
  });

  test("with HEAD, of metadata, and of shared URLs leave none", async () => {
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    await worker.r2.put("files/a", "x");
    for (const [method, path] of [["HEAD", "/nodes/SN1"], ["GET", "/meta/nodes/SN1/definition"], ["GET", "/files/a"], ["GET", "/actions/add_config"], ["GET", "/bootstrap"], ["GET", "/bootstrap/config"]]) {
      assert.equal((await worker.request(method, BERLIN + path)).status, 200, path);
    }
    const own = await ownUrl("SN1");
    await until("SN1", 1);
    for (const [method, path] of [["HEAD", "/nodes/SN1"], ["HEAD", "/files/a"], ["GET", "/meta/files/a"]]) assert.equal((await worker.request(method, own + path)).status, 200, path);
    assert.deepEqual((await settled("SN1")).map(({ event }) => event), ["script-fetched"]);
  });

  test("for a part of a file have its size", async () => {
    await worker.r2.put("files/large", Buffer.alloc(300_000, "x"));
    const own = await ownUrl("SN1");
    const part = await worker.request("GET", `${own}/files/large`, { headers: { Range: "bytes=100-200099" } });
    assert.deepEqual([part.status, part.bytes.length, part.headers["content-length"], part.headers["content-range"]], [206, 200_000, "200000", "bytes 100-200099/300000"]);
    const [, { bytes, complete, seconds }] = await until("SN1", 2);
    assert.deepEqual([bytes, complete], [200_000, true]);
    assert.ok(seconds >= 0);
    const { headers } = await worker.request("GET", `${own}/files/large`, { headers: { "If-None-Match": part.headers.etag } });
    assert.equal(headers.etag, part.headers.etag);
    assert.equal((await settled("SN1")).length, 2);
  });

  test("for a file that the client does not receive as a whole say so", async () => {
    await worker.r2.put("files/image", Buffer.alloc(32 << 20, "x"));
    const own = await ownUrl("SN1");
    await new Promise((resolve, reject) => {
      const { hostname, port } = new URL(worker.url);
      const request = http.get({ hostname, port, path: `${own}/files/image`, agent: false }, (response) => {
        response.once("data", () => {
          response.destroy();
          resolve();
        });
      });
      request.on("error", reject);
    });
    const [, { event, complete }] = await until("SN1", 2);
    assert.deepEqual([event, complete], ["file-fetched", false]);
  });
});

describe("a refusal", () => {
  test("replaces the event of its request, and has the facts", async () => {
    const others = { ...UNPLANNED, model: "DCS-7280" };
    assertRefusal(await post("SN1", others), 400, /no pattern matches it/);
    const [{ n, request, status, reason }] = await until("SN1", 1);
    assert.deepEqual([n, request, status], [1, "POST /nodes", 400]);
    assert.match(reason, /no pattern matches it:\n.*rack/s);
    const { status: row, seen, facts: stored, records } = await show("SN1");
    assert.deepEqual([row.state, row.step, row.reason, row.model, row.site], ["waiting", "facts", reason, "DCS-7280", null]);
    const { time, ...sent } = seen;
    assert.ok(Math.abs(Date.parse(time) - worker.now()) < 60_000);
    assert.deepEqual(sent, { ...facts("SN1", others), systemmac: "001c73010203" });
    assert.deepEqual([stored, records], [null, []]);
    await post("SN1", others);
    const again = await until("SN1", 2);
    assert.deepEqual(again.map(({ n, event }) => [n, event]), [[1, "refused"], [2, "refused"]]);
    assert.equal((await post("SN1")).status, 201);
    assert.deepEqual(await kinds("SN1"), ["refused", "refused", "registered"]);
    assert.deepEqual((await show("SN1")).seen.model, facts("SN1").model);
  });

  test("of each request names its route", async () => {
    assert.equal((await get("SN1")).status, 400);
    await until("SN1", 1);
    assert.equal((await get("SN1", "/startup-config")).status, 400);
    await until("SN1", 2);
    assert.equal((await put("SN1", "hostname a\n")).status, 403);
    await until("SN1", 3);
    const own = await ownUrl("SN1");
    await until("SN1", 4);
    assert.equal((await put("SN1", " \n", own)).status, 400);
    await until("SN1", 5);
    assert.equal((await worker.request("GET", `${own}/files/missing`)).status, 404);
    await until("SN1", 6);
    assert.equal((await worker.request("GET", `${own}/actions/missing`)).status, 404);
    await until("SN1", 7);
    assert.equal((await worker.request("POST", `${own}/nodes`, { body: "{" })).status, 400);
    const found = await until("SN1", 8);
    assert.deepEqual(found.map(({ request, status }) => request && `${status} ${request}`), [
      "400 GET /nodes/{id}", "400 GET /nodes/{id}/startup-config", "403 PUT /nodes/{id}/startup-config", undefined,
      "400 PUT /nodes/{id}/startup-config", "404 GET /files/{path}", "404 GET /actions/{name}", "400 POST /nodes",
    ]);
  });

  test("has the values that were given before it", async () => {
    await worker.kv.put("nodes/SN1/definition", "actions:\n- {action: a, attributes: {x: allocate('net'), y: allocate('none')}}\n");
    assert.equal((await get("SN1")).status, 400);
    const [given, refused] = await until("SN1", 2);
    assert.deepEqual(given.values, [{ pool: "net", value: "10.0.0.1" }]);
    assert.match(refused.reason, /none/);
  });

  test("keeps large facts without their neighbors", async () => {
    const neighbors = Object.fromEntries(Array.from({ length: 2000 }, (_, at) => [`Ethernet${at}`, [{ device: `a-neighbor-with-a-long-name-${at}.example.net`, port: "Ethernet1" }]]));
    assert.equal((await post("SN1", { neighbors })).status, 400);
    await until("SN1", 1);
    assert.deepEqual((await show("SN1")).seen.neighbors, {});
  });
});

describe("strangers", () => {
  test("leave nothing without a valid credential", async () => {
    for (const at of ["", "/t/wrong-token-0123456789", "/t/"]) {
      assert.equal((await post("SN1", { at })).status, 404);
      for (const rest of ["", "/startup-config"]) assert.equal((await get("SN1", rest, at)).status, 404);
      assert.equal((await put("SN1", "x", at)).status, 404);
      assert.equal((await worker.request("GET", `${at}/bootstrap`, { headers: { "X-Arista-Serial": "SN1" } })).status, 404);
      assert.equal((await report("SN1", {}, at)).status, 404);
    }
    const own = await ownUrl("SN2");
    assert.equal((await get("SN1", "", own)).status, 403);
    assert.equal((await put("SN1", "x", own)).status, 403);
    assert.equal((await report("SN1", {}, own)).status, 403);
    assert.equal((await post("a\u0001b")).status, 400);
    assert.deepEqual(await settled("SN1"), []);
    assert.equal((await admin("GET", "/nodes/SN1")).status, 404);
  });

  test("of another site are refused, and change neither the state nor the facts", async () => {
    assert.equal((await post("SN1")).status, 201);
    assert.equal((await get("SN1")).status, 200);
    const before = await until("SN1", 3);
    const { seen, status } = await show("SN1");
    assert.equal(status.state, "served");
    assert.equal((await post("SN1", { at: PARIS, model: "foreign" })).status, 400);
    await until("SN1", 4);
    assert.equal((await get("SN1", "", PARIS)).status, 400);
    await until("SN1", 5);
    const [foreign, unknown] = [await report("SN1", {}, PARIS), await report("SN9", {}, PARIS)];
    assert.deepEqual([foreign.status, foreign.text], [404, unknown.text.replaceAll("SN9", "SN1")]);
    assert.equal((await worker.request("GET", `${PARIS}/bootstrap`, { headers: { "X-Arista-Serial": "SN1" } })).status, 200);
    const found = await settled("SN1");
    assert.deepEqual(found.slice(0, before.length), before);
    assert.deepEqual(found.slice(before.length).map(({ event, site }) => [event, site]), [["refused", "paris"], ["refused", "paris"]]);
    const after = await show("SN1");
    assert.deepEqual([after.seen, after.status], [seen, status]);
  });

  test("do not take a node whose site an operator wrote", async () => {
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    await worker.kv.put("nodes/SN1/site", "berlin\n");
    assert.equal((await post("SN1", { at: PARIS, model: "foreign" })).status, 400);
    await until("SN1", 1);
    const { events: found, seen } = await show("SN1");
    assert.deepEqual([found[0].event, found[0].site, seen], ["refused", "paris", null]);
  });
});

/** The events of a node that the object of a site shows, once one of them is the wanted one. */
async function atSite(site, node, wanted) {
  for (let waited = 0; ; waited += 50) {
    const { events: all } = (await admin("GET", `/events?site=${site}`)).json;
    const found = all.filter((event) => event.node === node).map(({ event }) => event);
    if (found.includes(wanted)) return found;
    assert.ok(waited < 5000, `${site}: ${found}`);
    await sleep(50);
  }
}

describe("a node that nobody owns yet", () => {
  const named = (node, at) => worker.request("GET", `${at}/bootstrap`, { headers: { "X-Arista-Serial": node, "X-Arista-ModelName": "foreign" } });
  const rowsAt = async (site) => (await admin("GET", `/nodes?site=${site}`)).json.nodes.map(({ node, state }) => `${node} ${state}`);

  test("by its object has no report of another site than the one that an operator wrote", async () => {
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    await worker.kv.put("nodes/SN1/site", "berlin\n");
    assert.equal((await named("SN1", PARIS)).status, 200);
    await until("SN1", 1);
    assertRefusal(await report("SN1", { event: "boot-failed", reason: "x" }, PARIS), 404, /nothing is known of the node SN1/);
    // A request and a report at once.
    const [, refused] = await Promise.all([get("SN1", "", PARIS), report("SN1", { event: "boot-failed", reason: "x" }, PARIS)]);
    assert.equal(refused.status, 404);
    assert.ok(!(await settled("SN1")).some(({ event }) => event === "boot-failed"));
    assert.equal((await report("SN1", { event: "boot-started" })).status, 204);
    assert.equal((await events("SN1")).at(-1).event, "boot-started");
  });

  test("has reports of the site of its last request only", async () => {
    assert.equal((await named("SN1", BERLIN)).status, 200);
    await until("SN1", 1);
    assert.equal((await report("SN1", {})).status, 404);
    assert.equal((await post("SN1", UNPLANNED)).status, 400);
    await until("SN1", 2);
    assert.equal((await report("SN1", {}, PARIS)).status, 404);
    assert.equal((await report("SN1", {})).status, 204);
    assert.deepEqual(await kinds("SN1"), ["script-fetched", "refused", "boot-started"]);
  });

  test("stays at the site of its last request when another site fetches the script for it, or a file with its URL", async () => {
    assert.equal((await post("SN1", UNPLANNED)).status, 400);
    await until("SN1", 1);
    const { text } = await named("SN1", PARIS);
    const own = /\/t\/([\w.~-]+)/.exec(text)[1];
    assert.equal((await worker.request("GET", `/t/${own}/actions/add_config`)).status, 200);
    assert.equal((await worker.request("GET", `/t/${own}/files/missing`)).status, 404);
    assert.deepEqual((await settled("SN1")).map(({ event }) => event), ["refused"]);
    await atSite("berlin", "SN1", "refused");
    assert.deepEqual([await rowsAt("berlin"), await rowsAt("paris")], [["SN1 waiting"], []]);
    assert.equal((await post("SN1", { at: PARIS, ...UNPLANNED })).status, 400);
    await atSite("paris", "SN1", "refused");
    assert.deepEqual(await atSite("berlin", "SN1", "moved"), ["refused", "moved"]);
    assert.deepEqual([await rowsAt("berlin"), await rowsAt("paris")], [[], ["SN1 waiting"]]);
  });
});

test("a request of another site takes no event of the node back that has its number", async () => {
  const nodes = Array.from({ length: 40 }, (_, at) => `SN${at}`);
  await each(nodes.length, 4, async (at) => {
    const node = nodes[at];
    assert.equal((await post(node)).status, 201);
    await sleep(130);
    const [, stored] = await Promise.all([get(node, "", PARIS), report(node, { event: "boot-succeeded", seconds: 1 })]);
    assert.equal(stored.status, 204);
    assert.equal((await Promise.all([get(node, "", PARIS), post(node, { version: "4.30.0F" })]))[1].status, 409);
  });
  await sleep(300);
  for (const node of nodes) {
    const found = await events(node);
    const own = found.filter(({ site }) => site === "berlin").map(({ event }) => event);
    assert.deepEqual(own, ["registered", "boot-succeeded", "facts-changed"], node);
    assert.ok(found.filter(({ site }) => site === "paris").every(({ event }) => event === "refused"), node);
  }
});

describe("the list of a site", () => {
  const act = (action, body) => admin("POST", `/nodes/SN1/${action}`, body);

  test("has only the event forgotten of a node that was forgotten with its history, also where it was before", async () => {
    assert.equal((await post("SN1")).status, 201);
    assert.equal((await report("SN1", { event: "boot-failed", reason: "x", log: "line" })).status, 204);
    await atSite("berlin", "SN1", "boot-failed");
    assert.equal((await act("move", { site: "paris" })).status, 200);
    assert.equal((await post("SN1", { at: PARIS })).status, 409);
    assert.equal((await report("SN1", { seq: 2 }, PARIS)).status, 204);
    await atSite("paris", "SN1", "boot-started");
    assert.deepEqual((await atSite("berlin", "SN1", "moved")).at(-1), "moved");
    assert.equal((await act("forget", { history: true })).status, 200);
    for (const site of ["berlin", "paris"]) assert.deepEqual(await atSite(site, "SN1", "forgotten"), ["forgotten"], site);
    assert.deepEqual(await events("SN1"), []);
    assert.equal((await post("SN1")).status, 201);
    await atSite("berlin", "SN1", "registered");
    assert.deepEqual((await events("SN1")).map(({ event }) => event), ["registered"]);
  });

  test("of the former site has another ETag after a move", async () => {
    assert.equal((await post("SN1")).status, 201);
    await atSite("berlin", "SN1", "registered");
    const before = (await admin("GET", "/events?site=berlin")).headers.etag;
    assert.equal((await act("move", { site: "paris" })).status, 200);
    await atSite("paris", "SN1", "moved");
    await atSite("berlin", "SN1", "moved");
    const { headers } = await admin("GET", "/events?site=berlin");
    assert.ok(before !== undefined && headers.etag !== before, headers.etag);
  });
});

const report = (node, fields, at = BERLIN, boot = "3f9a0b1c") => worker.request("POST", `${at}/nodes/${node}/events`, { body: typeof fields === "string" ? fields : JSON.stringify({ boot, seq: 1, at: 0.5, event: "boot-started", ...fields }) });

describe("POST /nodes/{id}/events", () => {
  const REPORTS = [
    { event: "boot-started" },
    { event: "action-started", action: "install_image" },
    { event: "action-succeeded", action: "install_image", seconds: 1.5 },
    { event: "action-failed", action: "install_image", reason: "no space" },
    { event: "downloaded", path: "files/EOS.swi", bytes: 1_000_000_000, seconds: 77.5 },
    { event: "boot-succeeded", seconds: 90 },
    { event: "boot-failed", reason: "no space", log: "line 1\nline 2" },
  ];

  test("stores every report of a client", async () => {
    assert.equal((await post("SN1")).status, 201);
    for (const [at, fields] of REPORTS.entries()) {
      const answer = await report("SN1", { seq: at + 1, at: at + 0.25, ...fields, unknown: [at] });
      assert.deepEqual([answer.status, answer.text], [204, ""]);
    }
    const found = (await events("SN1")).slice(1).map(({ n, time, node, site, by, ...fields }) => fields);
    assert.deepEqual(found, REPORTS.map((fields, at) => ({ ...fields, boot: "3f9a0b1c", seq: at + 1, at: at + 0.25 })));
  });

  test("stores a report once, and at most 200 of a boot", async () => {
    assert.equal((await post("SN1")).status, 201);
    await each(200, 20, async (at) => assert.equal((await report("SN1", { seq: at + 1 })).status, 204));
    assert.equal((await report("SN1", { seq: 7 })).status, 204);
    assertRefusal(await report("SN1", { seq: 201 }), 429, /the report 201 of the boot 3f9a0b1c of the node SN1 is rejected: a boot has at most 200 reports, and one more for its end/);
    assert.equal((await events("SN1")).length, 201);
    for (let sent = 0; sent < 2; sent += 1) assert.equal((await report("SN1", { seq: 250, event: "boot-failed", reason: "x" })).status, 204);
    assertRefusal(await report("SN1", { seq: 251, event: "boot-succeeded", seconds: 1 }), 429, /the report 251/);
    assert.equal((await show("SN1")).status.state, "failed");
    assert.equal((await events("SN1")).length, 202);
    assert.equal((await report("SN1", { seq: 1 }, BERLIN, "another0")).status, 204);
    assert.equal((await events("SN1")).length, 203);
  });

  test("stores at most 2,000 reports of a node in an hour", async () => {
    assert.equal((await post("SN1")).status, 201);
    const sent = (at) => report("SN1", { seq: (at % 200) + 1 }, BERLIN, `boot${String(Math.floor(at / 200)).padStart(5, "0")}`);
    // The hour may end meanwhile.
    const left = 3_600_000 - (worker.now() % 3_600_000);
    if (left < 120_000) await worker.advance(left);
    for (let boot = 0; boot < 10; boot += 1) await each(200, 50, async (at) => assert.equal((await sent(boot * 200 + at)).status, 204));
    assertRefusal(await sent(2000), 429, /the node SN1 has 2000 reports in this hour/);
    await worker.advance(3_600_000);
    assert.equal((await sent(2000)).status, 204);
  });

  test("refuses what is invalid or too large", async () => {
    assert.equal((await post("SN1")).status, 201);
    const failed = (size) => ({ event: "boot-failed", reason: "", log: "", more: "x".repeat(size) });
    const room = 8192 - JSON.stringify({ boot: "3f9a0b1c", seq: 1, at: 0.5, ...failed(0) }).length;
    assert.equal((await report("SN1", failed(room))).status, 204);
    assertRefusal(await report("SN1", failed(room + 1)), 413, /the report exceeds the limit of 8192 bytes/);
    for (const [fields, reason] of [
      ["", /the report is not valid/],
      ["[]", /the report is not valid/],
      [{ boot: "short" }, /its `boot` is short/],
      [{ boot: "<script>" }, /its `boot` is &lt;script&gt;/],
      [{ seq: 0 }, /its `seq` is 0/],
      [{ at: -1 }, /its `at` is -1/],
      [{ event: "registered" }, /its `event` is one of the server, but must be boot-started/],
      [{ event: "boot-failed", reason: "x".repeat(2049) }, /its `reason` has 2049 bytes/],
      [{ event: "boot-failed", reason: "", log: "x".repeat(4097) }, /its `log` has 4097 bytes/],
    ]) {
      assertRefusal(await report("SN1", fields), 400, reason);
    }
    assertRefusal(await report("a%01b", {}), 400, /is not a valid node id/);
    assert.equal((await worker.request("GET", `${BERLIN}/nodes/SN1/events`)).status, 405);
    assert.deepEqual(await kinds("SN1"), ["registered", "boot-failed"]);
  });

  test("is 404 for a node that has made no request", async () => {
    assertRefusal(await report("SN1", {}), 404, /nothing is known of the node SN1/);
    assert.deepEqual(await events("SN1"), []);
    assert.equal((await post("SN1")).status, 201);
    assert.equal((await admin("POST", "/nodes/SN1/forget", {})).status, 200);
    assert.equal((await report("SN1", {})).status, 404);
  });

  test("removes secrets from the log, and the credential of the URL", async () => {
    const own = await ownUrl("SN1");
    assert.equal((await post("SN1", { at: own })).status, 201);
    const log = `GET http://x${own}/nodes/SN1\nusername admin secret 0 hunter2\nend`;
    assert.equal((await report("SN1", { event: "boot-failed", reason: `GET ${own}/nodes`, log }, own)).status, 204);
    const found = (await events("SN1")).at(-1);
    assert.equal(found.reason, "GET /t/.../nodes");
    assert.equal(found.log, "GET http://x/t/.../nodes/SN1\nusername admin secret ...\nend");
  });
});

test("hostile texts are stored as they are", async () => {
  for (const [at, text] of HOSTILE.entries()) {
    const node = `SN${at}`;
    assert.equal((await post(node, { model: text, ...UNPLANNED })).status, 400);
    await until(node, 1);
    assert.equal((await show(node)).seen.model, text);
    assert.equal((await report(node, { event: "action-failed", action: text, reason: text })).status, 204);
    const { action, reason } = (await events(node)).at(-1);
    assert.deepEqual([action, reason], [text, text]);
  }
});

describe("an edit in the dashboard", () => {
  const edits = async (node) => (await settled(node)).filter(({ event }) => event === "edited").map(({ records }) => records);
  /** KV forgets what it has cached, and the object its copies. */
  const later = () => worker.advance(3_600_000);

  test("is one event of the next read", async () => {
    assert.equal((await post("SN1")).status, 201);
    assert.equal((await get("SN1")).status, 200);
    await later();
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    for (let read = 0; read < 2; read += 1) assert.equal((await get("SN1")).json.name, "Spine");
    assert.deepEqual(await edits("SN1"), [["definition"]]);
    await worker.kv.put("nodes/SN1/attributes", "a: 1\n");
    await worker.kv.delete("nodes/SN1/pattern");
    for (let read = 0; read < 2; read += 1) await get("SN1");
    const [, second, ...more] = await edits("SN1");
    assert.deepEqual([second.sort(), more], [["attributes", "pattern"], []]);
  });

  test("of facts, of a startup-config and of the site is one, too", async () => {
    assert.equal((await post("SN1")).status, 201);
    await get("SN1");
    await later();
    await worker.kv.put("nodes/SN1/.node", JSON.stringify(facts("SN1", { model: "edited" })));
    assert.equal((await post("SN1")).status, 409);
    assert.deepEqual(await edits("SN1"), [[".node"]]);
    await worker.kv.put("nodes/SN1/startup-config", "hostname edited\n");
    await get("SN1");
    assert.deepEqual((await edits("SN1")).slice(1), [["startup-config"]]);
    await later();
    await worker.kv.put("nodes/SN1/site", "paris");
    assert.equal((await get("SN1")).status, 400);
    assert.deepEqual((await edits("SN1")).slice(2), [["site"]]);
    assert.equal((await get("SN1", "", PARIS)).status, 200);
  });

  test("is not what the object wrote, nor the first value of a planned node", async () => {
    await worker.kv.put("nodes/SN1/definition", PLAIN);
    await worker.kv.put("nodes/SN1/attributes", "a: 1\n");
    for (let round = 0; round < 3; round += 1) {
      assert.equal((await post("SN1", { version: `4.28.${round}F` })).status, 409);
      assert.equal((await get("SN1")).status, 200);
      assert.equal((await put("SN1", `hostname ${round}\n`)).status, 201);
      assert.equal((await get("SN1", "/startup-config")).status, 200);
      assert.equal((await admin("POST", "/nodes/SN1/assign", { attributes: `a: ${round}\n` })).status, 200);
      if (round === 1) await later();
    }
    assert.deepEqual(await edits("SN1"), []);
  });
});

test("the last 1,000 events are kept", async () => {
  assert.equal((await post("SN1")).status, 201);
  await each(1010, 50, async (at) => {
    const boot = `boot${String(at % 6).padStart(5, "0")}`;
    assert.equal((await report("SN1", { seq: Math.floor(at / 6) + 1 }, BERLIN, boot)).status, 204);
  });
  const found = await events("SN1");
  assert.deepEqual([found.length, found[0].n, found.at(-1).n], [1000, 12, 1011]);
});
