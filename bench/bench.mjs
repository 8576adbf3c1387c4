// Measures the Worker against a floor and against ztpserver 2.1.0, and prints one table.
//
//   npm run bench                 all of it, about eight minutes
//   npm run bench -- --quick      about one minute, for a first look
//
// Everything runs on this machine, on 127.0.0.1. With two CPUs or more the load generator has one
// for itself. Only ratios travel to other machines.

import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { constants, cpus, freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, npmBin, root, run } from "../scripts/run.mjs";
import { measureImages, measureMemory, measureStarts } from "./large.mjs";
import { MIB } from "./content.mjs";
import { measureBoots, measureRows } from "./measure.mjs";
import { becomeGenerator, division } from "./process.mjs";
import { report } from "./report.mjs";
import { startServers } from "./servers.mjs";

// Many short turns rather than few long ones: neighbours on the machine then meet all servers alike.
const FULL = {
  rounds: 24,
  seconds: 0.25,
  boots: { rounds: 12, seconds: 1 },
  imageRounds: 3,
  memoryBytes: 1024 * MIB,
};
const QUICK = {
  rounds: 2,
  seconds: 0.15,
  boots: { rounds: 2, seconds: 0.5 },
  imageRounds: 1,
  memoryBytes: 256 * MIB,
};
/** A folder in memory: what is measured is not how fast this machine's disk says that it has written. */
const MEMORY_FOLDER = "/dev/shm";
const ROOM_BYTES = 6 * 1024 * MIB;

const args = process.argv.slice(2);
if (args.some((arg) => arg !== "--quick")) fail(`usage: npm run bench [-- --quick], not ${args.join(" ")}`);
if (process.platform !== "linux") fail("the bench reads CPU and memory from /proc, which only Linux has");
const quick = args.includes("--quick");
const options = { ...(quick ? QUICK : FULL), progress: (what) => console.error(what) };

run(npmBin("node"), ["scripts/bundle.mjs"], { stdio: ["ignore", "ignore", "inherit"] });
becomeGenerator();

const inMemory = hasRoom(MEMORY_FOLDER);
const place = mkdtempSync(join(inMemory ? MEMORY_FOLDER : tmpdir(), "ztp-edge-bench-"));
const started = [];
process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => process.exit(128 + constants.signals[signal]));
}

try {
  options.progress("starting the Worker, the floor and ztpserver");
  const servers = await startServers(place, started);
  const { lines, empty } = await measureRows(servers, options);
  const boots = await measureBoots(servers, { ...options, ...options.boots });
  const images = await measureImages(servers, { ...options, rounds: options.imageRounds });
  const starts = await measureStarts(servers, { ...options, rounds: options.imageRounds });
  const memory = await measureMemory(servers, { ...options, size: options.memoryBytes });
  const { notes } = servers;
  const wasm = wasmSize();
  console.log(report({ lines, empty, boots, images, memory, starts, wasm, notes, conditions: conditions() }));
} finally {
  for (const server of started) await server.stop();
}

/** How and where this was measured. */
function conditions() {
  const [{ model }] = cpus();
  const share = division ? "one of them the load generator's" : "shared with the load generator";
  return [
    `${new Date().toISOString().slice(0, 10)}, ${division?.cpus ?? 1} × ${model}, ${share}; 16 connections;`,
    `${options.rounds} rounds of ${options.seconds} s, medians; files in ${inMemory ? "memory" : "a folder on disk"}.`,
    "workerd has the Worker on its socket and its stores behind it, with nothing between. ztpserver takes one request per",
    "connection; the others keep theirs, except in boots, which are as switches do them.",
  ].join(" ");
}

function wasmSize() {
  const wasm = readFileSync(join(root, "build", "index_bg.wasm"));
  return { bytes: wasm.length, gzipped: gzipSync(wasm, { level: 9 }).length };
}

function hasRoom(folder) {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return Math.min(bavail * bsize, freemem()) > ROOM_BYTES;
  } catch {
    return false;
  }
}

/** Ends what may still run when this ends early, and leaves no file behind. */
function cleanUp() {
  for (const server of started) server.kill();
  rmSync(place, { recursive: true, force: true });
}
