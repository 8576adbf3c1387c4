// The built Worker on real workerd, with a KV, an R2 and pools whose operations fail as Faults decides.

import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { freePort, root } from "../../scripts/run.mjs";
import { FaultyKv } from "../e2e/faults.mjs";
import { configuredOptions } from "../e2e/options.mjs";
import { DEFAULTS } from "../e2e/settings.mjs";
import { POOL } from "./content.mjs";
import { Faults } from "./faults.mjs";
import { FaultyR2 } from "./r2.mjs";

const BUNDLE = join(root, "build", "bundle");
/** Milliseconds that a KV operation takes, about as long as a real one that is not cached. */
const [READ_DELAY, WRITE_DELAY] = [8, 60];
/** Milliseconds for which connections of the runtime stay open: longer than any run. */
const KEEP_ALIVE = 3_600_000;
const HERE = join(root, "tests", "site");

/**
 * Starts it with `{ kv, r2 }` stored. `bindings` are added to wrangler.toml's; `staleFor` (milliseconds) is
 * that of FaultyKv.
 */
export async function startStored(content, { bindings, seed, staleFor }) {
  const faults = new Faults(seed);
  const kv = new FaultyKv({
    oneWritePerSecond: true,
    staleFor,
    delay: ({ operation }) => (operation === "put" ? WRITE_DELAY : READ_DELAY),
    fails({ operation, keys, body }) {
      const failure = faults.next("kv", operation, keys[0]);
      if (failure === "after" && operation === "put") kv.put(keys[0], body);
      return failure && 500;
    },
  });
  const r2 = new FaultyR2();
  r2.fails = ({ operation, key }) => faults.next("r2", operation, key);
  for (const [key, value] of Object.entries(content.kv)) await kv.put(key, value);
  for (const [key, bytes] of Object.entries(content.r2)) r2.put(key, bytes);

  const storage = await serve(await kv.start(), r2);
  const port = await freePort();
  const workerOptions = await configuredOptions();
  const entries = [];
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      structuredWorkerdLogs: true,
      handleStructuredLogs: ({ level, message }) => entries.push({ level, message }),
      workers: [
        {
          ...workerOptions,
          name: "site",
          modules: modules(),
          bindings: { ...workerOptions.bindings, ...DEFAULTS, ...bindings, SITE_TEST_SEED: seed, SITE_TEST_POOL: POOL },
          kvNamespaces: { ZTP_DATA: { id: "ZTP_DATA", remoteProxyConnectionString: storage.url } },
          r2Buckets: { ZTP_FILES: { id: "ZTP_FILES", remoteProxyConnectionString: storage.url } },
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  return {
    origin: `http://127.0.0.1:${port}`,
    kv,
    faults,
    /** The log of the Worker and the runtime: `{ level, message }`. */
    entries,
    async stop() {
      await miniflare.dispose();
      await storage.stop();
      await kv.stop();
    },
  };
}

/** One server for both stores, since Miniflare takes one URL per Worker. It forwards to that of the KV. */
async function serve(kvUrl, r2) {
  const server = http.createServer((request, response) => {
    if (request.headers["mf-binding"] === "ZTP_FILES") return r2.serve(request, response);
    const { method, headers, url: path } = request;
    const forwarded = http.request({ hostname: kvUrl.hostname, port: kvUrl.port, agent: false, method, headers, path }, (forwardedResponse) => {
      response.writeHead(forwardedResponse.statusCode, forwardedResponse.headers);
      forwardedResponse.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    return request.pipe(forwarded);
  });
  // A connection closed while the runtime reuses it would be a fault that nobody injected.
  server.keepAliveTimeout = KEEP_ALIVE;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: new URL(`http://127.0.0.1:${server.address().port}`),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The main module comes first. */
function modules() {
  const module = (folder, name, type = "ESModule") => ({ type, path: name, contents: readFileSync(join(folder, name)) });
  const wasm = readdirSync(BUNDLE).filter((name) => name.endsWith(".wasm"));
  return [module(HERE, "pools.mjs"), module(HERE, "faults.mjs"), module(BUNDLE, "index.js"), ...wasm.map((name) => module(BUNDLE, name, "CompiledWasm"))];
}
