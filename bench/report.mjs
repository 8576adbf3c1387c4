// The tables, and which of the project's targets this run meets.

import { MIB } from "./content.mjs";
import { IMAGE_BYTES } from "./large.mjs";
import { hundredths, label, table, whole } from "./markdown.mjs";
import { cpu, median, ratio } from "./measure.mjs";
import { verdicts } from "./targets.mjs";

const SERVERS = ["worker", "floor", "reference"];

/** What was measured, as Markdown. */
export function report(measured) {
  return [
    "## Benchmark",
    "",
    measured.conditions,
    "",
    requestTable(measured.lines),
    "",
    figureTable(measured),
    "",
    storeCost(measured),
    "",
    "### Targets",
    "",
    ...verdicts(measured),
    ...remarks(measured),
  ].join("\n");
}

function requestTable(lines) {
  const head = [
    ["request", "memory", "storage operations", "Worker req/s", "floor req/s", "ztpserver req/s"],
    ["× floor", "× ztpserver", "Worker CPU µs", "floor CPU µs", "× floor in CPU", "p50 ms", "p99 ms"],
  ];
  const body = lines.map(({ row, clock, cost, samples: { worker, floor, reference } }) => [
    row.name,
    row.clocks.cold ? clock : "",
    cost,
    ...[worker, floor, reference].map((samples) => whole(median(samples, "perSecond"))),
    hundredths(ratio(worker, floor)),
    hundredths(ratio(worker, reference)),
    whole(cpu(worker)),
    whole(cpu(floor)),
    hundredths(cpu(floor) / cpu(worker)),
    median(worker, "p50").toFixed(1),
    median(worker, "p99").toFixed(1),
  ]);
  return table(head.flat(), body, 3);
}

function figureTable({ boots, images, memory, starts, wasm }) {
  const each = (show) => SERVERS.map((server) => show(server));
  const speed = (name, samples, show) => [
    name,
    ...each((server) => show(median(samples[server], "perSecond"))),
    hundredths(ratio(samples.worker, samples.floor)),
    hundredths(ratio(samples.worker, samples.reference)),
  ];
  const computed = (name, samples) => [
    name,
    ...each((server) => whole(cpu(samples[server]) / 1000)),
    hundredths(cpu(samples.floor) / cpu(samples.worker)),
    hundredths(cpu(samples.reference) / cpu(samples.worker)),
  ];
  const megabytes = (perSecond) => whole(perSecond / 1e6);
  const size = `${IMAGE_BYTES / MIB} MiB`;
  return table(
    ["", "Worker", "floor", "ztpserver", "× floor", "× ztpserver"],
    [
      speed("boots of 9 requests, 16 at once, per second", boots, (perSecond) => perSecond.toFixed(1)),
      computed("CPU of a boot, ms", boots),
      speed(`file of ${size}, MB/s`, images.download, megabytes),
      computed("CPU of that, ms", images.download),
      speed("first meta of it, MB/s", images.firstMeta, megabytes),
      computed("CPU of that, ms", images.firstMeta),
      speed("second meta of it, ms", images.secondMeta, (perSecond) => (1000 / perSecond).toFixed(1)),
      ["memory when idle, MiB", ...each((server) => whole(memory[server].idle / MIB)), "", ""],
      [
        `highest while a file of ${memory.size / MIB} MiB is served and hashed, MiB`,
        ...each((server) => whole(memory[server].peak / MIB)),
        "",
        "",
      ],
      ["process start to first answer, ms", ...each((server) => whole(median(starts[server], "ms"))), "", ""],
      ["wasm, KB (gzipped)", `${whole(wasm.bytes / 1000)} (${whole(wasm.gzipped / 1000)})`, "", "", "", ""],
    ],
    1,
  );
}

/** What workerd alone and the stores take of the CPU figures, from what the floor took. */
function storeCost({ empty, lines }) {
  const of = (name, clock) => {
    const { samples } = lines.find((line) => line.row.name === name && line.clock === clock);
    return whole(cpu(samples.floor) - cpu(empty.logged));
  };
  return [
    `Of these CPU figures workerd takes ${whole(cpu(empty.silent))} µs for a request that does nothing, and`,
    `${whole(cpu(empty.logged))} with a log line. KV and R2 are stores in memory, in the same process, which take about`,
    `${of("GET startup-config", "warm")} µs for a KV read, ${of("POST /nodes, known", "warm")} for a bulk read,`,
    `${of("GET /actions/{name}", "cold")} for a small R2 object and ${of("POST /nodes, new", "warm")} for a bulk read`,
    "with three writes; at Cloudflare that is other machines' time. The floor pays all of it, too.",
  ].join(" ");
}

/** Above this share of a CPU, the load generator may have held a server back. */
const BUSY_GENERATOR = 0.85;

/** Below this share of a CPU, a server that always had work was kept from it by others. */
const DISTURBED_SERVER = 0.85;

/** What a reader of the numbers has to know. */
function remarks({ lines, images, notes }) {
  const size = `${IMAGE_BYTES / MIB} MiB`;
  const found = notes.map((note) => `The floor differs from the Worker in ${note}.`);
  const series = [...lines.map((line) => [label(line), line.samples]), [`file of ${size}`, images.download]];
  for (const [name, samples] of series) {
    for (const server of SERVERS) {
      const share = median(samples[server], "generator");
      if (share <= BUSY_GENERATOR) continue;
      found.push(`The load generator was ${whole(share * 100)} % busy, and may be what limits: ${name}, ${server}.`);
    }
  }
  const share = median(lines.flatMap((line) => SERVERS.flatMap((server) => line.samples[server])), "share");
  if (share < DISTURBED_SERVER) {
    found.push(
      `This machine was busy with other things: the servers got ${whole(share * 100)} % of the CPU that they had work for. ` +
        "Ratios of CPU time suffer less from that than those of requests per second.",
    );
  }
  return found.length > 0 ? ["", ...found] : [];
}
