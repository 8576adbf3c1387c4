// Rules for every path: methods, unknown paths, settings, bindings, the log.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertRefusal, facts, startWorker } from "./harness.mjs";

const NODE = "nodes/JPE1/startup-config";

describe("every path", () => {
  let worker;
  before(async () => {
    worker = await startWorker();
  });
  after(() => worker.stop());

  const READ = "GET, HEAD";
  for (const [path, allow, refused] of [
    ["/bootstrap", READ, ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]],
    ["/bootstrap/config", READ, ["POST"]],
    ["/nodes", "POST", ["GET", "HEAD", "PUT"]],
    ["/nodes/JPE1", READ, ["PUT", "DELETE"]],
    ["/nodes/JPE1/startup-config", "GET, HEAD, PUT", ["POST", "DELETE"]],
    ["/actions/add_config", READ, ["PUT"]],
    ["/files/x", READ, ["PUT", "DELETE"]],
    ["/meta/files/x", READ, ["POST"]],
  ]) {
    test(`${path} allows only ${allow}`, async () => {
      for (const method of refused) {
        const response = await worker.request(method, path, { body: method === "GET" ? undefined : "x" });
        assert.equal(response.status, 405, method);
        assert.equal(response.headers.allow, allow);
        if (method !== "HEAD") assertRefusal(response, 405, /method not allowed; use/);
      }
    });
  }

  for (const path of ["/", "/Bootstrap", "/bootstrap/", "/bootstrap/other", "//bootstrap", "/node", "/nodes/", "/nodes/a/", "/nodes//startup-config", "/nodes/a/b", "/nodes/a/definition", "/actions", "/actions/", "/actions/a/b", "/files", "/meta", "/neighbordb", "/favicon.ico", "/%62ootstrap/x"]) {
    test(`${path} is not found`, async () => {
      for (const method of ["GET", "POST"]) assertRefusal(await worker.request(method, path), 404, /nothing at this path/);
    });
  }

  test("never redirects", async () => {
    for (const path of ["/bootstrap/", "/nodes/", "/files/a/"]) {
      const response = await worker.request("GET", path);
      assert.ok(response.status >= 400 && response.headers.location === undefined, path);
    }
  });

  test("logs one JSON line per request, with its route, node, status, reason and time", async () => {
    await worker.kv.put(NODE, "x");
    worker.logs();
    await worker.request("GET", "/nodes/JPE1?secret=1");
    await worker.request("GET", "/nodes/JPE2");
    await worker.request("PUT", "/bootstrap", { body: "x" });
    await worker.request("GET", "/wp-login.php");
    const lines = worker.requests();
    assert.deepEqual(
      lines.map(({ method, route, node, status }) => ({ method, route, node, status })),
      [
        { method: "GET", route: "/nodes/{id}", node: "JPE1", status: 200 },
        { method: "GET", route: "/nodes/{id}", node: "JPE2", status: 400 },
        { method: "PUT", route: "/bootstrap", node: undefined, status: 405 },
        { method: "GET", route: undefined, node: undefined, status: 404 },
      ],
    );
    assert.equal(lines[0].reason, undefined);
    assert.match(lines[1].reason, /JPE2 is not known/);
    for (const line of lines) assert.equal(typeof line.duration_ms, "number");
    assert.ok(!JSON.stringify(lines).includes("secret"));
  });
});

describe("SERVER_URL", () => {
  for (const [setting, prefix] of [
    ["https://ztp.example.net", ""],
    ["https://example.net:8443/site/ztp/", "/site/ztp"],
  ]) {
    test(`${setting} is the start of every URL`, async (t) => {
      const worker = await startWorker({ vars: { SERVER_URL: setting } });
      t.after(() => worker.stop());
      const url = setting.replace(/\/$/, "");
      await worker.kv.put(NODE, "x");
      // A proxy may remove the prefix, or keep it.
      for (const base of new Set(["", prefix])) {
        assert.ok((await worker.request("GET", `${base}/bootstrap`)).text.includes(`"${url}"`));
        const posted = await worker.request("POST", `${base}/nodes`, { body: JSON.stringify(facts("JPE1")) });
        assert.equal(posted.headers.location, `${url}/nodes/JPE1`);
        const { json } = await worker.request("GET", `${base}/nodes/JPE1`);
        assert.equal(json.actions[0].attributes.url, `${url}/nodes/JPE1/startup-config`);
      }
      if (prefix) assert.equal((await worker.request("GET", `${prefix}x/bootstrap`)).status, 404);
    });
  }

  test("auto is the Host of the request", async (t) => {
    const worker = await startWorker();
    t.after(() => worker.stop());
    const response = await worker.request("GET", "/bootstrap", { headers: { Host: "ztp.example.net" } });
    assert.ok(response.text.includes('"http://ztp.example.net"'));
  });
});

describe("an invalid deployment", () => {
  for (const [name, options, reason] of [
    ["SERVER_URL", { vars: { SERVER_URL: "ztp.example.net" } }, /SERVER_URL is .*ztp\.example\.net.*must be/],
    ["IDENTIFIER", { vars: { IDENTIFIER: "mac" } }, /IDENTIFIER is .*must be .*systemmac/],
    ["DISABLE_TOPOLOGY_VALIDATION", { vars: { DISABLE_TOPOLOGY_VALIDATION: "maybe" } }, /DISABLE_TOPOLOGY_VALIDATION/],
    ["the binding ZTP_DATA", { without: "kv_namespaces" }, /binding ZTP_DATA is missing.*npm run deploy/],
    ["the binding ZTP_FILES", { without: "r2_buckets" }, /binding ZTP_FILES is missing.*npm run deploy/],
  ]) {
    test(`reports the problem with ${name}, and how to fix it`, async (t) => {
      const worker = await startWorker(options);
      t.after(() => worker.stop());
      for (const [method, path] of [["GET", "/bootstrap"], ["GET", "/files/x"], ["POST", "/nodes"]]) {
        assertRefusal(await worker.request(method, path), 500, reason);
      }
      assert.match(worker.requests().at(-1).reason, reason);
    });
  }
});
