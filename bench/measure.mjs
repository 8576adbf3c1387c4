// Measurements. Samples are by server, one for each round; in a round the servers take turns, so that other work of
// this machine disturbs all of them alike.

import { randomFillSync } from "node:crypto";
import { createWriteStream, linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { drive, request, time } from "./load.mjs";
import { KINDS, MIB, boot, fill, forgetNewNodes } from "./requests.mjs";
import { cpuMicroseconds, memory, resetPeak } from "./servers.mjs";

export const IMAGE_BYTES = 256 * MIB;
const DELAY_MS = 50;
/** Of each request whose depth is measured. */
const ATTEMPTS = 3;

/** Samples by server; `measure` makes one. */
export async function sample(servers, rounds, measure) {
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

/** Requests for some seconds: how many per second, CPU microseconds of each, and the share of a CPU that sending them took. */
export function measureLoad(servers, each, { rounds, seconds }) {
  return sample(servers, rounds, async (server) => {
    const before = cpuMicroseconds(server.pid);
    const { count, perSecond, generator } = await drive(server.port, each, seconds);
    const cpu = (cpuMicroseconds(server.pid) - before) / count;
    await forgetNewNodes(server);
    return { perSecond, cpu, generator };
  });
}

/** Seconds of the download of a file, and of the first meta of it; each round has an upload of its own. */
export async function measureImage(place, servers, rounds) {
  const image = await makeImage(place, IMAGE_BYTES);
  const path = (round) => `files/images/EOS-${round}.swi`;
  for (const { dataRoot } of Object.values(servers)) {
    for (let round = 0; round < rounds; round += 1) linkSync(image, join(dataRoot, path(round)));
  }
  const download = ({ port }, round) => time(port, request("GET", `/${path(round)}`), IMAGE_BYTES);
  const meta = ({ port }, round) => time(port, request("GET", `/meta/${path(round)}`));
  return { download: await sample(servers, rounds, download), meta: await sample(servers, rounds, meta) };
}

/**
 * MiB of a new process that has served and hashed a file of 256 MiB, and how many more it takes at most while it
 * does the same with one of `bytes` bytes: the memory for compiled code is no growth.
 */
export async function measureMemory(place, launch, bytes) {
  const files = { "first.swi": await makeImage(place, IMAGE_BYTES), "second.swi": await makeImage(place, bytes) };
  return sample(launch, 1, async (start) => {
    const server = await start();
    const serveAndHash = async (name) => {
      linkSync(files[name], join(server.dataRoot, "files", name));
      await time(server.port, request("GET", `/files/${name}`));
      await time(server.port, request("GET", `/meta/files/${name}`));
    };
    await serveAndHash("first.swi");
    resetPeak(server.pid);
    const idle = memory(server.pid, "VmRSS");
    await serveAndHash("second.swi");
    const growth = memory(server.pid, "VmHWM") - idle;
    await server.stop();
    return { idle, growth };
  });
}

/** For how many storage operations a request waits one after the other, by its name: cold and warm. */
export async function measureDepth(launch) {
  const depths = {};
  for (const cold of [true, false]) {
    const server = await launch({ cold, delayMs: DELAY_MS });
    await fill(server);
    for (const { name, next } of [...KINDS, { name: "boot", next: boot }]) {
      const seconds = [];
      for (let attempt = 0; attempt <= ATTEMPTS; attempt += 1) {
        seconds.push(0);
        for (const wanted of [next()].flat()) seconds[attempt] += await time(server.port, wanted);
      }
      // The first one fills the cache. Of the others the fastest counts: other work of this machine only adds.
      (depths[name] ??= []).push((Math.min(...seconds.slice(1)) * 1000) / DELAY_MS);
    }
    await server.stop();
  }
  return depths;
}

/** A file of bytes that do not compress. */
async function makeImage(place, bytes) {
  const path = join(place, `${bytes}.swi`);
  const block = randomFillSync(Buffer.alloc(MIB));
  await pipeline(Readable.from(Array(bytes / MIB).fill(block)), createWriteStream(path));
  return path;
}
