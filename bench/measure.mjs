// Rounds of measurements. Servers take turns within a round, so that whatever else this machine
// does meets all of them; results are medians, and ratios are medians of the ratios of each round.

import { createHash } from "node:crypto";
import { forgetNewNodes } from "./content.mjs";
import { drive } from "./load.mjs";
import { cpuMicroseconds } from "./process.mjs";
import { BOOT_LENGTH, boots, emptyRequests, rows } from "./requests.mjs";

const AT_ONCE = 16;

/**
 * Requests of one kind to one server: how many, per second, CPU microseconds of all, the share of one
 * CPU that the server and the generator had, latencies in milliseconds.
 */
async function sample(server, each, seconds) {
  const before = cpuMicroseconds(server.pid);
  const result = await drive(server.port, each, { connections: AT_ONCE, seconds });
  const taken = cpuMicroseconds(server.pid) - before;
  return {
    count: result.count,
    perSecond: result.perSecond,
    cpu: taken,
    share: (taken * result.perSecond) / result.count / 1e6,
    p50: percentile(result.latencies, 0.5),
    p99: percentile(result.latencies, 0.99),
    generator: result.generator,
  };
}

/**
 * Measures every row under its clocks on all servers. Resolves to `lines`, each
 * { row, clock, cost, samples: { worker: [...], floor: [...], reference: [...] } }, and to what the
 * floor did without any storage operation, `empty`.
 */
export async function measureRows(servers, { rounds, seconds, progress }) {
  const lines = rows.flatMap((row) =>
    Object.entries(row.clocks).map(([clock, cost]) => ({ row, clock, cost, samples: byServer() })),
  );
  const empty = { silent: [], logged: [] };
  for (let round = 0; round <= rounds; round += 1) {
    const warmUp = round === 0;
    progress(warmUp ? "warming up" : `round ${round} of ${rounds}`);
    for (const { row, clock, samples } of shuffled(lines, round)) {
      const all = [servers.worker[clock], servers.floor[clock], servers.reference];
      for (const server of turn(round, all)) {
        const next = row.next(server);
        const taken = await sample(server, () => next, seconds);
        if (!warmUp) samples[server.name].push(taken);
        if (server.loaderPort) await forgetNewNodes(server);
      }
    }
    for (const [kind, next] of Object.entries(emptyRequests)) {
      const taken = await sample(servers.floor.warm, () => next, seconds);
      if (!warmUp) empty[kind].push(taken);
    }
  }
  return { lines, empty };
}

/** Complete boots per second of distinct new nodes, 16 at once. */
export async function measureBoots(servers, { rounds, seconds, progress }) {
  const samples = byServer();
  for (let round = 1; round <= rounds; round += 1) {
    progress(`boots, round ${round} of ${rounds}`);
    for (const server of turn(round, [servers.worker.warm, servers.floor.warm, servers.reference])) {
      const taken = await sample(server, () => boots(server), seconds);
      const { count, perSecond } = taken;
      samples[server.name].push({ ...taken, count: count / BOOT_LENGTH, perSecond: perSecond / BOOT_LENGTH });
      if (server.loaderPort) await forgetNewNodes(server);
    }
  }
  return samples;
}

const byServer = () => ({ worker: [], floor: [], reference: [] });

/** What a series of measurements says: the median of one of its figures. */
export const median = (samples, figure) => middle(samples.map((sample) => sample[figure]));

/** CPU microseconds of a request, over all samples: the kernel counts in hundredths of a second. */
export const cpu = (samples) => sum(samples, "cpu") / sum(samples, "count");

const sum = (samples, figure) => samples.reduce((total, sample) => total + sample[figure], 0);

/** The median of the ratios of each round. */
export const ratio = (samples, others, figure = "perSecond") =>
  middle(samples.map((sample, round) => sample[figure] / others[round][figure]));

/** A value out of a sorted list. */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function middle(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * The same in another order for each round, and in the same for the same. A collection of garbage takes
 * as long as some hundred requests, and would else always fall on the same row.
 */
function shuffled(values, round) {
  const place = (index) => createHash("sha256").update(`${round} ${index}`).digest("hex");
  const placed = values.map((value, index) => [place(index), value]);
  return placed.sort(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => value);
}

/** The servers, beginning with another one in every round. */
export function turn(round, servers) {
  return servers.map((_, index) => servers[(round + index) % servers.length]);
}
