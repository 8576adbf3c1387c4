// Runs the tests of the client (run.py, with its arguments) against the built Worker on real
// workerd, and gives them its storage: PUT, GET and DELETE kv/KEY and r2/KEY, POST reset.

import http from "node:http";
import { join } from "node:path";
import { attend, environment, root } from "../../scripts/run.mjs";
import { startWorker } from "../e2e/harness.mjs";

const worker = await startWorker();
const control = http.createServer((request, response) => {
  answer(request).then(
    ({ status = 200, body = "" }) => response.writeHead(status).end(body),
    (error) => response.writeHead(500).end(String(error)),
  );
});
await new Promise((resolve) => control.listen(0, "127.0.0.1", resolve));

const status = await attend("python3", [join(root, "tests", "client", "run.py"), ...process.argv.slice(2)], {
  env: environment({
    ZTP_TEST_URL: String(worker.url).replace(/\/$/, ""),
    ZTP_TEST_CONTROL: `http://127.0.0.1:${control.address().port}`,
  }),
});
control.close();
await worker.stop();
process.exit(status);

async function answer(request) {
  const path = decodeURIComponent(request.url.slice(1));
  if (request.method === "POST" && path === "reset") {
    await Promise.all([empty(worker.kv, "keys", "name"), empty(worker.r2, "objects", "key")]);
    return {};
  }
  const [, store, key] = path.match(/^(kv|r2)\/(.+)$/s) ?? [];
  if (!key) return { status: 404 };
  const stored = worker[store];
  if (request.method === "PUT") await stored.put(key, await bytes(request));
  else if (request.method === "DELETE") await stored.delete(key);
  else {
    const value = store === "kv" ? await stored.get(key, "arrayBuffer") : await (await stored.get(key))?.arrayBuffer();
    return value ? { body: Buffer.from(value) } : { status: 404 };
  }
  return {};
}

/** Deletes all that a store lists. The Worker itself runs on, and keeps its URL. */
async function empty(store, list, name) {
  for (let page, cursor; !page || cursor; cursor = page.cursor) {
    page = await store.list({ cursor });
    for (const entry of page[list]) await store.delete(entry[name]);
  }
}

async function bytes(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
