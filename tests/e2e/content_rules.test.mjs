// Content through the /admin API: what is refused, what an undo keeps, and large objects.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
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

describe("undo", () => {
  const undo = (n) => admin("POST", `/audit/${n}/undo`);

  test("refuses what has no undo", async () => {
    await worker.kv.put("resources/net", "10.0.0.1: null\n");
    await admin("PUT", "/pools/net/10.0.0.1?node=JPE1");
    await admin("DELETE", "/pools/net?node=other");
    for (const n of [1, 2]) assertOperatorRefusal(await undo(n), 400, /cannot be undone/);
    assertOperatorRefusal(await undo(3), 404, /no entry 3/);
    assertOperatorRefusal(await undo("x"), 400, /not the number/);
  });

  test("is possible for 30 days; then former values are deleted, unless a later change needs them", async () => {
    const day = 24 * 3_600_000;
    await put("definitions/a", "actions: []\n");
    await worker.advance(20 * day);
    await put("definitions/a", "actions: []\nname: b\n");
    await put("files/a", "one");
    await put("files/a", "another");
    const kept = async () => (await worker.r2.list({ prefix: "undo/" })).objects.length;
    // New and former values of KV, and the former object.
    assert.equal(await kept(), 4);
    await worker.advance(11 * day);
    assertOperatorRefusal(await undo(1), 410, /30 days/);
    await put("definitions/b", "actions: []\n");
    await worker.settle();
    // Of the first change only its new value is left, which nothing needs.
    assert.equal(await kept(), 4);
    assert.deepEqual((await undo(2)).json, { audit: 6 });
    await worker.advance(31 * day);
    await put("definitions/c", "actions: []\n");
    await worker.settle();
    assert.equal(await kept(), 1);
    assertOperatorRefusal(await undo(6), 410, /30 days/);
  });
});

describe("keys", () => {
  test("that are not content are neither read nor written", async () => {
    const long = `definitions/${"a".repeat(520)}`;
    for (const [key, reason] of [
      ["history/JPE1/1-a", /reads nothing of this name/],
      ["undo/1-a-b", /reads nothing of this name/],
      ["digests/files/a", /reads nothing of this name/],
      ["README.md", /reads nothing of this name/],
      ["files/a%2F..%2Fb", /no part of it/],
      ["files/.%2Fa", /no part of it/],
      ["files/a//b", /no part of it/],
      ["files/", /no part of it/],
      ["files/a%0Ab", /no part of it/],
      ["actions/a/b", /an action is directly in actions/],
      ["nodes/JPE1/other", /the records of a node are/],
      ["nodes/JPE1", /a folder for each node/],
      ["neighbordb.yaml", /the name of the file is neighbordb/],
      [long, /over the limit of 512/],
      [`files/${"a".repeat(1020)}`, /over the limit of 1024/],
    ]) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const response = await content(method, key, method === "PUT" ? { body: "x" } : {});
        assertOperatorRefusal(response, 400, reason);
      }
    }
    assert.deepEqual(await entries(), []);
  });

  test("a list has the keys of both stores with a prefix, in pages, and nothing that is not content", async () => {
    await worker.kv.put("digests/files/a", "{}");
    await worker.kv.put("README.md", "x");
    await worker.r2.put("history/JPE1/1-a", "x");
    const keys = ["actions/a", "definitions/a", "definitions/b", "files/a", "files/b", "neighbordb"];
    for (const key of keys.filter((key) => !/^(actions|files)/.test(key))) await worker.kv.put(key, "x: 1\n");
    for (const key of keys.filter((key) => /^(actions|files)/.test(key))) await worker.r2.put(key, "x");
    for (const limit of ["", "&limit=1", "&limit=2"]) {
      assert.deepEqual((await list(limit)).map(({ key }) => key).toSorted(), keys, limit);
    }
    for (const [prefix, expected] of [
      ["definitions/", ["definitions/a", "definitions/b"]],
      ["files/", ["files/a", "files/b"]],
      ["files/b", ["files/b"]],
      ["fi", ["files/a", "files/b"]],
      ["actions", ["actions/a"]],
      ["x", []],
    ]) {
      assert.deepEqual((await list(`&prefix=${prefix}`)).map(({ key }) => key).toSorted(), expected, prefix);
    }
    const [edited] = await list("&prefix=neighbordb");
    assert.deepEqual(edited, { key: "neighbordb", store: "kv", size: null, sha1: null, etag: null, modified: null, by: null, via: null });
    assertOperatorRefusal(await admin("GET", "/content?limit=1001"), 400, /from 1 to 1000/);
    assertOperatorRefusal(await admin("GET", "/content?cursor=x"), 400, /cursor/);
  });
});

describe("a document", () => {
  test("that is broken by itself is refused with the findings, unless it is forced", async () => {
    const body = "actions: 1\n";
    const { findings } = assertOperatorRefusal(await put("definitions/a", body), 422, /definitions\/a is not valid.*line 1/);
    assert.deepEqual(findings.map(({ kind, severity, line, column }) => [kind, severity, line, column]), [["bad-definition", "error", 1, 10]]);
    assert.ok(findings[0].message.length > 0 && findings[0].help.length > 0);
    assert.deepEqual(await entries(), []);
    assertOperatorRefusal(await put("definitions/a", body, {}, "?force=true"), 400, /force is "true", but must be 1 if it is given/);
    const forced = await put("definitions/a", body, {}, "?force=1");
    assert.deepEqual([forced.status, forced.json.findings.length], [201, 1]);
    assert.equal((await entries())[0].forced, true);
    assertOperatorRefusal(await put("nodes/JPE1/startup-config", ""), 422, /startup-config is empty/);
  });

  test("in spite of findings that its operator allows is marked in the audit log", async () => {
    const stored = await put("definitions/a", "actions: []\n", {}, "?allowed=missing-file,no-main");
    assert.equal(stored.status, 201);
    await put("files/a", "x", {}, "?allowed=missing-file");
    const [file, definition] = await entries();
    assert.deepEqual([definition.forced, definition.detail], [true, "in spite of missing-file,no-main"]);
    assert.deepEqual([file.forced, file.detail], [true, "in spite of missing-file"]);
    for (const bad of ["", "a b", "A", ",", "missing-file,", "no-such-kind", "missing-file,no-such-kind", "x".repeat(512)]) {
      assertOperatorRefusal(await put("definitions/b", "actions: []\n", {}, `?allowed=${encodeURIComponent(bad)}`), 400, /allowed must be names of kinds/);
    }
    assert.equal((await entries()).length, 2);
    await put("definitions/b", "actions: []\n", {}, "?allowed=missing-file,missing-file");
    assert.equal((await entries())[0].detail, "in spite of missing-file");
  });

  test("with a warning is stored, and the response has it", async () => {
    const stored = await put("definitions/a", "actions: []\nattribute: {}\n");
    assert.deepEqual([stored.status, stored.json.findings.map(({ kind }) => kind)], [201, ["unknown-key"]]);
    assert.equal((await entries())[0].forced, false);
  });

  test("that is too large is refused", async () => {
    assertOperatorRefusal(await put("definitions/a", "a".repeat((8 << 20) + 1)), 413, /exceeds the limit/);
    assertOperatorRefusal(await put("actions/a", "a".repeat((8 << 20) + 1)), 413, /over the limit of 8388608/);
  });

  test("may have any bytes, if nothing parses it", async () => {
    const bytes = Buffer.from([0, 255, 10, 128]);
    for (const path of ["files/a", "nodes/JPE1/startup-config"]) {
      assert.equal((await put(path, bytes)).status, 201);
      assert.deepEqual((await content("GET", path)).bytes, bytes);
    }
  });

  test("counts for switches at once, if it is a record of a node", async () => {
    await put("nodes/JPE1/startup-config", "hostname a\n");
    assert.equal((await worker.request("GET", "/nodes/JPE1/startup-config")).text, "hostname a\n");
    await content("DELETE", "nodes/JPE1/startup-config");
    assert.equal((await worker.request("GET", "/nodes/JPE1/startup-config")).status, 400);
  });
});

describe("an object", () => {
  test("of 60 MiB is streamed, verified, and described for switches", async () => {
    const bytes = Buffer.alloc(60 << 20, "abcdefg");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const stored = await put("files/image.swi", bytes, {}, `?sha1=${sha1(bytes)}&sha256=${sha256}`);
    assert.equal(stored.status, 201, stored.text);
    const meta = await worker.request("GET", "/meta/files/image.swi");
    assert.deepEqual(meta.json, { size: bytes.length, sha1: sha1(bytes), sha256 });
    assert.deepEqual((await content("GET", "files/image.swi")).bytes, bytes);
    // Of another value the former one is kept, and restored.
    bytes[0] = 0;
    assert.equal((await put("files/image.swi", bytes, {}, `?sha1=${sha1(bytes)}`)).status, 200);
    assert.equal((await admin("POST", "/audit/2/undo")).status, 200);
    assert.deepEqual((await worker.request("GET", "/meta/files/image.swi")).json, meta.json);
  });

  test("needs its size first", async () => {
    assertOperatorRefusal(await content("PUT", "files/a", { body: "x", headers: { "Transfer-Encoding": "chunked" }, chunked: true }), 400, /Content-Length/);
  });

  test("without a SHA-1 is hashed", async () => {
    const bytes = Buffer.alloc(9 << 20, "x");
    const stored = await put("files/a", bytes);
    assert.deepEqual([stored.status, stored.json.sha1], [201, sha1(bytes)]);
    const replaced = await put("files/a", "small");
    assert.deepEqual([replaced.status, (await entries())[0].before], [200, { sha1: sha1(bytes), size: bytes.length }]);
  });
});

describe("an upload", () => {
  const PART = 32 << 20;
  const image = Buffer.alloc(2 * PART + 1000, "0123456789");
  const fields = { key: "files/image.swi", size: image.length, sha1: sha1(image), sha256: createHash("sha256").update(image).digest("hex") };
  const begin = (changed = {}, headers = {}) => admin("POST", "/uploads", { body: JSON.stringify({ ...fields, ...changed }), headers });
  const send = (upload, part, body = image.subarray((part - 1) * PART, part * PART)) => admin("PUT", `/uploads/${upload}/${part}`, { body });
  const complete = (upload) => admin("POST", `/uploads/${upload}/complete`);

  test("is resumed after lost parts, verified, and completed once", async () => {
    const begun = await begin();
    assert.equal(begun.status, 201, begun.text);
    const { upload, part_size, received } = begun.json;
    assert.deepEqual([part_size, received], [PART, []]);
    assert.equal((await send(upload, 2)).json.part, 2);
    // The response to the second one was lost.
    assert.equal((await send(upload, 2)).status, 200);
    assertOperatorRefusal(await complete(upload), 400, /the parts 1, 3 are missing/);
    const resumed = await begin();
    assert.deepEqual([resumed.status, resumed.json], [200, { upload, part_size: PART, received: [2] }]);
    for (const part of [1, 3]) assert.equal((await send(upload, part)).status, 200);
    const done = await complete(upload);
    assert.equal(done.status, 201, done.text);
    assert.deepEqual([done.json.key, done.json.size, done.json.sha1, done.json.audit], [fields.key, image.length, fields.sha1, 1]);
    const again = await complete(upload);
    assert.deepEqual([again.status, again.json], [200, done.json]);
    assert.equal((await entries()).length, 1);
    assert.deepEqual((await worker.request("GET", "/meta/files/image.swi")).json, { size: image.length, sha1: fields.sha1, sha256: fields.sha256 });
    assert.deepEqual((await content("GET", "files/image.swi")).bytes, image);
    assert.deepEqual((await worker.r2.list({ prefix: "undo/" })).objects, []);
    // The same object again.
    const second = await begin();
    assert.equal(second.status, 201);
    for (const part of [1, 2, 3]) await send(second.json.upload, part);
    const unchanged = await complete(second.json.upload);
    assert.deepEqual([unchanged.status, unchanged.json.audit], [200, null]);
  });

  test("with another SHA-1 leaves the object as it was", async () => {
    await put("files/image.swi", "former");
    const { upload } = (await begin({ sha1: sha1("other") })).json;
    for (const part of [1, 2, 3]) await send(upload, part);
    assertOperatorRefusal(await complete(upload), 400, /SHA-1 of the bytes is not/);
    assert.equal((await content("GET", "files/image.swi")).text, "former");
    assertOperatorRefusal(await complete(upload), 404, /there is no upload/);
    assert.deepEqual((await worker.r2.list({ prefix: "undo/" })).objects, []);
  });

  test("compares the conditions when it begins and when it ends", async () => {
    const { etag } = (await put("files/image.swi", "former")).json;
    assertOperatorRefusal(await begin({}, { "If-None-Match": "*" }), 412, /was not changed/);
    const { upload } = (await begin({}, { "If-Match": etag })).json;
    for (const part of [1, 2, 3]) await send(upload, part);
    await put("files/image.swi", "changed meanwhile");
    assertOperatorRefusal(await complete(upload), 412, /was not changed/);
    assert.equal((await content("GET", "files/image.swi")).text, "changed meanwhile");
    // Continued without a condition: the parts are there.
    const { received } = (await begin()).json;
    assert.deepEqual(received, [1, 2, 3]);
    assert.equal((await complete(upload)).status, 200);
    assert.deepEqual((await content("GET", "files/image.swi")).bytes, image);
  });

  test("refuses what does not fit", async () => {
    for (const [changed, status, reason] of [
      [{ key: "neighbordb" }, 400, /is not a file/],
      [{ key: "actions/a" }, 400, /is not a file/],
      [{ key: "undo/a" }, 400, /is not a key of content/],
      [{ size: 0 }, 400, /size/],
      [{ size: 5_000_000_001 }, 413, /over the limit/],
      [{ sha1: "x" }, 400, /40 hexadecimal digits/],
      [{ sha1: undefined }, 400, /sha1/],
      [{ other: 1 }, 400, /other/],
    ]) {
      assertOperatorRefusal(await begin(changed), status, reason);
    }
    const { upload } = (await begin()).json;
    assertOperatorRefusal(await send(upload, 1, "short"), 400, /has 33554432 bytes/);
    assertOperatorRefusal(await send(upload, 4, "x"), 400, /no part 4: it has 3/);
    for (const part of [0, "x"]) assertOperatorRefusal(await send(upload, part, "x"), 400, /the first is 1/);
    assertOperatorRefusal(await send("other", 1, "x"), 404, /there is no upload/);
    assert.equal((await admin("DELETE", `/uploads/${upload}`)).status, 200);
    assertOperatorRefusal(await complete(upload), 404, /there is no upload/);
  });

  test("that is aborted during its completion is not there any more", async () => {
    const seen = new Set();
    for (let tries = 0; tries < 40; tries += 1) {
      const bytes = Buffer.from(`image ${tries}`);
      const { upload } = (await begin({ key: `files/image-${tries}`, size: bytes.length, sha1: sha1(bytes), sha256: undefined })).json;
      await send(upload, 1, bytes);
      const aborted = () => admin("DELETE", `/uploads/${upload}`);
      const [done, abort] = await Promise.all([complete(upload), sleep(tries % 5).then(aborted)]);
      assert.ok([200, 201, 404].includes(done.status), `${done.status}: ${done.text}`);
      assert.ok([200, 404].includes(abort.status), `${abort.status}: ${abort.text}`);
      seen.add(done.status);
    }
    assert.ok(seen.has(404), [...seen].join(" "));
  });

  test("that is not completed within 7 days is deleted", async () => {
    const { upload } = (await begin()).json;
    await send(upload, 3);
    await worker.advance(8 * 24 * 3_600_000);
    await put("files/other", "x");
    await worker.settle();
    assertOperatorRefusal(await complete(upload), 404, /there is no upload/);
  });
});
