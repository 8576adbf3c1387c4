// The tables, and which of the project's targets this run meets.

import { IMAGE_BYTES } from "./large.mjs";
import { MIB } from "./content.mjs";
import { cpu, median, ratio } from "./measure.mjs";

/** Above this share of a CPU, the load generator may have held a server back. */
const GENERATOR_LIMIT = 0.85;
const MAX_GROWTH_BYTES = 32 * MIB;
const MAX_CPU_MICROSECONDS = 2000;

/** What was measured, as Markdown. */
export function report({ lines, empty, boots, images, memory, starts, wasm, notes, conditions }) {
  return [
    `## Benchmark\n`,
    `${conditions}\n`,
    requestTable(lines),
    ``,
    figureTable({ boots, images, memory, starts, wasm }),
    ``,
    simulatorCost(empty, lines),
    ``,
    targets({ lines, empty, boots, images, memory }),
    ...remarks(lines, images, notes),
  ].join("\n");
}

function requestTable(lines) {
  const head = [
    "request", "memory", "storage operations", "Worker req/s", "floor req/s", "ztpserver req/s",
    "× floor", "× ztpserver", "Worker CPU µs", "floor CPU µs", "× floor in CPU", "p50 ms", "p99 ms",
  ];
  const body = lines.map(({ row, clock, cost, samples: { worker, floor, reference } }) => [
    row.name, "cold" in row.clocks ? clock : "", cost,
    ...[worker, floor, reference].map((samples) => whole(median(samples, "perSecond"))),
    ratio(worker, floor).toFixed(2), ratio(worker, reference).toFixed(1),
    whole(cpu(worker)), whole(cpu(floor)), (cpu(floor) / cpu(worker)).toFixed(2),
    median(worker, "p50").toFixed(1), median(worker, "p99").toFixed(1),
  ]);
  return table(head, body, 3);
}

function figureTable({ boots, images, memory, starts, wasm }) {
  const row = (name, samples, show, figure = "perSecond") => [
    name,
    ...["worker", "floor", "reference"].map((server) => show(median(samples[server], figure))),
    ratio(samples.worker, samples.floor, figure).toFixed(2),
    ratio(samples.worker, samples.reference, figure).toFixed(1),
  ];
  const computed = (name, samples) => [
    name,
    ...["worker", "floor", "reference"].map((server) => whole(cpu(samples[server]) / 1000)),
    (cpu(samples.floor) / cpu(samples.worker)).toFixed(2),
    (cpu(samples.reference) / cpu(samples.worker)).toFixed(1),
  ];
  const megabytes = (value) => whole(value / 1e6);
  const milliseconds = (value) => (1000 / value).toFixed(1);
  const mebibytes = (name, show) => [name, ...["worker", "floor", "reference"].map((server) => whole(show(memory[server]) / MIB)), "", ""];
  return table(
    ["", "Worker", "floor", "ztpserver", "× floor", "× ztpserver"],
    [
      row("boots of 9 requests, 16 at once, per second", boots, (value) => value.toFixed(1)),
      computed("CPU of a boot, ms", boots),
      row("file of 256 MiB, MB/s", images.download, megabytes),
      computed("CPU of that, ms", images.download),
      row("first meta of it, MB/s", images.firstMeta, megabytes),
      computed("CPU of that, ms", images.firstMeta),
      row("second meta of it, ms (× in speed)", images.secondMeta, milliseconds),
      mebibytes("memory when idle, MiB", ({ idle }) => idle),
      mebibytes(`highest while serving and hashing ${memory.size / MIB} MiB, MiB`, ({ peak }) => peak),
      ["process start to first answer, ms", ...["worker", "floor", "reference"].map((server) => whole(median(starts[server], "ms"))), "", ""],
      [`wasm, KB (gzipped)`, `${whole(wasm.bytes / 1000)} (${whole(wasm.gzipped / 1000)})`, "", "", "", ""],
    ],
    1,
  );
}

/** What workerd alone and the simulators take of the CPU figures, from what the floor took. */
function simulatorCost(empty, lines) {
  const of = (name, clock) => whole(cpu(lines.find((line) => line.row.name === name && line.clock === clock).samples.floor) - cpu(empty.logged));
  return (
    `Of these CPU figures workerd takes ${whole(cpu(empty.silent))} µs for a request that does nothing, a log line ` +
    `${whole(cpu(empty.logged) - cpu(empty.silent))} µs, and the local simulators of KV and R2, which run in the same process, about ` +
    `${of("GET /bootstrap/config", "cold")} µs for a KV read, ${of("POST /nodes, known", "warm")} for a bulk read, ` +
    `${of("GET /actions/{name}", "cold")} for a small R2 object and ${of("POST /nodes, new", "warm")} for a bulk read with three ` +
    `writes. All of that is the same for the Worker and the floor, which logs a line per request, too.`
  );
}

function targets({ lines, empty, boots, images, memory }) {
  const short = (wanted, measure) =>
    lines.filter((line) => measure(line.samples) < wanted).map((line) => `${label(line)} ${measure(line.samples).toFixed(2)}`);
  const growth = memory.worker.peak - memory.worker.idle;
  // What the Worker took beyond what the simulators did for the floor.
  const own = ({ samples }) => cpu(samples.worker) - cpu(samples.floor) + cpu(empty.logged);
  const overCpu = lines.filter((line) => cpu(line.samples.worker) >= MAX_CPU_MICROSECONDS);
  const overOwn = overCpu.filter((line) => own(line) >= MAX_CPU_MICROSECONDS);
  const least = (what, found, wanted) => verdict(what, found >= wanted ? [] : [found.toFixed(2)], found.toFixed(2));
  return [
    `### Targets\n`,
    verdict("requests/s at least 0.9 of the floor on every endpoint", short(0.9, ({ worker, floor }) => ratio(worker, floor))),
    verdict("requests/s at least 1.5 times ztpserver's on every endpoint", short(1.5, ({ worker, reference }) => ratio(worker, reference))),
    bounded(lines),
    least("boots/s at least 3 times ztpserver's", ratio(boots.worker, boots.reference), 3),
    least("first meta of 256 MiB at least 0.9 of the floor", ratio(images.firstMeta.worker, images.firstMeta.floor), 0.9),
    verdict("second meta without reading the body", bodyWasRead(images) ? ["it takes as long as the first"] : []),
    least("file download at least 0.95 of the floor", ratio(images.download.worker, images.download.floor), 0.95),
    verdict(
      `memory within 32 MiB of idle while serving and hashing ${memory.size / MIB} MiB`,
      growth <= MAX_GROWTH_BYTES ? [] : [`${whole(growth / MIB)} MiB more than idle; the floor ${whole((memory.floor.peak - memory.floor.idle) / MIB)}`],
      `${whole(growth / MIB)} MiB`,
    ),
    verdict(
      "any endpoint but a first meta under 2 ms CPU, simulators not counted",
      overOwn.map((line) => `${label(line)} ${whole(own(line))} µs`),
      overCpu.length > 0 ? `with them over it: ${overCpu.map(label).join(", ")}` : "nor with them",
    ),
  ].filter(Boolean).join("\n");
}

/** On which endpoints nothing that runs on the simulators is fast enough. */
function bounded(lines) {
  const names = lines.filter(({ samples: { floor, reference } }) => ratio(floor, reference) < 1.5).map(label);
  return names.length > 0 ? `  - nor does the floor on these, which the simulators' CPU bounds: ${names.join("; ")}` : undefined;
}

/** Whether a second meta took more than a twentieth of the first one's time. */
function bodyWasRead({ firstMeta, secondMeta }) {
  const first = IMAGE_BYTES / median(firstMeta.worker, "perSecond");
  return 1 / median(secondMeta.worker, "perSecond") > first / 20;
}

function verdict(what, missed, found) {
  if (missed.length > 0) return `- missed: ${what}: ${missed.join("; ")}`;
  return `- met: ${what}${found ? ` (${found})` : ""}`;
}

/** What a reader of the numbers has to know. */
function remarks(lines, images, notes) {
  const series = [
    ...lines.flatMap((line) => Object.entries(line.samples).map(([server, samples]) => [`${label(line)}, ${server}`, samples])),
    ...Object.entries(images.download).map(([server, samples]) => [`file of 256 MiB, ${server}`, samples]),
  ];
  const busy = series
    .filter(([, samples]) => median(samples, "generator") > GENERATOR_LIMIT)
    .map(([name, samples]) => `The load generator was ${whole(median(samples, "generator") * 100)} % busy and may be what limits: ${name}.`);
  const found = [...busy, ...notes.map((note) => `The floor differs from the Worker in ${note}.`)];
  return found.length > 0 ? ["", ...found] : [];
}

const label = ({ row, clock }) => (row.clocks.cold ? `${row.name} (${clock})` : row.name);
const whole = (value) => Math.round(value).toString();

/** A Markdown table; the first `texts` columns are text, the others numbers. */
function table(head, body, texts) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index < texts ? "---" : "---:"))), ...body.map(line)].join("\n");
}
