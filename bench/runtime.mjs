// workerd with a Worker directly on its socket: no proxy and no routing Worker in front.
//
// KV and R2 are miniflare's simulators, which run in the same process as the Worker. Their cost is
// in every figure; it is the same for the Worker and for the floor.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { npmBin, root } from "../scripts/run.mjs";
import { exchange } from "./load.mjs";
import { onServerCpus } from "./process.mjs";

const BENCH = join(root, "bench");
const BUNDLE = join(root, "build", "bundle");

/** The built Worker, as `wrangler deploy` would upload it. */
export function workerModules() {
  const names = readdirSync(BUNDLE).filter((name) => name !== "index.js" && name.endsWith(".wasm"));
  return [source(BUNDLE, "index.js"), ...names.map((name) => ({ ...source(BUNDLE, name), type: "CompiledWasm" }))];
}

/** The hand-written Worker that does the same storage operations and nothing else. */
export function floorModules() {
  return [source(BENCH, "floor.mjs")];
}

/** The same Worker, under a clock that makes everything it keeps too old. */
export function cold(modules) {
  const [main] = modules;
  const entry = `import "./clock.mjs";\nexport * from "./${main.path}";\nexport { default } from "./${main.path}";\n`;
  return [{ type: "ESModule", path: "cold.mjs", contents: entry }, source(BENCH, "clock.mjs"), ...modules];
}

/**
 * Starts workerd.
 *
 * `place` is a folder for storage and for what the runtime needs; the same folder again finds the
 * same storage. `bindings` are added to those of wrangler.toml. Resolves once `firstAnswer`, a
 * request, is answered; `startMs` is the time from the start of the process to that moment.
 */
export async function startRuntime(place, { modules, bindings = {}, firstAnswer }) {
  mkdirSync(place, { recursive: true });
  const started = join(place, "started");
  rmSync(started, { force: true });
  const [port, loaderPort] = [await freePort(), await freePort()];
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(root, "wrangler.toml"));
  const { kvNamespaces, r2Buckets, compatibilityDate } = workerOptions;

  // The runtime would ask the internet where it is.
  process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
  process.env.MINIFLARE_WORKERD_PATH = launcher(place, started);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      resourcePersistencePath: join(place, "storage"),
      workers: [
        {
          ...workerOptions,
          name: "measured",
          modules,
          bindings: { ...workerOptions.bindings, ...bindings },
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
        {
          name: "loader",
          modules: [source(BENCH, "loader.mjs")],
          compatibilityDate,
          kvNamespaces,
          r2Buckets,
          unsafeDirectSockets: [{ host: "127.0.0.1", port: loaderPort }],
        },
      ],
    }),
  );
  try {
    const answered = await firstAnswerTime(miniflare, port, firstAnswer);
    const [nanoseconds, pid] = readFileSync(started, "utf8").split(" ").map(Number);
    return {
      port,
      loaderPort,
      pid,
      startMs: answered - nanoseconds / 1e6,
      stop: () => miniflare.dispose(),
    };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

/** When the first answer came, in milliseconds since 1970. */
async function firstAnswerTime(miniflare, port, wanted) {
  const failed = new Promise((_, reject) => miniflare.ready.catch(reject));
  const answered = async () => {
    for (;;) {
      try {
        await exchange(port, wanted);
        return performance.timeOrigin + performance.now();
      } catch (error) {
        if (!error.message.includes("ECONNREFUSED")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  };
  const time = await Promise.race([answered(), failed]);
  await miniflare.ready;
  return time;
}

/**
 * A program that miniflare starts instead of workerd: notes when and as which process, takes the
 * CPUs of the servers, and becomes workerd. What the Worker logs goes nowhere, since a reader of it
 * would be measured, too.
 */
function launcher(place, started) {
  const path = join(place, "workerd");
  const [program, args] = onServerCpus(npmBin("workerd"), []);
  const command = [program, ...args].map((word) => `'${word}'`).join(" ");
  const script = `#!/bin/sh\necho "$(date +%s%N) $$" > '${started}'\nexec ${command} "$@" > /dev/null\n`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

function source(folder, name) {
  return { type: "ESModule", path: name, contents: readFileSync(join(folder, name)) };
}

/** A port that nobody listens on. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
