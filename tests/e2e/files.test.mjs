// GET /files/{path} and GET /actions/{name}.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, assertSameForHead, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

/** Names that a switch may ask for, as they go over the wire and as they are stored. */
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
  test("passes a binary object through, byte for byte, with its length", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 31) % 256);
    await worker.r2.put("files/images/x.swi", bytes);
    const answer = await worker.request("GET", "/files/images/x.swi");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "text/plain");
    assert.equal(answer.headers["content-length"], "70000");
    assert.match(answer.headers["cache-control"], /no-transform/);
    assert.equal(answer.headers["content-encoding"], undefined);
    assert.ok(answer.bytes.equals(bytes));
    await assertSameForHead(worker, "/files/images/x.swi", answer);
  });

  test("serves an empty object", async () => {
    await worker.r2.put("files/empty", "");
    const answer = await worker.request("GET", "/files/empty");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-length"], "0");
    assert.equal(answer.bytes.length, 0);
    await assertSameForHead(worker, "/files/empty", answer);
  });

  for (const [wire, stored] of ODD_NAMES) {
    test(`serves ${stored} asked for as ${wire}`, async () => {
      await worker.r2.put(`files/${stored}`, stored);
      const answer = await worker.request("GET", `/files/${wire}?ignored=1`);
      assert.equal(answer.status, 200);
      assert.equal(answer.text, stored);
    });
  }

  test("says which file is missing", async () => {
    assertRefusal(await worker.request("GET", "/files/images/none.swi"), 404, /images\/none\.swi/);
    const head = await worker.request("HEAD", "/files/images/none.swi");
    assert.equal(head.status, 404);
    assert.equal(head.bytes.length, 0);
  });

  for (const path of ["%2e%2e/nodes/X/startup-config", "a/%2e%2e%2f%2e%2e/x", "..%2fneighbordb", "%2e", "", "/x", "x/", "%00", "%ff", "%", `${"a".repeat(1100)}`]) {
    test(`has nothing at /files/${path.length > 60 ? `${path.slice(0, 8)}… (${path.length} bytes)` : path}`, async () => {
      await worker.kv.put("nodes/X/startup-config", "secret");
      await worker.kv.put("neighbordb", "secret");
      const answer = await worker.request("GET", `/files/${path}`);
      assert.ok(!answer.text.includes("secret") || answer.headers["content-type"] === "text/plain");
      // The runtime resolves plain dot segments before the Worker sees the path: what is left is
      // a path like any other.
      if (path.startsWith("%2e%2e/")) assert.equal(answer.text, "secret");
      else assertRefusal(answer, 404, /nothing|not found/);
    });
  }
});

describe("GET /actions/{name}", () => {
  test("serves the stock actions while none is stored", async () => {
    for (const name of ["add_config", "replace_config"]) {
      const answer = await worker.request("GET", `/actions/${name}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["content-type"], "text/x-python");
      assert.match(answer.text, /def main\(attributes\)/);
      await assertSameForHead(worker, `/actions/${name}`, answer);
    }
  });

  test("prefers the R2 object to the stock action of its name", async () => {
    await worker.r2.put("actions/add_config", "def main(attributes):\n    pass\n");
    const answer = await worker.request("GET", "/actions/add_config");
    assert.equal(answer.headers["content-type"], "text/x-python");
    assert.equal(answer.text, "def main(attributes):\n    pass\n");
    await assertSameForHead(worker, "/actions/add_config", answer);
  });

  test("serves an action whose name is odd", async () => {
    for (const [wire, stored] of [["%C3%BC%20x.py", "ü x.py"], ["..a", "..a"]]) {
      await worker.r2.put(`actions/${stored}`, stored);
      assert.equal((await worker.request("GET", `/actions/${wire}`)).text, stored);
    }
  });

  test("says which action is missing", async () => {
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
