// Measures the Worker, a floor (bench/floor) and ztpserver 2.1.0. Only ratios apply to other machines.
//
//   npm run bench                 about five minutes
//   npm run bench -- --short      one or two minutes, to check that it works
//   npm run bench -- --write      also writes the tables into docs/costs.md and README.md

import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, npmBin, root, run } from "../scripts/run.mjs";
import { drive, exchange, request, time } from "./load.mjs";
import { report } from "./report.mjs";
import { KINDS, MIB, NEW, boot, boots, fill } from "./requests.mjs";
import { becomeGenerator, cpuMicroseconds, memory, resetPeak, startReference, startWorkerd } from "./servers.mjs";

const FULL = { boots: { rounds: 16, seconds: 1 }, kinds: { rounds: 12, seconds: 0.25 }, images: 5 };
const SHORT = { boots: { rounds: 3, seconds: 0.5 }, kinds: { rounds: 2, seconds: 0.15 }, images: 1 };
/** A server rests when it uses no more CPU time than this in this time. */
const REST = { microseconds: 15_000, milliseconds: 300 };
const flags = process.argv.slice(2);
if (flags.some((flag) => !["--short", "--write"].includes(flag))) fail("usage: npm run bench [-- --short] [--write]");
if (process.platform !== "linux") fail("the bench reads CPU and memory from /proc, which only Linux has");
const options = flags.includes("--short") ? SHORT : FULL;

run(npmBin("node"), ["scripts/bundle.mjs"], { stdio: ["ignore", "ignore", "inherit"] });
becomeGenerator();
// In memory: the speed of this machine's disk is not a property of a server.
const place = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "ztp-edge-bench-"));
process.on("exit", () => rmSync(place, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(128 + constants.signals[signal]));

const answers = {};
const folder = () => mkdtempSync(join(place, "server-"));
const launch = {
  worker: ({ cold, ...other } = {}) => startWorkerd(folder(), `build/bundle${cold ? "-forgetful" : ""}`, other),
  floor({ cold, ...other } = {}) {
    return startWorkerd(folder(), "bench/floor", { ...other, bindings: { ANSWERS: answers, KEPT_MS: cold ? 0 : 10_000 } });
  },
  reference: () => startReference(folder()),
};

const worker = await launch.worker();
await fill(worker);
for (const { name, next } of KINDS) {
  const { status, headers } = await exchange(worker.port, next());
  answers[name] = { status, headers: headers.filter(([header]) => !/^(content-length|connection)$/i.test(header)) };
}
await checkFloor();
const servers = { worker, floor: await launch.floor(), reference: await launch.reference() };
await Promise.all([fill(servers.floor), fill(servers.reference)]);
// The first requests compile code.
await measureLoad(servers, boots, { rounds: 1, seconds: 1 });
const measured = { kinds: {} };
for (const { name, next, servers: names = Object.keys(servers) } of KINDS) {
  console.error(name);
  const some = Object.fromEntries(names.map((server) => [server, servers[server]]));
  measured.kinds[name] = await measureLoad(some, () => next, options.kinds);
}
console.error("boots, files, memory, starts, depth");
measured.boots = await measureLoad(servers, boots, options.boots);
const [image, large] = [makeImage(256 * MIB), makeImage(1024 * MIB)];
measured.image = await measureImage(image, servers, options.images);
for (const { stop } of Object.values(servers)) await stop();
measured.memory = await measureMemory([image, large]);
measured.starts = await sample(launch, 2 * options.images, async (start) => {
  const server = await start();
  await server.stop();
  return server.startMs;
});
measured.depth = { worker: await measureDepth(launch.worker), floor: await measureDepth(launch.floor) };
measured.gzipped = gzipSync(readFileSync(join(root, "build", "index_bg.wasm")), { level: 9 }).length;

const { full, short, verdicts } = report(measured);
const day = `${new Date().toISOString().slice(0, 10)}${options === SHORT ? ", a short run" : ""}`;
const conditions = `${day}, ${cpus().length} × ${cpus()[0].model}.`;
console.log(`${conditions}\n\n${full}\n\n${verdicts}`);
if (flags.includes("--write")) {
  write("docs/costs.md", "bench", `${conditions}\n\n${full}`);
  write("README.md", "bench-short", short);
}

/** Replaces the text between two comments of a page. */
function write(page, name, text) {
  const path = join(root, page);
  const between = new RegExp(`(<!-- ${name} -->\n)[^]*(<!-- /${name} -->)`);
  const before = readFileSync(path, "utf8");
  if (!between.test(before)) fail(`${page} has no <!-- ${name} --> and <!-- /${name} -->`);
  writeFileSync(path, before.replace(between, (_, start, end) => `${start}${text}\n${end}`));
}

/** Samples by server, one in each round. Servers take turns, so that other work of this machine disturbs all alike. */
async function sample(servers, rounds, measure) {
  const names = Object.keys(servers);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let index = 0; index < names.length; index += 1) {
      const name = names[(round + index) % names.length];
      samples[name].push(await measure(servers[name], round));
    }
  }
  return samples;
}

/** Waits until a server has done what follows after its responses. */
async function rest(pid) {
  let used = Infinity;
  while (used > REST.microseconds) {
    const before = cpuMicroseconds(pid);
    await new Promise((resolve) => setTimeout(resolve, REST.milliseconds));
    used = cpuMicroseconds(pid) - before;
  }
}

/** Fails unless the floor does the storage operations of the Worker, and has a body where the Worker has one. */
async function checkFloor() {
  const run = async (start) => {
    const server = await start({ record: true });
    await fill(server);
    const operations = async () => {
      await rest(server.pid);
      return (await fetch(`http://127.0.0.1:${server.storesPort}/`)).json();
    };
    // Shared content is cached after the first request.
    for (const { next } of KINDS) await exchange(server.port, next());
    await operations();
    const done = [];
    for (const { name, next } of [...KINDS, { name: "boot", next: boot }]) {
      for (const wanted of [next()].flat()) {
        const { bytes } = await exchange(server.port, wanted);
        done.push(`${wanted.name}: ${bytes > 0 ? "a" : "no"} body`);
      }
      // The order of operations at the same time does not matter.
      done.push(`${name}: ${(await operations()).sort().join(", ")}`);
    }
    await server.stop();
    // The names of nodes and of versions differ.
    return done.map((line) => line.replace(/\b(NEW|KNOWN|SAVES)\d+/g, "$1").replace(/(?<=history\/\w+\/)[\w-]+/g, ""));
  };
  const [expected, done] = [await run(launch.worker), await run(launch.floor)];
  const differences = expected.map((line, index) => [line, done[index]]).filter(([one, other]) => one !== other);
  if (differences.length > 0) fail(`the floor does not do what the Worker does:\n${differences.map((pair) => pair.join("\n")).join("\n")}`);
}

/** Requests per second, and CPU microseconds of each, with what follows after the responses. */
function measureLoad(servers, each, { rounds, seconds }) {
  return sample(servers, rounds, async (server) => {
    const before = cpuMicroseconds(server.pid);
    const { count, perSecond } = await drive(server.port, each, seconds);
    await rest(server.pid);
    const cpu = (cpuMicroseconds(server.pid) - before) / count;
    // A large heap costs time when it is collected.
    const old = server.storesPort ? [`/kv/nodes/${NEW}`, "/r2/history/"] : [];
    for (const path of old) await exchange(server.storesPort, request("DELETE", path));
    return { perSecond, cpu };
  });
}

/** Seconds of the download of a file, and of the first meta of it; each round has an upload of its own. */
async function measureImage(image, servers, rounds) {
  const path = (round) => `files/images/EOS-${round}.swi`;
  const download = ({ port, dataRoot }, round) => {
    linkSync(image, join(dataRoot, path(round)));
    return time(port, request("GET", `/${path(round)}`), 256 * MIB);
  };
  const meta = ({ port }, round) => time(port, request("GET", `/meta/${path(round)}`));
  return { download: await sample(servers, rounds, download), meta: await sample(servers, rounds, meta) };
}

/** MiB of a process that has served and hashed a file, and how many more it takes while it does so with a larger one. */
function measureMemory([image, large]) {
  return sample(launch, 1, async (start) => {
    const server = await start();
    const serveAndHash = async (file) => {
      linkSync(file, join(server.dataRoot, "files", basename(file)));
      await time(server.port, request("GET", `/files/${basename(file)}`));
      await time(server.port, request("GET", `/meta/files/${basename(file)}`));
    };
    await serveAndHash(image);
    resetPeak(server.pid);
    const idle = memory(server.pid, "VmRSS");
    await serveAndHash(large);
    const growth = memory(server.pid, "VmHWM") - idle;
    await server.stop();
    return { idle, growth };
  });
}

/** For how many storage operations a request waits one after the other, by its name: cold and warm. */
async function measureDepth(start) {
  const depths = {};
  for (const cold of [true, false]) {
    const server = await start({ cold, delayMs: 50 });
    await fill(server);
    for (const { name, next } of [...KINDS, { name: "boot", next: boot }]) {
      const attempt = async () => {
        const started = performance.now();
        for (const wanted of [next()].flat()) await time(server.port, wanted);
        return (performance.now() - started) / 50;
      };
      // The first one fills the cache. Of the others the fastest counts: other work of this machine only adds.
      await attempt();
      (depths[name] ??= []).push(Math.min(await attempt(), await attempt(), await attempt()));
    }
    await server.stop();
  }
  return depths;
}

/** A file of bytes that do not compress. */
function makeImage(bytes) {
  const [path, block] = [join(place, `${bytes}.swi`), randomBytes(MIB)];
  for (let at = 0; at < bytes; at += MIB) appendFileSync(path, block);
  return path;
}
