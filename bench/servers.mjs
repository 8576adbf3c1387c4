// The servers, as processes: workerd with nothing between a socket and the Worker, nor between the Worker and its
// stores but the runtime's own bindings; and ztpserver 2.1.0, as its own standalone server.

import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { unstable_readConfig } from "wrangler";
import { freePort, root } from "../scripts/run.mjs";
import { DEFAULTS } from "../tests/e2e/settings.mjs";
import { pythonWithZtpserver } from "../tests/reference/python.mjs";
import { SERVER_URL, exchange, request } from "./load.mjs";

// Not the command of the same name, which is a script around this program.
const { default: WORKERD } = createRequire(import.meta.url)("workerd");
const children = [];
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Which CPUs do what, if there are two or more: the load generator has the last one for itself. */
const last = availableParallelism() - 1;
const division = last > 0 ? { servers: `0-${last - 1}`, generator: `${last}` } : undefined;

/** Moves this process to the CPU of the load generator. */
export function becomeGenerator() {
  if (division) execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", division.generator, `${process.pid}`]);
}

/**
 * Starts the Worker of the folder `source` in the folder `place`, with empty stores; `<place>/data/files` has large
 * files. `delayMs` is added to each storage operation. `record`: the stores list the operations. `apart`: the stores are a process of their own, whose CPU time is
 * not that of the Worker. Resolves to a server, with the port of its stores.
 */
export async function startWorkerd(place, source, { bindings = {}, delayMs = 0, record = false, apart = false } = {}) {
  const dataRoot = join(place, "data");
  mkdirSync(join(dataRoot, "files", "images"), { recursive: true });
  cpSync(join(root, source), place, { recursive: true });
  cpSync(join(root, "bench", "stores.js"), join(place, "stores.js"));
  const wanted = unstable_readConfig({ config: join(root, "wrangler.toml") });
  const objects = wanted.durable_objects.bindings;
  const modules = ["index.js", ...readdirSync(place).filter((name) => name.endsWith(".wasm"))];
  if (delayMs > 0) {
    writeFileSync(join(place, "delayed.js"), delayed(objects, delayMs));
    modules.unshift("delayed.js");
  }
  const service = (entrypoint) => (apart ? text(entrypoint) : `(name = "stores", entrypoint = "${entrypoint}")`);
  const bound = [
    ...Object.entries({ ...wanted.vars, ...DEFAULTS, ...bindings }).map(([name, value]) => bind(name, "json", json(value))),
    ...wanted.kv_namespaces.map(({ binding }) => bind(binding, "kvNamespace", service("kv"))),
    ...wanted.r2_buckets.map(({ binding }) => bind(binding, "r2Bucket", service("r2"))),
    ...objects.map(({ name, class_name }) => bind(name, "durableObjectNamespace", text(class_name))),
  ];
  const namespace = ({ class_name: name }) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`;
  const [port, storesPort, kvPort, r2Port] = await freePorts(4);
  const objectsDisk = `(name = "objects", disk = (path = ${text(place)}, writable = true))`;
  const stores = [`(name = "stores", worker = .stores)`, `(name = "data", disk = ${text(dataRoot)})`];
  const storesSocket = socket("stores", storesPort, text("stores"));
  const storesWorker = `const stores :Workerd.Worker = (
  modules = [${embed("stores.js")}], compatibilityDate = "${wanted.compatibility_date}",
  bindings = [
    ${bind("FOLDER", "service", text("data"))}, ${bind("DELAY_MS", "json", json(delayMs))}, ${bind("RECORD", "json", json(record))},
  ],
);
`;
  const measuredWorker = `const measured :Workerd.Worker = (
  modules = [${modules.map(embed).join(", ")}], compatibilityDate = "${wanted.compatibility_date}",
  bindings = [${bound.join(", ")}],
  durableObjectNamespaces = [${objects.map(namespace).join(", ")}], durableObjectStorage = (localDisk = "objects"),
);
`;
  const measured = [`(name = "measured", worker = .measured)`, objectsDisk];
  const measuredSocket = socket("measured", port, text("measured"));
  if (!apart) {
    const config = configure(place, "workerd", [...measured, ...stores], [measuredSocket, storesSocket], measuredWorker + storesWorker);
    return { ...(await start(WORKERD, ["serve", config], port)), storesPort, dataRoot };
  }
  const entrypoint = (name, at) => socket(name, at, `(name = "stores", entrypoint = "${name}")`);
  const storesSockets = [storesSocket, entrypoint("kv", kvPort), entrypoint("r2", r2Port)];
  const external = (name, at) => `(name = "${name}", external = (address = "127.0.0.1:${at}", http = ()))`;
  const config = configure(place, "stores", stores, storesSockets, storesWorker);
  await start(WORKERD, ["serve", config], storesPort, request("PUT", "/kv/ready", { body: "" }));
  const services = [...measured, external("kv", kvPort), external("r2", r2Port)];
  const own = configure(place, "workerd", services, [measuredSocket], measuredWorker);
  return { ...(await start(WORKERD, ["serve", own], port)), storesPort, dataRoot };
}

/** Writes the configuration of a runtime; returns its path. */
function configure(place, name, services, sockets, workers) {
  const path = join(place, `${name}.capnp`);
  const list = (items) => `[\n    ${items.join(",\n    ")},\n  ]`;
  writeFileSync(
    path,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = ${list(services)},
  sockets = ${list(sockets)},
);
${workers}`,
  );
  return path;
}

const socket = (name, port, service) => `(name = "${name}", address = "127.0.0.1:${port}", http = (), service = ${service})`;

async function freePorts(count) {
  const ports = [];
  while (ports.length < count) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  return ports;
}

/** A main module in which each call of a Durable Object takes longer. */
function delayed(objects, delayMs) {
  const wrap = ({ class_name: name }) => `export class ${name} extends main.${name} {
  async fetch(request) {
    await scheduler.wait(${delayMs});
    return super.fetch(request);
  }
}`;
  return `import * as main from "./index.js";\nexport default main.default;\n${objects.map(wrap).join("\n")}\n`;
}

const embed = (name) => `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${name}")`;
const bind = (name, kind, value) => `(name = "${name}", ${kind} = ${value})`;
/** A string as Cap'n Proto writes it: JSON's escapes, but for those of characters beyond ASCII. */
const text = (value) => JSON.stringify(value);
const json = (value) => text(JSON.stringify(value));

/** Starts ztpserver in a folder, with its data in `<place>/data`; its log goes nowhere. */
export async function startReference(place) {
  const dataRoot = join(place, "data");
  for (const name of ["files/images", "nodes"]) mkdirSync(join(dataRoot, name), { recursive: true });
  const [port, config] = [await freePort(), join(place, "ztpserver.conf")];
  const lines = ["[default]", `data_root = ${dataRoot}`, `server_url = ${SERVER_URL}`];
  writeFileSync(config, [...lines, "[server]", "interface = 127.0.0.1", `port = ${port}`, ""].join("\n"));
  const main = "import sys; from ztpserver.app import main; sys.exit(main())";
  return { ...(await start(pythonWithZtpserver(), ["-c", main, "--conf", config], port)), dataRoot };
}

/** ztpserver without content responds with 400. */
const BOOTSTRAP = request("GET", "/bootstrap", { statuses: [200, 400] });

/** Starts a program on the CPUs of the servers; resolves when it responds to GET /bootstrap, or to `first`, `startMs` later. */
async function start(program, args, port, first = BOOTSTRAP) {
  const command = division ? ["taskset", "--cpu-list", division.servers, program, ...args] : [program, ...args];
  const started = performance.now();
  const child = spawn(command[0], command.slice(1), { stdio: "ignore", env: { PATH: process.env.PATH, PYTHONUTF8: "1" } });
  children.push(child);
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve));
  for (;;) {
    try {
      await exchange(port, first);
      return { port, pid: child.pid, startMs: performance.now() - started, stop: () => child.kill("SIGKILL") && ended };
    } catch (error) {
      if (child.exitCode !== null) throw new Error(`${command.join(" ")} ended with ${child.exitCode}`);
      // Reset: where nobody listens yet, the kernel may have connected the port with itself.
      if (!/ECONNREFUSED|ECONNRESET/.test(error.message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** CPU time of a process so far, in microseconds. */
export function cpuMicroseconds(pid) {
  // The second field is the program's name in parentheses, and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  const [user, system] = fields.slice(11, 13).map(Number);
  return ((user + system) * 1e6) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MiB: now ("VmRSS"), or the highest since the last resetPeak() ("VmHWM"). */
export function memory(pid, which) {
  const [, kilobytes] = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`^${which}:\\s+(\\d+) kB`, "m"));
  return Number(kilobytes) / 1024;
}

/** Makes the present memory of a process its peak (proc(5), clear_refs). */
export const resetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, "5");
