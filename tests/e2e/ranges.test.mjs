// Range, If-Range and If-None-Match on GET /files/{path}, for cached and streamed objects.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertRefusal, startWorker } from "./harness.mjs";

for (const [kind, size] of [
  ["a small file", 1000],
  ["a large file", 200_000],
]) {
  describe(`GET of a part of ${kind}`, () => {
    const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) % 256));
    let worker;
    let etag;
    let modified;
    before(async () => {
      worker = await startWorker();
      await worker.r2.put("files/x", bytes);
      const whole = await get({});
      ({ etag, "last-modified": modified } = whole.headers);
      assert.match(etag, /^".+"$/);
      assert.ok(Math.abs(Date.now() - Date.parse(modified)) < 60_000);
      assert.equal(whole.headers["accept-ranges"], "bytes");
    });
    after(() => worker.stop());
    const get = (headers, method = "GET") => worker.request(method, "/files/x", { headers });

    for (const [range, first, last] of [
      ["bytes=0-0", 0, 0],
      ["bytes=10-19", 10, 19],
      ["bytes=990-", 990, size - 1],
      [`bytes=990-${size * 2}`, 990, size - 1],
      ["bytes=-7", size - 7, size - 1],
      [`bytes=-${size * 2}`, 0, size - 1],
    ]) {
      test(`${range} is ${first} to ${last}`, async () => {
        const part = await get({ Range: range });
        assert.equal(part.status, 206);
        assert.equal(part.headers["content-range"], `bytes ${first}-${last}/${size}`);
        assert.equal(part.headers["content-length"], String(last - first + 1));
        assert.equal(part.headers["content-type"], "text/plain");
        assert.equal(part.headers.etag, etag);
        assert.match(part.headers["cache-control"], /no-transform/);
        assert.ok(part.bytes.equals(bytes.subarray(first, last + 1)));
      });
    }

    for (const range of [`bytes=${size}-`, `bytes=${size}-${size + 5}`, "bytes=-0"]) {
      test(`${range} is 416`, async () => {
        const response = await get({ Range: range });
        assertRefusal(response, 416, /range starts past the end/);
        assert.equal(response.headers["content-range"], `bytes */${size}`);
      });
    }

    for (const range of ["bytes=5-2", "bytes=0-1,5-6", "pages=1-2", "bytes=x-", "bytes"]) {
      test(`${range} is ignored: the complete file is sent`, async () => {
        const response = await get({ Range: range });
        assert.equal(response.status, 200);
        assert.ok(response.bytes.equals(bytes));
      });
    }

    test("If-Range with the stored ETag selects the range, with any other value the complete file", async () => {
      for (const [condition, status] of [[etag, 206], [modified, 206], ['"other"', 200], [`W/${etag}`, 200]]) {
        const response = await get({ Range: "bytes=5-", "If-Range": condition });
        assert.equal(response.status, status, condition);
        assert.ok(response.bytes.equals(status === 206 ? bytes.subarray(5) : bytes));
      }
    });

    test("If-None-Match with the stored ETag is 304, without a body", async () => {
      for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        for (const method of ["GET", "HEAD"]) {
          const response = await get({ "If-None-Match": condition, Range: "bytes=0-1" }, method);
          assert.equal(response.status, 304, condition);
          assert.equal(response.bytes.length, 0);
          assert.equal(response.headers.etag, etag);
        }
      }
      assert.equal((await get({ "If-None-Match": '"other"' })).status, 200);
    });

    test("HEAD ignores the range", async () => {
      const response = await get({ Range: "bytes=0-1" }, "HEAD");
      assert.equal(response.status, 200);
      assert.equal(response.headers["content-length"], String(size));
    });
  });
}
