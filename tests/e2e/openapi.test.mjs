// GET /openapi.yaml. A host test in src/routes.rs checks that it has every route of the table.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { assertSameForHead, startWorker } from "./harness.mjs";

test("the description is served byte for byte", async (t) => {
  const worker = await startWorker();
  t.after(() => worker.stop());
  const response = await worker.request("GET", "/openapi.yaml");
  assert.equal(response.status, 200);
  assert.equal(response.headers["content-type"], "application/yaml");
  assert.equal(response.text, readFileSync(join(root, "assets/openapi.yaml"), "utf8"));
  await assertSameForHead(worker, "/openapi.yaml", response);
});

test("the description has the methods of each path", async (t) => {
  const ADMIN = "an-admin-token-of-enough-length";
  const worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: ADMIN } });
  t.after(() => worker.stop());
  const text = readFileSync(join(root, "assets/openapi.yaml"), "utf8");
  const blocks = text.split(/^components:/m)[0].split(/^ {2}(?=\/)/m).slice(1);
  for (const block of blocks) {
    const shape = block.slice(0, block.indexOf(":\n"));
    const described = [...block.matchAll(/^ {4}(get|put|post|delete):$/gm)].map(([, method]) => method.toUpperCase());
    const path = shape.replaceAll(/\{\w+\}/g, "x");
    const refused = await worker.request("PATCH", path, { headers: { Authorization: `Bearer ${ADMIN}` } });
    assert.equal(refused.status, 405, shape);
    const allowed = refused.headers.allow.split(", ").filter((method) => method !== "HEAD");
    assert.deepEqual(described.sort(), allowed.sort(), shape);
  }
});
