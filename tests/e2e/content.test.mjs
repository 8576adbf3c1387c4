// Content through the /admin API: reading, changing, conditions, and the audit log of it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertOperatorRefusal, startWorker } from "./harness.mjs";

const ADMIN = "an-admin-token-0123";
let worker;
before(async () => {
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const admin = (method, path, { headers = {}, ...options } = {}) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}`, ...headers }, ...options });
const content = (method, key, options) => admin(method, `/content/${key}`, options);
const put = (key, body, headers = {}, query = "") => content("PUT", key + query, { body, headers });
const entries = async () => (await admin("GET", "/audit")).json.entries;
const sha1 = (bytes) => createHash("sha1").update(bytes).digest("hex");
const summary = (bytes) => ({ sha1: sha1(bytes), size: Buffer.byteLength(bytes) });

/** All pages of the list. */
async function list(query = "") {
  const found = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await admin("GET", `/content?cursor=${encodeURIComponent(cursor)}${query}`);
    assert.equal(page.status, 200, page.text);
    found.push(...page.json.content);
    cursor = page.json.cursor;
  }
  return found;
}

/** A key of each store, and one of a node, each with two values. */
const KINDS = [
  ["definitions/leaf", "kv", "actions: []\n", "actions: []\nname: leaf\n"],
  ["files/a b/image.swi", "r2", "one", "another"],
  ["nodes/JPE1/attributes", "kv", "a: 1\n", "a: 2\n"],
  ["nodes/JPE1/startup-config", "kv", "hostname a\n", "hostname b\n"],
];

describe("content", () => {
  for (const [key, store, one, two] of KINDS) {
    const path = key.replaceAll(" ", "%20");

    test(`${key} is created, read, replaced and listed`, async () => {
      const created = await put(path, one);
      assert.equal(created.status, 201, created.text);
      const { etag, ...rest } = created.json;
      assert.deepEqual(rest, { key, store, size: one.length, sha1: sha1(one), audit: 1, findings: [] });
      if (store === "kv") assert.equal(etag, `"${sha1(one)}"`);
      for (const method of ["GET", "HEAD"]) {
        const read = await content(method, path);
        assert.equal(read.status, 200);
        assert.equal(read.text, method === "GET" ? one : "");
        assert.deepEqual(
          ["etag", "x-content-sha1", "content-length", "cache-control", "content-type"].map((name) => read.headers[name]),
          [etag, sha1(one), String(one.length), "no-store, no-transform", "text/plain"],
        );
      }
      const replaced = await put(path, two, {}, "?via=push");
      assert.equal(replaced.status, 200, replaced.text);
      assert.deepEqual([replaced.json.audit, replaced.json.sha1], [2, sha1(two)]);
      assert.equal((await content("GET", path)).text, two);
      await worker.settle();
      const listed = await list();
      assert.deepEqual(listed.map(({ key }) => key), [key]);
      const { modified, ...description } = listed[0];
      assert.deepEqual(description, { key, store, size: two.length, sha1: sha1(two), etag: replaced.json.etag, by: "admin token", via: "push" });
      // R2 has the real time.
      const now = listed[0].store === "r2" ? Date.now() : worker.now();
      assert.ok(Math.abs(Date.parse(modified) - now) < 60_000, modified);
    });

    test(`${key}: the same bytes again change nothing`, async () => {
      await put(path, one);
      const again = await put(path, one, {}, `?sha1=${sha1(one)}`);
      assert.deepEqual([again.status, again.json.audit], [200, null], again.text);
      assert.equal((await entries()).length, 1);
    });

    test(`${key}: If-Match and If-None-Match are compared with the current value`, async () => {
      const missing = assertOperatorRefusal(await put(path, one, { "If-Match": '"x"' }), 412, /is not stored/);
      assert.equal(missing.current, null);
      const { etag } = (await put(path, one, { "If-None-Match": "*" })).json;
      const refused = assertOperatorRefusal(await put(path, two, { "If-None-Match": "*" }), 412, /was not changed/);
      assert.deepEqual([refused.current.etag, refused.current.sha1, refused.current.size], [etag, sha1(one), one.length]);
      assertOperatorRefusal(await put(path, two, { "If-Match": '"other"' }), 412, /read it again/);
      assert.equal((await put(path, two, { "If-Match": etag })).status, 200);
      assertOperatorRefusal(await put(path, one, { "If-Match": etag }), 412, /read it again/);
      assert.equal((await content("GET", path)).text, two);
    });

    test(`${key}: of twenty changes of one value, exactly one is made`, async () => {
      const { etag } = (await put(path, one)).json;
      const bodies = Array.from({ length: 20 }, (_, n) => `${two}# ${n}\n`);
      const responses = await Promise.all(bodies.map((body) => put(path, body, { "If-Match": etag })));
      const statuses = responses.map(({ status }) => status);
      assert.deepEqual(statuses.toSorted(), [200, ...Array(19).fill(412)]);
      assert.equal((await content("GET", path)).text, bodies[statuses.indexOf(200)]);
      const done = (await entries()).filter(({ outcome }) => outcome === "done");
      assert.deepEqual(done.map(({ after: { sha1 } }) => sha1), [sha1(bodies[statuses.indexOf(200)]), sha1(one)]);
    });

    test(`${key}: another SHA-1 than that of the bytes is refused, and the value stays`, async () => {
      await put(path, one);
      assertOperatorRefusal(await put(path, two, {}, `?sha1=${sha1("x")}`), 400, /SHA-1/);
      assertOperatorRefusal(await put(path, two, {}, "?sha1=x"), 400, /40 hexadecimal digits/);
      assert.equal((await content("GET", path)).text, one);
    });

    test(`${key}: each change is in the audit log, with the value before and after`, async () => {
      await put(path, one);
      await put(path, two);
      const [second, first] = await entries();
      assert.deepEqual(
        [first, second].map(({ n, who, action, target, before, after, outcome, undoable }) => ({ n, who, action, target, before, after, outcome, undoable })),
        [
          { n: 1, who: "admin token", action: "store", target: key, before: null, after: summary(one), outcome: "done", undoable: true },
          { n: 2, who: "admin token", action: "store", target: key, before: summary(one), after: summary(two), outcome: "done", undoable: true },
        ],
      );
    });

    test(`${key}: each change is undone, and so is its undo`, async () => {
      await put(path, one);
      await put(path, two);
      const undo = (n) => admin("POST", `/audit/${n}/undo`);
      const first = assertOperatorRefusal(await undo(1), 409, /changed later by the changes 2/);
      assert.deepEqual(first.changed_by, [2]);
      assert.deepEqual([(await undo(2)).json, (await content("GET", path)).text], [{ audit: 3 }, one]);
      assert.deepEqual([(await undo(3)).json, (await content("GET", path)).text], [{ audit: 4 }, two]);
      const [entry] = await entries();
      assert.deepEqual([entry.undo_of, entry.action, entry.before, entry.after], [3, "store", summary(one), summary(two)]);
      // A creation is deleted, and a deletion restored.
      assert.equal((await content("DELETE", path)).json.audit, 5);
      assert.deepEqual((await undo(5)).json, { audit: 6 });
      assert.equal((await content("GET", path)).text, two);
      await content("DELETE", path);
      await put(path, one);
      assert.deepEqual((await undo(8)).json, { audit: 9 });
      assertOperatorRefusal(await content("GET", path), 404, /is not stored/);
      assert.equal((await entries())[0].action, "delete");
    });

    test(`${key}: a change is not undone if the value has changed outside of this API`, async () => {
      await put(path, one);
      await put(path, two);
      await worker.settle();
      await worker.advance(3_600_000);
      await (store === "kv" ? worker.kv : worker.r2).put(key, "edited: 1\n");
      const refused = assertOperatorRefusal(await admin("POST", "/audit/2/undo"), 409, /outside of this API/);
      assert.deepEqual(refused.changed_by, []);
      assert.equal((await content("GET", path)).text, "edited: 1\n");
    });

    test(`${key} is 404 if it is not stored`, async () => {
      assertOperatorRefusal(await content("GET", path), 404, /is not stored/);
      assertOperatorRefusal(await content("DELETE", path), 404, /is not stored/);
    });

    test(`${key} is deleted, if it has the value that is expected`, async () => {
      const { etag } = (await put(path, one)).json;
      assertOperatorRefusal(await content("DELETE", path, { headers: { "If-Match": '"x"' } }), 412, /was not changed/);
      const deleted = await content("DELETE", path, { headers: { "If-Match": etag } });
      assert.deepEqual([deleted.status, deleted.json], [200, { key, audit: 2 }]);
      assertOperatorRefusal(await content("GET", path), 404, /is not stored/);
      const [entry] = await entries();
      assert.deepEqual([entry.action, entry.before, entry.after, entry.outcome], ["delete", summary(one), null, "done"]);
      assert.equal((await put(path, one, { "If-None-Match": "*" })).status, 201);
    });
  }
});
