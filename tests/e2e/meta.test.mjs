// GET /meta/{actions|files|nodes}/{path}.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertSameForHead, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

const metaOf = (bytes) => ({ size: bytes.length, sha1: createHash("sha1").update(bytes).digest("hex") });

async function assertMeta(path, bytes) {
  const response = await worker.request("GET", path);
  assert.equal(response.status, 200, response.text);
  assert.equal(response.headers["content-type"], "application/json");
  const { size, sha1 } = response.json;
  assert.deepEqual({ size, sha1 }, metaOf(bytes));
  await assertSameForHead(worker, path, response);
}

describe("GET /meta", () => {
  for (const [name, bytes] of [
    ["an empty object", Buffer.alloc(0)],
    ["a binary object", Buffer.from(Uint8Array.from({ length: 200_000 }, (_, at) => (at * 7) % 256))],
    ["text", Buffer.from("!\nhostname ü\n")],
  ]) {
    test(`hashes ${name} in R2`, async () => {
      await worker.r2.put("files/a b/x", bytes);
      await assertMeta("/meta/files/a%20b/x", bytes);
    });

    test(`hashes ${name} in KV`, async () => {
      await worker.kv.put("nodes/JPE1/startup-config", bytes);
      await assertMeta("/meta/nodes/JPE1/startup-config", bytes);
    });
  }

  test("uses the checksum that the uploader gave to R2", async () => {
    const bytes = Buffer.from("an image");
    const { sha1 } = metaOf(bytes);
    await worker.r2.put("files/x.swi", bytes, { sha1 });
    await assertMeta("/meta/files/x.swi", bytes);
  });

  test("is the metadata of the stock action until an object replaces it", async () => {
    const stock = await worker.request("GET", "/actions/add_config");
    await assertMeta("/meta/actions/add_config", stock.bytes);
    await worker.clear();
    await worker.r2.put("actions/add_config", "mine");
    await assertMeta("/meta/actions/add_config", Buffer.from("mine"));
  });

  test("has a SHA-256 if the uploader gave one", async () => {
    const bytes = Buffer.from("an image");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await worker.r2.put("files/x.swi", bytes, { sha256 });
    await assertMeta("/meta/files/x.swi", bytes);
    assert.equal((await worker.request("GET", "/meta/files/x.swi")).json.sha256, sha256);
  });

  test("ignores a stored hash of another size", async () => {
    const customMetadata = { sha1: "f0578f1e7174b1a41c4ea8c6e17f7a8a3b88c92a", "sha1-size": "9" };
    await worker.r2.put("files/x", "12345678", { customMetadata });
    await assertMeta("/meta/files/x", Buffer.from("12345678"));
  });

  test("serves every record of a node", async () => {
    for (const record of [".node", "definition", "pattern", "attributes", "startup-config", "config-handler"]) {
      await worker.kv.put(`nodes/001122334455/${record}`, `the ${record}`);
      await assertMeta(`/meta/nodes/001122334455/${record}`, Buffer.from(`the ${record}`));
    }
  });

  for (const path of [
    "/meta/files/none",
    "/meta/files/",
    "/meta/files/a/%2e%2e%2f%2e%2e",
    "/meta/actions/none",
    "/meta/actions/a/b",
    "/meta/nodes/JPE1/startup-config",
    "/meta/nodes/JPE1/other",
    "/meta/nodes/JPE1/a/b",
    "/meta/nodes/JPE1",
    "/meta/nodes/a%2Fb/definition",
  ]) {
    test(`is 500 with a JSON object for ${path}`, async () => {
      const response = await worker.request("GET", path);
      assert.equal(response.status, 500);
      assert.match(response.headers["content-type"], /^text\/html(;|$)/);
      assert.match(response.json.error, /is not stored/);
      await assertSameForHead(worker, path, { ...response, headers: { ...response.headers, "content-length": String(response.bytes.length) } });
    });
  }

  test("escapes the path in HTML", async () => {
    const response = await worker.request("GET", "/meta/files/%3Cscript%3E%26");
    assert.ok(!/[<>&]/.test(response.text), response.text);
    assert.ok(response.json.error.includes("<script>&"));
  });

  test("is not found for other folders", async () => {
    await worker.kv.put("neighbordb", "x");
    for (const path of ["/meta/neighbordb", "/meta/definitions/x", "/meta", "/meta/files", "/meta/nodes"]) {
      assert.equal((await worker.request("GET", path)).status, 404, path);
    }
  });
});
