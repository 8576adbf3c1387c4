// GET /files/{path} and GET /actions/{name}.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, assertSameForHead, send, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

/** Names that a switch may request: as sent, and as stored. */
const ODD_NAMES = [
  ["images/EOS-4.14.5F.swi", "images/EOS-4.14.5F.swi"],
  ["a%20b/c%20d", "a b/c d"],
  ["%C3%BC.template", "ü.template"],
  ["a%2Fb", "a/b"],
  [".hidden", ".hidden"],
  ["...", "..."],
  ["100%25", "100%"],
  ["a+b&c=d;e", "a+b&c=d;e"],
];

describe("GET /files/{path}", () => {
  test("sends a binary object byte for byte, with its length", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 31) % 256);
    await worker.r2.put("files/images/x.swi", bytes);
    const response = await worker.request("GET", "/files/images/x.swi");
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-type"], "text/plain");
    assert.equal(response.headers["content-length"], "70000");
    assert.match(response.headers["cache-control"], /no-transform/);
    assert.equal(response.headers["content-encoding"], undefined);
    assert.ok(response.bytes.equals(bytes));
    await assertSameForHead(worker, "/files/images/x.swi", response);
  });

  test("serves an empty object", async () => {
    await worker.r2.put("files/empty", "");
    const response = await worker.request("GET", "/files/empty");
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-length"], "0");
    assert.equal(response.bytes.length, 0);
    await assertSameForHead(worker, "/files/empty", response);
  });

  for (const [wire, stored] of ODD_NAMES) {
    test(`serves ${stored} at the path ${wire}`, async () => {
      await worker.r2.put(`files/${stored}`, stored);
      const response = await worker.request("GET", `/files/${wire}?ignored=1`);
      assert.equal(response.status, 200);
      assert.equal(response.text, stored);
    });
  }

  test("names the missing file", async () => {
    assertRefusal(await worker.request("GET", "/files/images/none.swi"), 404, /images\/none\.swi/);
    const head = await worker.request("HEAD", "/files/images/none.swi");
    assert.equal(head.status, 404);
    assert.equal(head.bytes.length, 0);
  });

  for (const path of ["%2e%2e/nodes/X/startup-config", "a/%2e%2e%2f%2e%2e/x", "..%2fneighbordb", "%2e", "", "/x", "x/", "%00", "%ff", "%", `${"a".repeat(1100)}`]) {
    test(`has nothing at /files/${path.length > 60 ? `${path.slice(0, 8)}… (${path.length} bytes)` : path}`, async () => {
      await worker.kv.put("nodes/X/startup-config", "secret");
      await worker.kv.put("neighbordb", "secret");
      const response = await worker.request("GET", `/files/${path}`);
      assert.ok(!response.text.includes("secret") || response.headers["content-type"] === "text/plain");
      assertRefusal(response, 404, /nothing|not found/);
      // Cloudflare resolves literal dot segments before the Worker receives the path. The result is an ordinary path.
      if (path.startsWith("%2e%2e/")) assert.equal((await send(await worker.edge(), "GET", `/files/${path}`)).text, "secret");
    });
  }
});

describe("GET /actions/{name}", () => {
  test("serves the stock actions if none is stored", async () => {
    for (const name of ["add_config", "replace_config"]) {
      const response = await worker.request("GET", `/actions/${name}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers["content-type"], "text/x-python");
      assert.match(response.text, /def main\(attributes\)/);
      await assertSameForHead(worker, `/actions/${name}`, response);
    }
  });

  test("serves an R2 object instead of the stock action of its name", async () => {
    await worker.r2.put("actions/add_config", "def main(attributes):\n    pass\n");
    const response = await worker.request("GET", "/actions/add_config");
    assert.equal(response.headers["content-type"], "text/x-python");
    assert.equal(response.text, "def main(attributes):\n    pass\n");
    await assertSameForHead(worker, "/actions/add_config", response);
  });

  test("serves an action with an unusual name", async () => {
    for (const [wire, stored] of [["%C3%BC%20x.py", "ü x.py"], ["..a", "..a"]]) {
      await worker.r2.put(`actions/${stored}`, stored);
      assert.equal((await worker.request("GET", `/actions/${wire}`)).text, stored);
    }
  });

  test("names the missing action", async () => {
    assertRefusal(await worker.request("GET", "/actions/dance"), 404, /dance/);
  });

  for (const path of ["a%2Fb", "%2e%2e%2ffiles%2fx", "%00", ""]) {
    test(`has no action called ${path || "nothing"}`, async () => {
      await worker.r2.put("files/x", "secret");
      await worker.r2.put("actions/a/b", "secret");
      assertRefusal(await worker.request("GET", `/actions/${path}`), 404, /not found|nothing/);
    });
  }
});
