// The Workers runtime, started directly: nothing between a socket and the Worker, and nothing between
// the Worker and its stores but the runtime's own bindings.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { unstable_readConfig } from "wrangler";
import { freePort, root } from "../scripts/run.mjs";
import { startServer } from "./start.mjs";

const BENCH = join(root, "bench");
const BUNDLE = join(root, "build", "bundle");

// Not the command of the same name, which is a script around this program.
const { default: WORKERD } = createRequire(import.meta.url)("workerd");

/** The built Worker, as `wrangler deploy` would upload it; its main module comes first. */
export function workerModules() {
  const names = readdirSync(BUNDLE).filter((name) => name !== "index.js" && name.endsWith(".wasm"));
  return [source(BUNDLE, "index.js"), ...names.map((name) => ({ ...source(BUNDLE, name), type: "wasm" }))];
}

/** The hand-written Worker that does the same storage operations and nothing else. */
export function floorModules() {
  return [source(BENCH, "floor.mjs")];
}

/** The same Worker, under a clock that makes everything it keeps too old. */
export function cold(modules) {
  const [main] = modules;
  const entry = `import "./clock.mjs";\nexport * from "./${main.name}";\nexport { default } from "./${main.name}";\n`;
  return [{ type: "esModule", name: "cold.mjs", contents: entry }, source(BENCH, "clock.mjs"), ...modules];
}

/**
 * Starts workerd in the folder `place`, with empty stores; `place/data_root/files` holds images.
 * `bindings` are variables beside those of wrangler.toml. Resolves once `firstAnswer`, a request, is
 * answered; `startMs` is the time from the start of the process to that moment.
 */
export async function startRuntime(place, { modules, bindings = {}, firstAnswer }) {
  const dataRoot = join(place, "data_root");
  mkdirSync(dataRoot, { recursive: true });
  const [port, loaderPort] = [await freePort(), await freePort()];
  const config = join(place, "workerd.capnp");
  writeFileSync(config, configuration({ place, modules, bindings, dataRoot, port, loaderPort }));
  const server = await startServer(WORKERD, ["serve", config], { port, firstAnswer });
  return { ...server, loaderPort, dataRoot };
}

/** What workerd is to run, in Cap'n Proto's text. */
function configuration({ place, modules, bindings, dataRoot, port, loaderPort }) {
  const wanted = unstable_readConfig({ config: join(root, "wrangler.toml") });
  const variables = Object.entries({ ...wanted.vars, ...bindings }).map(([name, value]) =>
    typeof value === "string" ? binding(name, "text", text(value)) : binding(name, "json", text(JSON.stringify(value))),
  );
  const stores = [
    ...wanted.kv_namespaces.map(({ binding: name }) => binding(name, "kvNamespace", '(name = "stores", entrypoint = "kv")')),
    ...wanted.r2_buckets.map(({ binding: name }) => binding(name, "r2Bucket", '(name = "stores", entrypoint = "r2")')),
  ];
  const date = text(wanted.compatibility_date);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "measured", worker = .measured),
    (name = "stores", worker = .stores),
    (name = "folder", disk = (path = ${text(dataRoot)})),
  ],
  sockets = [
    (name = "measured", address = "127.0.0.1:${port}", http = (), service = "measured"),
    (name = "loader", address = "127.0.0.1:${loaderPort}", http = (), service = "stores"),
  ],
);

const measured :Workerd.Worker = (
  modules = [${embed(place, modules)}],
  compatibilityDate = ${date},
  bindings = [${[...variables, ...stores].join(", ")}],
);

const stores :Workerd.Worker = (
  modules = [${embed(place, [source(BENCH, "stores.mjs")])}],
  compatibilityDate = ${date},
  bindings = [${binding("FOLDER", "service", '"folder"')}],
);
`;
}

const binding = (name, kind, value) => `(name = ${text(name)}, ${kind} = ${value})`;

/** A text as Cap'n Proto writes it: JSON's escapes, but for those of characters beyond ASCII. */
const text = (value) => JSON.stringify(value);

/** Writes modules beside the configuration, which takes them from there. */
function embed(place, modules) {
  return modules
    .map(({ name, type, contents }) => {
      writeFileSync(join(place, name), contents);
      return `(name = ${text(name)}, ${type} = embed ${text(name)})`;
    })
    .join(", ");
}

function source(folder, name) {
  return { type: "esModule", name, contents: readFileSync(join(folder, name)) };
}
