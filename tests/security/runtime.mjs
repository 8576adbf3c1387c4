// The built Worker directly on workerd's socket: it must receive hostile requests unchanged, and the proxy of
// the dev server, or its router for static assets, would respond to some of them.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Miniflare, Response, convertV4MiniflareOptions } from "miniflare";
import { freePort, root } from "../../scripts/run.mjs";
import { send } from "../e2e/harness.mjs";
import { configuredOptions } from "../e2e/options.mjs";
import { DEFAULTS } from "../e2e/settings.mjs";

const BUNDLE = join(root, "build", "bundle");

/** Starts a Worker with empty storage; `bindings` (settings, secrets) are added to wrangler.toml's. */
export async function startDirectly(bindings = {}) {
  const port = await freePort();
  const { assets, ...workerOptions } = await configuredOptions();
  const lines = [];
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      structuredWorkerdLogs: true,
      handleStructuredLogs: ({ message }) => lines.push(message),
      workers: [
        {
          ...workerOptions,
          name: "attacked",
          modules: modules(),
          bindings: { ...workerOptions.bindings, ...DEFAULTS, ...bindings },
          serviceBindings: { ...workerOptions.serviceBindings, [assets.binding]: file },
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  const url = new URL(`http://127.0.0.1:${port}`);
  return {
    url,
    kv: await miniflare.getKVNamespace("ZTP_DATA", "attacked"),
    r2: await miniflare.getR2Bucket("ZTP_FILES", "attacked"),
    request: (method, path, options = {}) => send(url, method, path, options),
    /** The log lines of the Worker and the runtime since the last call. */
    logs: () => lines.splice(0),
    stop: () => miniflare.dispose(),
  };
}

/** The traces of a crash: no log may have one. */
export const CRASH = /panicked|unreachable|RuntimeError|Uncaught|hung|code had/i;

/** A file of the console, as the static assets have it. */
function file({ url }) {
  const path = join(root, "build", "console", new URL(url).pathname);
  return existsSync(path) ? new Response(readFileSync(path)) : new Response(null, { status: 404 });
}

function modules() {
  const names = readdirSync(BUNDLE).filter((name) => name.endsWith(".wasm"));
  const wasm = names.map((name) => ({ type: "CompiledWasm", path: name, contents: readFileSync(join(BUNDLE, name)) }));
  return [{ type: "ESModule", path: "index.js", contents: readFileSync(join(BUNDLE, "index.js")) }, ...wasm];
}
