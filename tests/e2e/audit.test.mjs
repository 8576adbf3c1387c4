// The audit log of operators.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertOperatorRefusal, startWorker } from "./harness.mjs";

const ADMIN = "an-admin-token-0123";
let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const admin = (method, path) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}`, "CF-Connecting-IP": "192.0.2.7" } });
const entries = async (query = "") => (await admin("GET", `/audit${query}`)).json;

describe("the audit log", () => {
  test("has each change: who, from where, what and when, the newest first", async () => {
    await worker.kv.put("resources/net", "10.0.0.1: null\n");
    const put = await admin("PUT", "/pools/net/10.0.0.1?node=JPE1");
    assert.deepEqual(put.json, { pool: "net", value: "10.0.0.1", node: "JPE1", audit: 1 });
    const deleted = await admin("DELETE", "/pools/net?node=JPE1");
    assert.equal(deleted.json.audit, 2);
    const { entries: [second, first], more, next } = await entries();
    assert.deepEqual([more, next], [false, null]);
    assert.deepEqual(
      { ...first, time: undefined },
      {
        n: 1, time: undefined, who: "admin token", from: "192.0.2.7", action: "allocate", target: "net", site: null, before: null, after: null,
        detail: "10.0.0.1 to JPE1", outcome: "done", forced: false, undoable: false, undo_of: null,
      },
    );
    assert.ok(Math.abs(Date.parse(first.time) - Date.now()) < 60_000, first.time);
    assert.deepEqual([second.n, second.action, second.detail], [2, "release", "10.0.0.1 of JPE1"]);
  });

  test("has a change that failed, with the reason", async () => {
    await admin("DELETE", "/pools/net?node=JPE1");
    const { entries: [entry] } = await entries();
    assert.equal(entry.outcome, "failed");
    assert.match(entry.detail, /no such allocation in pool 'net'/);
  });

  test("is read by pages, by target and by operator", async () => {
    await worker.kv.put("resources/net", "10.0.0.1: null\n10.0.0.2: null\n");
    for (const [pool, node] of [["net", "JPE1"], ["net", "JPE2"], ["other", "JPE3"]]) await admin("DELETE", `/pools/${pool}?node=${node}`);
    for (const limit of ["0", "201", "-1", ""]) {
      const response = await admin("GET", `/audit?limit=${limit}`);
      assert.equal(response.status, 400);
      assert.match(response.json.error, /must be a number from 1 to 200/);
    }
    const page = await entries("?limit=2");
    assert.deepEqual([page.entries.map(({ n }) => n), page.more, page.next], [[3, 2], true, 2]);
    const last = await entries(`?limit=2&before=${page.next}`);
    assert.deepEqual([last.entries.map(({ n }) => n), last.more, last.next], [[1], false, null]);
    assert.deepEqual((await entries("?target=net")).entries.map(({ n }) => n), [2, 1]);
    assert.equal((await entries("?who=admin%20token")).entries.length, 3);
    assert.equal((await entries("?who=nobody")).entries.length, 0);
  });

  test("rejects a parameter that is not a number", async () => {
    assertOperatorRefusal(await admin("GET", "/audit?before=x"), 400, /before is "x", but must be a number/);
  });

  test("has no entry for a request that reads", async () => {
    for (const path of ["/pools", "/audit", "/nodes/JPE1/events"]) await admin("GET", path);
    assert.deepEqual((await entries()).entries, []);
  });
});
