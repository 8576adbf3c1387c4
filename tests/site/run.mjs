// A site powers on: 500 switches boot at once from the built Worker on real workerd. Its KV rejects with 429 a
// second write of a key within a second, one storage operation in 200 fails, half of the switches see
// their neighbors late, and one in 20 loses power at a random moment and starts again on the same flash.
//
//   node tests/site/run.mjs [--switches 500] [--processes 50] [--seed 1] [--wait-scale 1] [--stale 0] [--reasons]
//
// A booted switch backs up its configuration on the server, and one in five does so twice in a row.
//
// The test fails with a list of problems unless all switches have booted in time, each with its own
// configuration. The seed decides the switches, the faults and the power cuts. The wait scale multiplies all
// waits of switches and of LLDP. With --stale, KV reads may be so many seconds old; --reasons prints the
// reasons of retries.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { npmBin, run } from "../../scripts/run.mjs";
import { numberOption } from "../security/random.mjs";
import { problemsOf } from "./check.mjs";
import { contentOf, expectedRequests, POOL, SITE } from "./content.mjs";
import { GaveUp, Life, send } from "./exchange.mjs";
import { bootProcess, hasConfig, LINES_OF_A_REQUEST, makeHomes, readFlash } from "./real.mjs";
import { startStored } from "./runtime.mjs";
import { boot } from "./simulated.mjs";
import { makeSwitches } from "./switches.mjs";

const SWITCHES = numberOption("--switches", 500);
const PROCESSES = numberOption("--processes", Math.ceil(SWITCHES / 10));
const SEED = numberOption("--seed", 1);
const SCALE = numberOption("--wait-scale", 1);
const STALE = numberOption("--stale", 0);

/** Seconds in which the site must be up. */
const LIMIT = 300;
/** Seconds after the last response in which every record must be in KV. */
const COPY_LIMIT = 120;
/** Seconds from a power cut to the next power-on, before scaling. */
const POWER_OFF = 5;
/** The most milliseconds from a step to the power cut after it: a request, or a log line of a process. */
const [CUT_DELAY, PROCESS_CUT_DELAY] = [40, 20];
/** One switch in so many backs up its configuration twice. */
const TWICE_OF = 5;
/** Attempts of a backup; seconds between two of them, and for each. */
const [BACKUP_ATTEMPTS, BACKUP_PAUSE, BACKUP_TIMEOUT] = [10, 5, 30];
/** Attempts to list the pool: faults hit these requests too. */
const LISTING_ATTEMPTS = 5;
const TOKEN = "berlin-token-0123456789";
const ADMIN = "an-admin-token-of-enough-length";
/** Traces of a crash in the log. */
const CRASH = /panicked|unreachable|RuntimeError|Uncaught|hung|code had/i;

run(npmBin("node"), ["scripts/bundle.mjs"]);
console.log(`site: ${SWITCHES} switches, ${PROCESSES} of them processes (seed ${SEED})`);

const folder = mkdtempSync(join(tmpdir(), "ztp-site-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const switches = makeSwitches(SWITCHES, PROCESSES, SEED);
const homes = makeHomes(folder, switches.filter(({ isProcess }) => isProcess).map(({ serial }) => serial));
const bindings = { ZTP_TOKENS: `${SITE}=${TOKEN}`, ZTP_ADMIN_TOKEN: ADMIN };
const runtime = await startStored(contentOf(switches, SEED), { bindings, seed: SEED, staleFor: STALE * 1000 });

const figures = { retries: 0, refusals: 0, cuts: 0, lateCuts: 0, starts: 0, backups: 0, backupRetries: 0 };
const reasons = new Map();
const lives = new Set();
let isOver = false;
const site = {
  bootstrapUrl: `${runtime.origin}/t/${TOKEN}/bootstrap`,
  scale: SCALE,
  retried(_, problem) {
    figures.retries += 1;
    const reason = problem.replace(/^\S+: (?=[A-Z])/, "").trim().replace(/JPE26\d+|byte \d+/g, "N").slice(0, 160);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  },
  refused() {
    figures.refusals += 1;
  },
};

const began = performance.now();
const deadline = setTimeout(() => {
  isOver = true;
  for (const life of lives) life.cut();
}, LIMIT * 1000);
await Promise.all(switches.map((one) => live(one).then(() => backUp(one))));
clearTimeout(deadline);
const seconds = (performance.now() - began) / 1000;

const listing = await listPool();
// The objects of nodes copy to KV after their responses, and again after a fault.
const responded = performance.now();
let problems;
do {
  problems = await problemsOf(switches, { kv: runtime.kv, listing, seed: SEED, isStale: STALE > 0 });
  if (problems.length > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
} while (problems.length > 0 && performance.now() - responded < COPY_LIMIT * 1000);
figures.copied = (performance.now() - responded) / 1000;
const lines = runtime.entries.map(({ message }) => message);
const requests = lines.filter((line) => line.startsWith('{"method"')).map((line) => JSON.parse(line));
for (const { status, method, route, reason } of requests) if (status === 500) problems.push(`the Worker's response to ${method} ${route} is 500: ${reason}`);
for (const line of lines) if (CRASH.test(line)) problems.push(`the Worker's log has the trace of a crash: ${line.slice(0, 300)}`);
if (seconds > LIMIT) problems.push(`the site was not up within ${LIMIT} s`);
report();
await runtime.stop();
process.exit(problems.length > 0 ? 1 : 0);

/** Runs a switch from its first power-on until it has booted, or its client gives up. */
async function live(one) {
  const home = homes[one.serial];
  one.flash = new Map();
  let cut = one.cutAt === undefined ? {} : cutOf(one);
  const first = performance.now();
  for (;;) {
    if (isOver) {
      one.problem = `it was still without power after ${LIMIT} s`;
      break;
    }
    const life = new Life({ scale: SCALE, ...cut });
    cut = {};
    lives.add(life);
    figures.starts += 1;
    try {
      if (home) await bootProcess(one, home, life, site);
      else await boot(one, one.flash, life, site);
      break;
    } catch (error) {
      if (isOver) one.problem = `it was still booting after ${LIMIT} s${one.lines ? `; its log ends with: ${one.lines.at(-1)}` : ""}`;
      else if (error instanceof GaveUp) one.problem = error.message;
      else if (!error.isPowerCut) throw error;
      if (one.problem) break;
      figures.cuts += 1;
      one.wasCut = true;
      // EOS boots from a startup-config without ZTP: half of one would stay for good.
      if (home ? hasConfig(home) : one.flash.has("startup-config")) {
        one.isLateCut = true;
        figures.lateCuts += 1;
        break;
      }
      await new Life({ scale: SCALE }).sleep(POWER_OFF);
    } finally {
      lives.delete(life);
      // A planned cut that the boot was too fast for does nothing any more.
      life.isOver = true;
    }
  }
  one.seconds = (performance.now() - first) / 1000;
  if (home) one.flash = readFlash(home);
}

/** Backs up the configuration of a booted switch; of some, a second one right after it. */
async function backUp(one) {
  const config = one.flash.get("startup-config");
  if (one.problem || config === undefined) return;
  one.backups = [config];
  if (one.random % TWICE_OF === 0) one.backups.push(`${config}! saved again\n`);
  const life = new Life({ scale: SCALE });
  lives.add(life);
  for (const body of one.backups) {
    for (let attempt = 1; !(await put(body)); attempt += 1) {
      if (attempt === BACKUP_ATTEMPTS || isOver) return;
      figures.backupRetries += 1;
      await life.sleep(BACKUP_PAUSE);
    }
    figures.backups += 1;
  }
  lives.delete(life);

  async function put(body) {
    try {
      const url = `${one.server}/nodes/${one.serial}/startup-config`;
      const response = await send(url, { method: "PUT", body, headers: { "Content-Type": "text/plain" }, timeout: BACKUP_TIMEOUT, life });
      if (response.status === 201) return true;
      one.backupProblem = `${response.status}: ${response.text}`;
    } catch (error) {
      one.backupProblem = error.message;
    }
    return false;
  }
}

/** The power cut of a switch, as its Life takes it. */
function cutOf({ cutAt, isProcess, random, ...one }) {
  const steps = expectedRequests(one) * (isProcess ? LINES_OF_A_REQUEST : 1);
  return { cutAfter: 1 + Math.floor(cutAt * steps), delay: random % (isProcess ? PROCESS_CUT_DELAY : CUT_DELAY) };
}

/** The allocations of the pool, from the Worker. */
async function listPool() {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${runtime.origin}/admin/pools/${POOL}`, { headers: { Authorization: `Bearer ${ADMIN}` } });
    if (response.ok) return response.json();
    if (response.status !== 503 || attempt === LISTING_ATTEMPTS) throw new Error(`GET /admin/pools/${POOL}: ${response.status} ${await response.text()}`);
  }
}

function report() {
  const pools = lines.filter((line) => line.startsWith('{"pool_operation"')).map((line) => JSON.parse(line).pool_operation);
  const statuses = new Map();
  for (const { status } of requests) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const byStatus = [...statuses].sort().map(([status, count]) => `${count} × ${status}`);
  const booted = switches.filter(({ problem }) => !problem);
  const longest = (list) => Math.max(0, ...list.map((one) => one.seconds)).toFixed(1);
  const planned = switches.filter(({ cutAt }) => cutAt !== undefined).length;
  const { kv, faults } = runtime;
  const poolFaults = pools.filter((operation) => operation !== "done").length;
  const rows = [
    ["booted", `${booted.length} of ${SWITCHES} (${booted.filter(({ isProcess }) => isProcess).length} of ${PROCESSES} processes)`],
    ["starts", figures.starts],
    ["power cuts", `${planned}: ${figures.cuts - figures.lateCuts} in a boot, ${figures.lateCuts} when its startup-config was in place, ${planned - figures.cuts} when it was over`],
    ["requests", `${requests.length}: ${byStatus.join(", ")}`],
    ["retries of clients", figures.retries],
    ["backups", `${figures.backups}, with ${figures.backupRetries} retries`],
    ["refusals until all neighbors were seen", figures.refusals],
    ["KV writes refused with 429", kv.operations.filter(({ status }) => status === 429).length],
    ["storage operations", `${faults.operations + pools.length}: ${kv.operations.length} KV, ${faults.operations - kv.operations.length} R2, ${pools.length} pools`],
    ["injected faults", faults.injected + poolFaults],
    ["longest boot", `${longest(booted.filter(({ wasCut }) => !wasCut))} s; ${longest(booted.filter(({ wasCut }) => wasCut))} s with a power cut`],
    ["all in KV after the last response", `${figures.copied.toFixed(1)} s`],
    ["total", `${seconds.toFixed(1)} s`],
  ];
  for (const [name, value] of rows) console.log(`  ${name.padEnd(40)}${value}`);
  if (process.argv.includes("--reasons")) {
    for (const [reason, count] of [...reasons].sort((one, other) => other[1] - one[1])) console.log(`  retried ${count} times: ${reason}`);
  }
  for (const problem of problems) console.error(`site: ${problem}`);
  console.log(problems.length > 0 ? `site: ${problems.length} problems (seed ${SEED})` : `site: all ${SWITCHES} switches are up (seed ${SEED})`);
}
