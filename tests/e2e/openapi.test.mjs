// GET /openapi.yaml describes every route that there is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { assertSameForHead, startWorker } from "./harness.mjs";

test("the description has every route of the code, and no other", async (t) => {
  const worker = await startWorker();
  t.after(() => worker.stop());
  const answer = await worker.request("GET", "/openapi.yaml");
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "application/yaml");
  assert.equal(answer.text, readFileSync(join(root, "assets/openapi.yaml"), "utf8"));
  await assertSameForHead(worker, "/openapi.yaml", answer);

  const described = [...answer.text.matchAll(/^ {2}(\/\S*):$/gm)].map(([, path]) => path);
  const sources = ["src/routes.rs", "src/routes/meta.rs", "src/routes/admin.rs"].map((path) => readFileSync(join(root, path), "utf8"));
  // A shape is the one string literal that begins with a slash and a letter.
  const shapes = [...sources.join("\n").matchAll(/(?:=>|\() ?"(\/[a-z][^"]*)"/g)].map(([, shape]) => shape);
  assert.ok(shapes.length > 10);
  assert.deepEqual(described.sort(), [...new Set(shapes)].sort());
});
