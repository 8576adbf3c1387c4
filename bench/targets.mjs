// The targets that the project has set itself, and what a run says about them.

import { MIB } from "./content.mjs";
import { IMAGE_BYTES } from "./large.mjs";
import { hundredths, label, whole } from "./markdown.mjs";
import { cpu, median, ratio } from "./measure.mjs";

const OF_FLOOR = 0.9;
const OF_REFERENCE = 1.5;
const BOOTS_OF_REFERENCE = 3;
const FIRST_META_OF_FLOOR = 0.9;
const DOWNLOAD_OF_FLOOR = 0.95;
const MAX_GROWTH_BYTES = 32 * MIB;
const MAX_CPU_MICROSECONDS = 2000;

/** One line of Markdown per target: met or missed, and by how much. */
export function verdicts({ lines, boots, images, memory }) {
  const toFloor = ({ samples }) => ratio(samples.worker, samples.floor);
  const toReference = ({ samples }) => ratio(samples.worker, samples.reference);
  return [
    onEvery(lines, `requests/s at least ${OF_FLOOR} of the floor`, OF_FLOOR, toFloor),
    onEvery(lines, `requests/s at least ${OF_REFERENCE} times ztpserver's`, OF_REFERENCE, toReference),
    ...outOfReach(lines),
    atLeast(
      `boots/s at least ${BOOTS_OF_REFERENCE} times ztpserver's`,
      BOOTS_OF_REFERENCE,
      ratio(boots.worker, boots.reference),
    ),
    atLeast(
      `first meta of ${IMAGE_BYTES / MIB} MiB at least ${FIRST_META_OF_FLOOR} of the floor`,
      FIRST_META_OF_FLOOR,
      ratio(images.firstMeta.worker, images.firstMeta.floor),
    ),
    verdict(!secondReadsBody(images), "second meta without reading the body", secondMeta(images)),
    atLeast(
      `file download at least ${DOWNLOAD_OF_FLOOR} of the floor`,
      DOWNLOAD_OF_FLOOR,
      ratio(images.download.worker, images.download.floor),
    ),
    flatMemory(memory),
    cheap(lines),
  ];
}

function verdict(met, what, found) {
  return `- ${met ? "met" : "**missed**"}: ${what} (${found})`;
}

function atLeast(what, wanted, found) {
  return verdict(found >= wanted, what, hundredths(found));
}

/** A ratio that every line of the table has to reach. */
function onEvery(lines, what, wanted, measure) {
  const short = lines.filter((line) => measure(line) < wanted);
  const least = `least ${hundredths(Math.min(...lines.map(measure)))}`;
  const found = short.map((line) => `${label(line)} ${hundredths(measure(line))}`).join(", ");
  return verdict(
    short.length === 0,
    `${what} on every endpoint`,
    short.length === 0 ? least : `${lines.length - short.length} of ${lines.length}; not ${found}`,
  );
}

/** Where the floor is no faster either: what the runtime and the stores take is more than ztpserver may take in all. */
function outOfReach(lines) {
  const short = lines.filter(({ samples: { floor, reference } }) => ratio(floor, reference) < OF_REFERENCE);
  if (short.length === 0) return [];
  const found = short.map((line) => `${label(line)} ${hundredths(ratio(line.samples.floor, line.samples.reference))}`);
  return [`  - the floor, which is the runtime and the stores and nothing else, misses it on: ${found.join(", ")}`];
}

/** Whether a second meta takes more than a twentieth of the first one's time. */
function secondReadsBody({ firstMeta, secondMeta }) {
  const first = IMAGE_BYTES / median(firstMeta.worker, "perSecond");
  return 1 / median(secondMeta.worker, "perSecond") > first / 20;
}

const secondMeta = ({ secondMeta: { worker } }) => `${(1000 / median(worker, "perSecond")).toFixed(1)} ms`;

function flatMemory({ worker, floor, size }) {
  const growth = worker.peak - worker.idle;
  return verdict(
    growth <= MAX_GROWTH_BYTES,
    `memory within ${MAX_GROWTH_BYTES / MIB} MiB of idle while ${size / MIB} MiB are served and hashed`,
    `${whole(growth / MIB)} MiB more; the floor ${whole((floor.peak - floor.idle) / MIB)}`,
  );
}

/** CPU of the process, stores included. */
function cheap(lines) {
  const most = lines.reduce((found, line) => (cpu(line.samples.worker) > cpu(found.samples.worker) ? line : found));
  const taken = cpu(most.samples.worker);
  return verdict(
    taken < MAX_CPU_MICROSECONDS,
    `any endpoint but a first meta under ${MAX_CPU_MICROSECONDS / 1000} ms CPU`,
    `most ${whole(taken)} µs, stores included: ${label(most)}`,
  );
}
