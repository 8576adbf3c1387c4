// Runs tests/client/run.py against the built Worker: starts it, and beside it a control server
// through which the tests fill and empty its storage. Arguments are those of run.py. Without any,
// all modules are run, several at once, and what tests/client/sites.py has on a Worker with sites;
// with --short or --rest, the share of these tests that tests/client/pythons.py says.

import { readdirSync, statSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { attend } from "../../scripts/run.mjs";
import { startWorker } from "../e2e/harness.mjs";

const SITE = "amsterdam-token-0123456789";
/** How long an instance of the Worker remembers what it has read. */
const MAX_AGE_MS = 10_000;
/** Modules at once. */
const LANES = 4;

const SHARES = { "--short": "short", "--rest": "rest" };

const args = process.argv.slice(2);
const share = SHARES[args[0]];
process.exit(Math.max(...(share || args.length === 0 ? await testAll() : [await withServer({}, (server) => test(server, args))])));

/** Everything, or a share of it, several modules at once, since the tests mostly wait: the longest file first. */
async function testAll() {
  const size = (name) => statSync(join(import.meta.dirname, name)).size;
  const files = readdirSync(import.meta.dirname).filter((name) => /^test_.*\.py$/.test(name));
  files.sort((one, other) => size(other) - size(one));
  const statuses = [];
  const lane = async (server) => {
    while (files.length > 0) {
      statuses.push(await test(server, [files.shift().replace(".py", "")]));
      await server.worker.reset();
    }
  };
  const sites = async (server) => statuses.push(await test(server, ["sites"], `/t/${SITE}`));
  const lanes = Array.from({ length: LANES }, () => withServer({}, lane));
  // Each test of sites.py runs once.
  if (share !== "rest") lanes.push(withServer({ ZTP_TOKENS: `amsterdam=${SITE}` }, sites));
  await Promise.all(lanes);
  return statuses;
}

/** Starts a Worker with these secrets, and its control server, while `use` runs. Returns what that does. */
async function withServer(secrets, use) {
  // The clock: no test waits until a cached value expires.
  const worker = await startWorker({ secrets, bundle: "bundle-clock" });
  const control = http.createServer((request, response) => {
    answer(worker, request).then(
      ({ status, body }) => response.writeHead(status).end(body),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise((resolve) => control.listen(0, "127.0.0.1", resolve));
  const done = await use({ worker, control: `http://127.0.0.1:${control.address().port}` });
  control.close();
  await worker.stop();
  return done;
}

/** Runs run.py against a server, whose paths are below `prefix`. Resolves to its exit status. */
function test({ worker, control }, args, prefix = "") {
  const settings = { ZTP_TEST_URL: `${worker.url.origin}${prefix}`, ZTP_TEST_CONTROL: control, ZTP_TEST_SHARE: share ?? "" };
  return attend("python3", ["tests/client/run.py", ...args], { env: { ...process.env, ...settings } });
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
