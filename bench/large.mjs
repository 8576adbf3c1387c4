// Images: how fast they come, how long meta takes over them, and what that does to memory.

import { MIB, removeImage, writeImage } from "./content.mjs";
import { request, time } from "./load.mjs";
import { turn } from "./measure.mjs";
import { cpuMicroseconds, forgetPeak, memory } from "./process.mjs";

export const IMAGE_BYTES = 256 * MIB;
const IMAGE = "images/EOS.swi";
const HUGE = "images/EOS-large.swi";
/** In each round. */
const DOWNLOADS = 5;

/**
 * Downloads a file of 256 MiB and asks for its meta twice; each round has a file of its own, so
 * that the first meta has to hash it. Resolves to samples of { perSecond, cpu, generator } by figure
 * and server; perSecond of a download and of a first meta is in bytes.
 */
export async function measureImages(servers, { rounds, progress }) {
  const all = [servers.worker.warm, servers.floor.warm, servers.reference];
  const samples = () => Object.fromEntries(all.map(({ name }) => [name, []]));
  const figures = { download: samples(), firstMeta: samples(), secondMeta: samples() };
  for (let round = 1; round <= rounds; round += 1) {
    progress(`files of 256 MiB, round ${round} of ${rounds}`);
    const path = `images/EOS-${round}.swi`;
    for (const server of turn(round, all)) await writeImage(server, path, IMAGE_BYTES, round);
    for (let count = 0; count < DOWNLOADS; count += 1) {
      for (const server of turn(count, all)) {
        figures.download[server.name].push(await sample(server, request("GET", `/files/${path}`), IMAGE_BYTES));
      }
    }
    const meta = request("GET", `/meta/files/${path}`);
    for (const server of turn(round, all)) {
      figures.firstMeta[server.name].push(await sample(server, meta, IMAGE_BYTES));
      figures.secondMeta[server.name].push(await sample(server, meta, 1));
    }
    for (const server of all) removeImage(server, path);
  }
  return figures;
}

/**
 * Memory of each server while it serves and hashes a file of `size` bytes: { idle, peak } in bytes
 * by server. Idle is a process that has done the same with a file of 256 MiB, one request at a time:
 * what it took to compile the code for that is not what the file takes.
 */
export async function measureMemory(servers, { size, progress }) {
  const found = { size };
  for (const server of [servers.worker.warm, servers.floor.warm, servers.reference]) {
    progress(`memory of ${server.name} with a file of ${size / MIB} MiB`);
    await writeImage(server, IMAGE, IMAGE_BYTES, -1);
    await writeImage(server, HUGE, size, -2);
    await server.stop();
    await server.start();
    await serveAndHash(server, IMAGE);
    forgetPeak(server.pid);
    const idle = memory(server.pid).now;
    await serveAndHash(server, HUGE);
    found[server.name] = { idle, peak: memory(server.pid).peak };
    for (const path of [IMAGE, HUGE]) removeImage(server, path);
  }
  return found;
}

async function serveAndHash(server, path) {
  await time(server.port, request("GET", `/files/${path}`));
  await time(server.port, request("GET", `/meta/files/${path}`));
}

/** Milliseconds from the start of a process to its first answer: samples of { ms } by server. */
export async function measureStarts(servers, { rounds, progress }) {
  const all = [servers.worker.warm, servers.floor.warm, servers.reference];
  const samples = Object.fromEntries(all.map(({ name }) => [name, []]));
  progress("starts");
  for (let round = 1; round <= rounds; round += 1) {
    for (const server of turn(round, all)) {
      await server.stop();
      await server.start();
      samples[server.name].push({ ms: server.startMs });
    }
  }
  return samples;
}

/** One request; `amount` is what perSecond counts. */
async function sample(server, wanted, amount) {
  const before = { server: cpuMicroseconds(server.pid), generator: process.cpuUsage() };
  const { seconds } = await time(server.port, wanted);
  const { user, system } = process.cpuUsage(before.generator);
  return {
    count: 1,
    perSecond: amount / seconds,
    cpu: cpuMicroseconds(server.pid) - before.server,
    generator: (user + system) / 1e6 / seconds,
  };
}
