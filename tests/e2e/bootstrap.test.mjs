// GET /bootstrap and GET /bootstrap/config.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertRefusal, assertSameForHead, startWorker } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startWorker({ forgetful: true });
});
after(() => worker.stop());
beforeEach(() => worker.clear());

describe("GET /bootstrap", () => {
  test("serves the built-in script if none is stored", async () => {
    const response = await worker.request("GET", "/bootstrap");
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-type"], "text/x-python");
    assert.equal(Number(response.headers["content-length"]), response.bytes.length);
    assert.match(response.text, /^#!/);
    assert.ok(response.text.includes(`"${worker.url.origin}"`), "$SERVER is the URL that was asked");
    await assertSameForHead(worker, "/bootstrap", response);
  });

  test("replaces $SERVER in the stored script, by the rules of string.Template.safe_substitute", async () => {
    await worker.kv.put("bootstrap/bootstrap", "a=$SERVER b=${SERVER} c=$$SERVER d=$OTHER e=$SERVERS f=5$");
    const response = await worker.request("GET", "/bootstrap");
    const url = worker.url.origin;
    assert.equal(response.text, `a=${url} b=${url} c=$SERVER d=$OTHER e=$SERVERS f=5$`);
  });

  test("serves a script without $SERVER, and warns in the log", async () => {
    await worker.kv.put("bootstrap/bootstrap", "print('hello')\n");
    worker.logs();
    const response = await worker.request("GET", "/bootstrap");
    assert.equal(response.status, 200);
    assert.equal(response.text, "print('hello')\n");
    const line = worker.requests().at(-1);
    assert.match(line.warning, /does not contain \$SERVER/);
  });

  test("serves an empty stored script unchanged", async () => {
    await worker.kv.put("bootstrap/bootstrap", "");
    const response = await worker.request("GET", "/bootstrap");
    assert.equal(response.status, 200);
    assert.equal(response.bytes.length, 0);
  });

  test("refuses a stored script that is not text", async () => {
    await worker.kv.put("bootstrap/bootstrap", new Uint8Array([0xff, 0xfe, 0x00]));
    assertRefusal(await worker.request("GET", "/bootstrap"), 400, /bootstrap\/bootstrap is not UTF-8/);
  });

  test("ignores a body and a content type on a GET", async () => {
    const headers = { "Content-Type": "text/html", "Content-Length": "4" };
    const response = await worker.request("GET", "/bootstrap", { body: "null", headers });
    assert.equal(response.status, 200);
  });
});

describe("GET /bootstrap/config", () => {
  test("has logging and xmpp if nothing is stored", async () => {
    const response = await worker.request("GET", "/bootstrap/config");
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-type"], "application/json");
    assert.deepEqual(response.json, { logging: [], xmpp: {} });
    await assertSameForHead(worker, "/bootstrap/config", response);
  });

  for (const [name, stored, expected] of [
    ["an empty file", "", { logging: [], xmpp: {} }],
    ["a file of comments", "# nothing yet\n", { logging: [], xmpp: {} }],
    [
      "logging alone",
      "logging:\n  - destination: ztps.example.net:514\n    level: DEBUG\n",
      { logging: [{ destination: "ztps.example.net:514", level: "DEBUG" }], xmpp: {} },
    ],
    [
      "xmpp alone",
      "xmpp:\n  server: x.example.net\n  rooms: [ztps]\n",
      { logging: [], xmpp: { server: "x.example.net", rooms: ["ztps"] } },
    ],
    ["keys without a value", "logging:\nxmpp:\n", { logging: [], xmpp: {} }],
  ]) {
    test(`has both for ${name}`, async () => {
      await worker.kv.put("bootstrap/bootstrap.conf", stored);
      const response = await worker.request("GET", "/bootstrap/config");
      assert.equal(response.status, 200);
      assert.deepEqual(response.json, expected);
    });
  }

  for (const [name, stored] of [
    ["YAML that does not parse", "logging: [\n"],
    ["a list", "- logging\n"],
    ["a logging that is not a list", "logging: yes\n"],
    ["an xmpp that is not a mapping", "xmpp: [a]\n"],
  ]) {
    test(`refuses ${name}`, async () => {
      await worker.kv.put("bootstrap/bootstrap.conf", stored);
      assertRefusal(await worker.request("GET", "/bootstrap/config"), 400, /bootstrap\.conf/);
    });
  }
});
