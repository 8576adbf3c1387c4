// The test bench of places: the built Worker in several places at once. Each place is an isolate of its own with
// a KV that behaves as Cloudflare's (kv.mjs); the objects live in one more place. R2 and the objects' storage
// are the local ones of Miniflare, and so is the one KV that all places share. Two runtimes run: that of the Worker,
// which a test may kill, and that of KV.
//
// Nothing of the Worker is replaced: the bindings, the objects and their alarms are the runtime's own. Only clocks
// are the bench's: all of them show the same simulated time.

import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import { freePort, root } from "../../../scripts/run.mjs";
import { send } from "../harness.mjs";
import { configuredOptions } from "../options.mjs";
import { DEFAULTS } from "../settings.mjs";

// The runtime would ask the internet where it is, at every start.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";

const BUNDLE = join(root, "build", "bundle");
const HERE = import.meta.dirname;
const DATA = "ZTP_DATA";
/** The binding of the objects of nodes. */
export const NODES = "ZTP_NODES";
/** The binding of the objects of sites. */
export const SITES = "ZTP_SITES";
/** The place of all objects. */
const OBJECTS = "objects";
/** Milliseconds in which a runtime starts again. */
const MAX_START = 30_000;

/** A class of objects that do not answer: `how` is `throws` or `hangs`. */
const unreachable = (name, how) => `
export class ${name} {
  async fetch() {
    ${how === "hangs" ? "await scheduler.wait(3_600_000);" : ""}
    throw new Error("this object is not reachable");
  }
}
export default { fetch: () => new Response() };
`;

/**
 * Starts the Worker in `places` places. `bindings` (settings and secrets) are added to wrangler.toml's. `kv` are the
 * rules of the KV service: `seed`, `propagation` (ms), `oneIn` (operations until one fails), and `read` and
 * `write`, the real milliseconds that an operation takes that no cache answers. Time passes `rate` times as fast as
 * in the test. `unreachable` maps the number of a place to how its objects of nodes fail: `throws` or `hangs`.
 * `bundle` is the folder of another Worker.
 */
export async function startPlaces({ places = 3, bindings = {}, kv: rules = {}, rate = 1, unreachable: cut = {}, bundle = BUNDLE } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "ztp-places-"));
  let clock = { real: Date.now(), simulated: Date.now(), rate };
  const kv = await startKv(folder, rules);
  const workerOptions = await configuredOptions();
  const classes = Object.entries(workerOptions.durableObjects ?? {});
  const names = [OBJECTS, ...Array.from({ length: places }, (_, at) => `place${at}`)];
  const ports = await freePorts(names.length);
  const entries = [];

  const workers = names.map((name, at) => {
    const objectsOf = (binding) => (cut[at - 1] && binding === NODES ? cut[at - 1] : OBJECTS);
    const bound = classes.map(([binding, object]) => [binding, { ...object, ...(objectsOf(binding) !== name && { scriptName: objectsOf(binding) }) }]);
    return {
      ...workerOptions,
      name,
      modules: modulesOf(bundle, name, clock, classes),
      bindings: { ...workerOptions.bindings, ...DEFAULTS, ...bindings },
      kvNamespaces: { [DATA]: { id: DATA, remoteProxyConnectionString: kv.bindingOf(name) } },
      durableObjects: Object.fromEntries(bound),
      unsafeDirectSockets: [{ host: "127.0.0.1", port: ports[at] }],
    };
  });
  const nodes = workerOptions.durableObjects?.[NODES];
  for (const how of nodes ? new Set(Object.values(cut)) : []) {
    const contents = unreachable(nodes.className, how);
    workers.push({ name: how, modules: [{ type: "ESModule", path: "index.js", contents }], compatibilityDate: workerOptions.compatibilityDate, durableObjects: { [NODES]: { ...nodes } } });
  }
  const runtime = await startRuntime(folder, "worker", {
    structuredWorkerdLogs: true,
    handleStructuredLogs({ level, message }) {
      const [, place = "", text] = /^(?:\[(\w+)\] )?([^]*)$/.exec(message);
      entries.push({ place, level, message: text });
    },
    workers,
  });
  await kv.control("clock", { clock });
  const urls = ports.map((port) => new URL(`http://127.0.0.1:${port}`));
  /** Asks the bench's own part of a place. */
  const ask = async (url, control, options = {}) => {
    const { status, text } = await send(url, "GET", "/", { headers: { "X-Places": JSON.stringify({ control, ...options }) } });
    if (status !== 200) throw new Error(`${control}: ${status} ${text}`);
    return JSON.parse(text);
  };
  const setClocks = async (next) => {
    clock = next;
    await Promise.all([kv.control("clock", { clock }), ...urls.map((url) => ask(url, "clock", { clock }))]);
  };

  const bench = {
    /** Each place: its URL, requests to it, and its view of KV. */
    places: urls.slice(1).map((url, at) => placeOf(`place${at}`, url, kv)),
    /** The place of the objects; no client sends requests to it. */
    objects: placeOf(OBJECTS, urls[0], kv),
    /** KV as an operator sees and edits it. */
    kv: kv.operator,
    /** The bucket, as an operator sees it. */
    r2: () => runtime.miniflare.getR2Bucket("ZTP_FILES", OBJECTS),
    /** Whether the Worker has objects of nodes. */
    hasNodes: nodes !== undefined,
    /** The simulated time, in milliseconds since 1970. */
    now: () => clock.simulated + (Date.now() - clock.real) * clock.rate,
    /** Moves all clocks: it is so many milliseconds later for KV, for every place and for the objects. */
    async advance(milliseconds) {
      const real = Date.now();
      await setClocks({ ...clock, real, simulated: clock.simulated + (real - clock.real) * clock.rate + milliseconds });
    },
    /** The objects of a binding fail from now on: each `throws` or `hangs`; without `how`, they answer again. */
    breakObjects: (binding, how) => ask(urls[0], "down", { binding, how }),
    /** Statements with this text fail in the databases of objects; without it, none does. */
    failStatements: (text) => ask(urls[0], "statements", { text }),
    /** Changes the rules of the KV service. */
    rules: (changed) => kv.control("rules", { rules: changed }),
    /** All that was logged since the last call: `{ place, level, message }`. */
    logs: () => entries.splice(0),
    /** The log line of the last request in a place to a route: parsed, with its level. */
    async line(place, isWanted = () => true) {
      for (let waited = 0; waited < 5000; waited += 10) {
        const at = entries.findLastIndex((entry) => entry.place === place.name && entry.message.startsWith('{"method"') && isWanted(JSON.parse(entry.message)));
        if (at >= 0) {
          const [{ level, message }] = entries.splice(at, 1);
          return { level, ...JSON.parse(message) };
        }
        await sleep(10);
      }
      throw new Error(`${place.name} logged no such request`);
    },
    /** Kills the runtime of the Worker with SIGKILL. Resolves when it serves again, on its storage. */
    async kill() {
      await runtime.kill();
      const began = Date.now();
      for (const url of urls) {
        for (;;) {
          try {
            await ask(url, "clock", { clock });
            break;
          } catch (error) {
            if (Date.now() - began > MAX_START) throw error;
            await sleep(20);
          }
        }
      }
    },
    /** Ends an object of a namespace, and everything that it does. It starts again with the next request. */
    end: (binding, name) => ask(urls[0], "abort", { binding, name }),
    /** The usage so far, as Cloudflare bills it. A runtime that was killed counts from then on. */
    async figures() {
      const [stores, ...counts] = await Promise.all([kv.control("figures"), ...urls.map((url) => ask(url, "figures"))]);
      const sum = (list) => list.reduce((total, one) => Object.fromEntries(Object.keys(one).map((name) => [name, one[name] + (total[name] ?? 0)])), {});
      return { kv: sum(Object.values(stores)), ...sum(counts) };
    },
    async stop() {
      await runtime.miniflare.dispose();
      await kv.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return bench;
}

function placeOf(name, url, kv) {
  return {
    name,
    url,
    /** Sends one request there. */
    request: (method, path, options = {}) => send(url, method, path, options),
    /** The value that KV shows there now under a key: a text or null. It caches nothing. */
    shown: (key) => kv.control("shown", { place: name, key }),
    /** Moves what runs in this place to another one: KV shows what it has cached there. */
    moveTo: (other) => kv.control("move", { place: name, to: other.name }),
    /** Cuts the place off from KV, whose operations then `fails` or `hangs`; without `how`, connects it again. */
    cutOff: (how) => kv.control("down", { place: name, how }),
  };
}

/** Starts the KV service, in a runtime of its own, over a KV of Miniflare. */
export async function startKv(folder, rules) {
  const [port] = await freePorts(1);
  const module = (path, name) => ({ type: "ESModule", path: name, contents: readFileSync(path, "utf8") });
  const modules = [module(join(HERE, "kv.mjs"), "kv.mjs"), module(join(HERE, "clock.mjs"), "clock.mjs"), module(join(root, "tests", "site", "faults.mjs"), "faults.mjs")];
  const worker = { name: "kv", modules, compatibilityDate: "2026-10-01", kvNamespaces: { STORE: "STORE" }, unsafeDirectSockets: [{ host: "127.0.0.1", port }] };
  const { miniflare } = await startRuntime(folder, "kv", { workers: [worker] });
  const url = `http://127.0.0.1:${port}`;
  const control = async (name, options = {}) => {
    const { status, text } = await send(url, "POST", "/control", { body: JSON.stringify({ control: name, ...options }) });
    if (status !== 200) throw new Error(`${name}: ${status} ${text}`);
    return JSON.parse(text);
  };
  await control("rules", { rules });
  return {
    control,
    bindingOf: (place) => new URL(`${url}/?place=${place}`),
    operator: {
      get: (key) => control("get", { key }),
      /** The values of many keys, in their order. */
      getAll: (keys) => control("getAll", { keys }),
      put: (key, text) => control("put", { values: { [key]: text } }),
      delete: (key) => control("put", { values: { [key]: null } }),
      /** Many values at once: null deletes one. */
      putAll: (values) => control("put", { values }),
      list: (prefix = "") => control("list", { prefix }),
    },
    stop: () => miniflare.dispose(),
  };
}

/** Starts a runtime whose process can be killed. Miniflare starts it again. */
async function startRuntime(folder, name, options) {
  const [pidFile, program] = [join(folder, `${name}.pid`), join(folder, "workerd")];
  const { default: workerd } = createRequire(import.meta.url)("workerd");
  writeFileSync(program, `#!/bin/sh\necho $$ > "$ZTP_PLACES_PID"\nexec "${workerd}" "$@"\n`);
  chmodSync(program, 0o755);
  process.env.MINIFLARE_WORKERD_PATH = program;
  const settings = { log: new Log(LogLevel.NONE), resourcePersistencePath: join(folder, name), unsafeRuntimeEnv: { ZTP_PLACES_PID: pidFile }, ...options };
  const miniflare = new Miniflare(convertV4MiniflareOptions(settings));
  await miniflare.ready;
  return {
    miniflare,
    async kill() {
      const pid = Number(readFileSync(pidFile, "utf8"));
      process.kill(pid, "SIGKILL");
      // Miniflare notices the end of the process, and starts another one.
      for (let waited = 0; Number(readFileSync(pidFile, "utf8")) === pid; waited += 10) {
        if (waited > MAX_START) throw new Error("the runtime did not start again");
        await sleep(10);
      }
    },
  };
}

/** The modules of a place; the main module comes first. */
function modulesOf(bundle, place, clock, classes) {
  const module = (folder, name, type = "ESModule") => ({ type, path: name, contents: readFileSync(join(folder, name)) });
  const wasm = readdirSync(bundle).filter((name) => name.endsWith(".wasm"));
  const wrapped = classes.map(([binding, { className }]) => `export const ${className} = placed(built.${className}, "${binding}");\n`);
  const main = `import * as built from "./index.js";\nimport { placed } from "./entry.mjs";\nexport * from "./index.js";\nexport { default } from "./entry.mjs";\n${wrapped.join("")}`;
  const settings = `export const PLACE = ${JSON.stringify(place)};\nexport const CLOCK = ${JSON.stringify(clock)};\n`;
  return [
    { type: "ESModule", path: "main.mjs", contents: main },
    { type: "ESModule", path: "settings.mjs", contents: settings },
    module(HERE, "clock.mjs"),
    module(HERE, "entry.mjs"),
    module(bundle, "index.js"),
    ...wasm.map((name) => module(bundle, name, "CompiledWasm")),
  ];
}

/** Different unused ports. */
async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
