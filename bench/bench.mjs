import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npmBin, run } from "../scripts/run.mjs";
import { measureRows, measureBoots, median, ratio } from "./measure.mjs";
import { becomeGenerator } from "./process.mjs";
import { startServers } from "./servers.mjs";

run(npmBin("node"), ["scripts/bundle.mjs"]);
becomeGenerator();
const place = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "ztp-edge-bench-"));
const started = [];
try {
  const servers = await startServers(place, started);
  console.log(servers.notes);
  const o = { rounds: Number(process.env.R ?? 1), seconds: Number(process.env.S ?? 0.5), progress: (x) => console.error(x) };
  const { lines, empty } = await measureRows(servers, o);
  const f = (x, d = 0) => x.toFixed(d).padStart(7);
  console.log("empty", f(median(empty.samples.floor, "perSecond")), f(median(empty.samples.floor, "cpu")));
  for (const { row, clock, samples: { worker, floor, reference } } of lines)
    console.log(row.name.padEnd(30), clock.padEnd(5), ...[worker, floor, reference].map((s) => f(median(s, "perSecond"))), "| x", f(ratio(worker, floor), 2), f(ratio(worker, reference), 1), "| cpu", ...[worker, floor, reference].map((s) => f(median(s, "cpu"))), "| gen", ...[worker, floor, reference].map((s) => f(median(s, "generator"), 2)), "p99", f(median(worker, "p99"), 1));
  const b = await measureBoots(servers, o);
  console.log("boots", ...Object.entries(b).map(([n, s]) => n + f(median(s, "perSecond"), 1) + f(median(s, "cpu"))));
  for (const s of started) console.log(s.name, s.clock, s.startMs);
} finally {
  for (const server of started) await server.stop();
  rmSync(place, { recursive: true, force: true });
}
