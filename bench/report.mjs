// The table, and which of the wanted figures a run reached.

import { KINDS, MIB, boot } from "./requests.mjs";

const COLUMNS = ["name", "worker", "floor", "reference", "toFloor", "toReference", "depth"];
const HEAD = ["", "Worker", "floor", "ztpserver", "Worker / floor", "Worker / ztpserver", "depth cold / warm"];
const MB = (256 * MIB) / 1e6;

/** The mean of the middle half: a round that other work disturbed does not count. */
function average(values) {
  const quarter = Math.floor(values.length / 4);
  const middle = values.toSorted((a, b) => a - b).slice(quarter, values.length - quarter);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** A row: a figure of each server, and its ratios, which are made in each round. */
function row(name, samples, figure, depth) {
  const figures = Object.fromEntries(Object.entries(samples).map(([server, all]) => [server, all.map(figure)]));
  const ratio = (others) => others && average(figures.worker.map((own, round) => own / others[round]));
  const averages = Object.fromEntries(Object.entries(figures).map(([server, all]) => [server, average(all)]));
  return { name, ...averages, toFloor: ratio(figures.floor), toReference: ratio(figures.reference), depth };
}

/** At least three digits. */
const digits = (value) => (value < 100 ? value.toPrecision(3) : value.toFixed(0));
const pair = (depth) => depth.map((operations) => operations.toFixed(1)).join(" / ");

function table(rows) {
  const cell = (value) => (Number.isFinite(value) ? digits(value) : typeof value === "string" ? value : "");
  const lines = rows.map((one) => COLUMNS.map((column) => cell(one[column])));
  const rule = HEAD.map((name) => (name === "" ? "---" : "---:"));
  return [HEAD, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Tables and verdicts, as Markdown: `{ full, short, verdicts }`. */
export function report({ boots, kinds, image, memory, starts, depth, gzipped }) {
  const requests = boot().length;
  const perSecond = row("boots per second", boots, (one) => one.perSecond / requests, pair(depth.worker.boot));
  const cpu = row("CPU of a boot, ms", boots, (one) => (one.cpu * requests) / 1000);
  const kind = ({ name }) => row(`CPU of ${name}, µs`, kinds[name], (one) => one.cpu, pair(depth.worker[name]));
  const download = row("download of 256 MiB, MB/s", image.download, (seconds) => MB / seconds);
  const meta = row("first meta of 256 MiB, MB/s", image.meta, (seconds) => MB / seconds);
  const idle = row("memory when idle, MiB", memory, (one) => one.idle);
  const growth = row("memory above idle, serving and hashing 1 GiB, MiB", memory, (one) => one.growth);
  const start = row("process start to first response, ms", starts, (milliseconds) => milliseconds);
  const wasm = { name: "wasm, KB gzipped", worker: gzipped / 1000 };
  const rounded = (server, name) => depth[server][name].map(Math.round).join(" / ");
  const wrong = KINDS.filter(({ name, depth: wanted }) => rounded("worker", name) !== wanted.join(" / "));
  const depths = wrong.map(({ name }) => `${name}: ${rounded("worker", name)}`).join(", ");
  const other = KINDS.filter(({ name }) => rounded("worker", name) !== rounded("floor", name));
  const verdict = (what, met, found) => `- ${met ? "met" : "**missed**"}: ${what} (${found})`;
  const figure = (what, is, found) => verdict(what, is(found), digits(found));
  return {
    full: table([perSecond, cpu, ...KINDS.map(kind), download, meta, idle, growth, start, wasm]),
    short: table([perSecond, cpu]),
    verdicts: [
      figure("boots per second at least 0.75 of the floor's", (found) => found >= 0.75, perSecond.toFloor),
      figure("CPU of a boot at most 1.35 of the floor's", (found) => found <= 1.35, cpu.toFloor),
      figure("boots per second at least 4 times ztpserver's", (found) => found >= 4, perSecond.toReference),
      figure("first meta of 256 MiB at least 0.9 of the floor's", (found) => found >= 0.9, meta.toFloor),
      figure("download of 256 MiB at least 0.9 of the floor's", (found) => found >= 0.9, download.toFloor),
      figure("at most 32 MiB above idle", (found) => found <= 32, growth.worker),
      figure("at most 600 KB of wasm, gzipped", (found) => found <= 600, wasm.worker),
      verdict("depth as listed", wrong.length === 0, depths || "all"),
      ...other.map(({ name }) => `- The floor differs from the Worker: ${name} has depth ${rounded("floor", name)}.`),
    ].join("\n"),
  };
}
