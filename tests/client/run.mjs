// Runs tests/client/run.py against the built Worker: starts it, and beside it a control server
// through which the tests fill and empty its storage. Arguments are those of run.py. Without any,
// each module is run on a Worker of its own, and what tests/client/sites.py has on a Worker with sites.

import { readdirSync, statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { attend } from "../../scripts/run.mjs";
import { startWorker } from "../e2e/harness.mjs";

const SITE = "amsterdam-token-0123456789";
/** How long an instance of the Worker remembers what it has read. */
const MAX_AGE_MS = 10_000;
/** Modules at once. */
const LANES = 5;

const args = process.argv.slice(2);
process.exit(Math.max(...(args.length > 0 ? [await test({}, "", args)] : await testAll())));

/** Everything, several modules at once, since the tests mostly wait: the longest file first. */
async function testAll() {
  const size = (name) => statSync(join(import.meta.dirname, name)).size;
  const files = readdirSync(import.meta.dirname).filter((name) => /^test_.*\.py$/.test(name));
  files.sort((one, other) => size(other) - size(one));
  const runs = files.map((name) => () => test({}, "", [name.replace(".py", "")]));
  runs.push(() => test({ ZTP_TOKENS: `amsterdam=${SITE}` }, `/t/${SITE}`, ["sites"]));
  const statuses = [];
  const lane = async () => {
    while (runs.length > 0) statuses.push(await runs.shift()());
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return statuses;
}

/** Runs run.py against a Worker with these secrets, whose paths are below `prefix`. */
async function test(secrets, prefix, args) {
  // The clock: no test waits until a cached value expires.
  const worker = await startWorker({ secrets, bundle: "bundle-clock" });
  const control = http.createServer((request, response) => {
    answer(worker, request).then(
      ({ status, body }) => response.writeHead(status).end(body),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise((resolve) => control.listen(0, "127.0.0.1", resolve));
  const settings = {
    ZTP_TEST_URL: `${worker.url.origin}${prefix}`,
    ZTP_TEST_CONTROL: `http://127.0.0.1:${control.address().port}`,
  };
  const env = { ...process.env, ...settings };
  const status = await attend("python3", ["tests/client/run.py", ...args], { env });
  control.close();
  await worker.stop();
  return status;
}

/** POST /reset and /forget; PUT, GET and DELETE /kv/KEY and /r2/KEY. */
async function answer(worker, request) {
  const [, store, ...rest] = decodeURIComponent(request.url).split("/");
  const key = rest.join("/");
  const stores = { kv: worker.kv, r2: worker.r2 };
  if (request.method === "POST" && store === "reset") {
    await worker.clear();
    return { status: 204 };
  }
  if (request.method === "POST" && store === "forget") {
    await worker.advance(MAX_AGE_MS);
    return { status: 204 };
  }
  switch (request.method) {
    case "PUT": {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      await stores[store].put(key, Buffer.concat(chunks));
      return { status: 204 };
    }
    case "DELETE":
      await stores[store].delete(key);
      return { status: 204 };
    default: {
      const found = store === "kv" ? await worker.kv.get(key, "arrayBuffer") : await (await worker.r2.get(key))?.arrayBuffer();
      return found ? { status: 200, body: Buffer.from(found) } : { status: 404 };
    }
  }
}
