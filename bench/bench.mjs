// Measures the Worker, a floor (bench/floor) and ztpserver 2.1.0 on this machine, and prints one table. Only ratios
// travel to other machines.
//
//   npm run bench                 about six minutes
//   npm run bench -- --short      about one minute, to see that it works
//   npm run bench -- --write      also writes the tables into docs/costs.md and README.md

import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { constants, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, npmBin, root, run } from "../scripts/run.mjs";
import { exchange } from "./load.mjs";
import { measureDepth, measureImage, measureLoad, measureMemory, sample } from "./measure.mjs";
import { report } from "./report.mjs";
import { KINDS, MIB, boots, fill } from "./requests.mjs";
import { becomeGenerator, startReference, startWorkerd } from "./servers.mjs";

const FULL = { boots: { rounds: 16, seconds: 1 }, kinds: { rounds: 12, seconds: 0.25 }, images: 5, memory: 1024 * MIB };
const SHORT = { boots: { rounds: 3, seconds: 0.5 }, kinds: { rounds: 2, seconds: 0.15 }, images: 1, memory: 256 * MIB };
const NEEDED_BYTES = 3 * 1024 * MIB;
const flags = process.argv.slice(2);
if (flags.some((flag) => !["--short", "--write"].includes(flag))) fail("usage: npm run bench [-- --short] [--write]");
if (process.platform !== "linux") fail("the bench reads CPU and memory from /proc, which only Linux has");
const options = flags.includes("--short") ? SHORT : FULL;

run(npmBin("node"), ["scripts/bundle.mjs"], { stdio: ["ignore", "ignore", "inherit"] });
becomeGenerator();
// In memory: the speed of this machine's disk is no property of a server.
const { bavail, bsize } = statfsSync("/dev/shm");
const place = mkdtempSync(join(bavail * bsize > NEEDED_BYTES ? "/dev/shm" : tmpdir(), "ztp-edge-bench-"));
process.on("exit", () => rmSync(place, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(128 + constants.signals[signal]));

let [answers, started] = [{}, 0];
const folder = () => join(place, `${(started += 1)}`);
const launch = {
  worker: ({ cold, delayMs } = {}) => startWorkerd(folder(), cold ? "build/bundle-forgetful" : "build/bundle", { delayMs }),
  floor({ cold, delayMs } = {}) {
    return startWorkerd(folder(), "bench/floor", { delayMs, bindings: { ANSWERS: answers, KEPT_MS: cold ? 0 : 10_000 } });
  },
  reference: () => startReference(folder()),
};

const worker = await launch.worker();
await fill(worker);
for (const { name, next } of KINDS) {
  const { status, headers } = await exchange(worker.port, next());
  answers[name] = { status, headers: headers.filter(([header]) => !/^(content-length|connection)$/i.test(header)) };
}
const servers = { worker, floor: await launch.floor(), reference: await launch.reference() };
await fill(servers.floor);
await fill(servers.reference);
await measureLoad(servers, boots, { rounds: 1, seconds: 1 });
const measured = { boots: await measureLoad(servers, boots, options.boots), kinds: {} };
for (const { name, next, servers: names = Object.keys(servers) } of KINDS) {
  console.error(name);
  const some = Object.fromEntries(names.map((server) => [server, servers[server]]));
  measured.kinds[name] = await measureLoad(some, () => next, options.kinds);
}
console.error("files, memory, starts, depth");
measured.image = await measureImage(place, servers, options.images);
for (const { stop } of Object.values(servers)) await stop();
measured.memory = await measureMemory(place, launch, options.memory);
measured.starts = await sample(launch, 2 * options.images, async (start) => {
  const { startMs, stop } = await start();
  await stop();
  return startMs;
});
measured.depth = { worker: await measureDepth(launch.worker), floor: await measureDepth(launch.floor) };
measured.gzipped = gzipSync(readFileSync(join(root, "build", "index_bg.wasm")), { level: 9 }).length;

const { full, short, verdicts } = report(measured);
const conditions = `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0].model}.`;
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
