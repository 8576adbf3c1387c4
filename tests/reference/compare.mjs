// Sends the same requests to ztpserver 2.1.0 and to the built Worker, and compares the responses and the stored records.
//
//   node tests/reference/compare.mjs            everything
//   node tests/reference/compare.mjs PUT dots   the cases whose name contains one of these words, or which show that difference
//   node tests/reference/compare.mjs pairs      only the random pairs
//   node tests/reference/compare.mjs --short    everything, with fewer random pairs: what npm test runs of it
//   node tests/reference/compare.mjs --table    print the table of differences for docs/differences.md
//
// Every difference must be in differences.mjs. Each of those must occur, and be in docs/differences.md.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { attend, fail, npmBin, root } from "../../scripts/run.mjs";
import { pythonWithZtpserver } from "./python.mjs";
import bootstrap from "./cases/bootstrap.mjs";
import files from "./cases/files.mjs";
import http from "./cases/http.mjs";
import neighbordb from "./cases/neighbordb.mjs";
import nodes from "./cases/nodes.mjs";
import plugins from "./cases/plugins.mjs";
import systemmac from "./cases/systemmac.mjs";
import { differences, table } from "./differences.mjs";
import { pairs } from "./pairs.mjs";
import { both, play } from "./play.mjs";
import { compareSelection, prepare } from "./select.mjs";

const CASES = [...bootstrap, ...nodes, ...plugins, ...neighbordb, ...systemmac, ...files, ...http];

const selected = process.argv.slice(2).filter((arg) => arg !== "--short");

/** The number of random pairs of a neighbordb and a node, and their seed. */
const PAIRS = { count: process.argv.includes("--short") ? 100 : 500, seed: 1 };

/** The counts. Responses are `equal`, equal except for a difference that is everywhere (`usual`), or `special`. */
const ZERO = { cases: 0, requests: 0, equal: 0, usual: 0, special: 0, pairs: 0, equalPairs: 0, matchedPairs: 0 };

/** Each entry has its own servers. The names are ztpserver's; those of the Worker are the same in capitals. */
const SETTINGS = {
  default: { server_url: "http://ztp.example.net:8080" },
  systemmac: { server_url: "https://ztp.example.net/site/ztp", identifier: "systemmac" },
  unchecked: { server_url: "http://192.0.2.1", disable_topology_validation: "True" },
};

if (selected.includes("--table")) {
  console.log(table().join("\n"));
} else if (Number(process.versions.node.split(".")[0]) < 22) {
  // wrangler needs Node.js 22, which is among the project's packages.
  process.exitCode = await attend(npmBin("node"), process.argv.slice(1));
} else {
  process.exitCode = (await main()) ? 0 : 1;
}

/** Runs all selected cases. Returns whether there was no problem. */
async function main() {
  if (!existsSync(join(root, "build/bundle"))) fail("there is no Worker in build/bundle: run `node scripts/bundle.mjs` first");
  // Imported here because the harness loads wrangler.
  const { startReference } = await import("./reference.mjs");
  const { startEdge } = await import("./worker.mjs");
  const python = pythonWithZtpserver();
  const started = performance.now();
  // One group for each entry of SETTINGS, and one for the pairs. They run in parallel, each with its own servers.
  const groups = Object.entries(SETTINGS).map(([name, settings]) => {
    const cases = CASES.filter((one) => (one.everySetting || (one.settings ?? "default") === name) && isSelected(one));
    return { settings, play: (servers, tally) => playCases(cases, name, servers, tally), needed: cases.length > 0 };
  });
  groups.push({ settings: SETTINGS.default, play: playPairs, needed: selected.length === 0 || selected.includes("pairs") });
  const tallies = await Promise.all(
    groups.filter(({ needed }) => needed).map(async ({ settings, play }) => {
      const vars = Object.fromEntries(Object.entries(settings).map(([key, value]) => [key.toUpperCase(), value]));
      const [reference, worker] = await Promise.all([startReference(python, settings), startEdge(vars)]);
      const servers = { reference, worker, urls: { reference: reference.url, server: settings.server_url } };
      const tally = { ...ZERO, occurred: new Map(), problems: [] };
      try {
        await play(servers, tally);
      } finally {
        await both(servers, (server) => server.stop());
      }
      return tally;
    }),
  );
  return report(sum(tallies), (performance.now() - started) / 1000);
}

function isSelected({ name, shows = [] }) {
  return selected.length === 0 || selected.some((part) => name.includes(part) || shows.includes(part));
}

async function playCases(cases, settings, servers, tally) {
  for (const one of cases) await playCase(one, settings, servers, tally);
}

async function playCase(one, settings, servers, tally) {
  const shows = one.shows ?? [];
  const shown = new Set();
  tally.cases += 1;
  for (const result of await play(servers, one)) {
    if (result.request) tally.requests += 1;
    const covering = new Set();
    for (const finding of result.findings) {
      const ids = differences.filter((difference) => covers(difference, shows, finding, result, servers.urls)).map(({ id }) => id);
      if (ids.length === 0) tally.problems.push(describe(one, settings, result, finding));
      ids.forEach((id) => covering.add(id));
    }
    if (result.request) tally[howEqual(result.findings, covering)] += 1;
    for (const id of covering) {
      shown.add(id);
      count(tally, id);
    }
  }
  if (one.everySetting) return;
  for (const id of shows.filter((id) => !shown.has(id))) {
    tally.problems.push(`"${one.name}" (${settings}) lists \`${id}\` in \`shows\`, and does not show it`);
  }
}

/** The count that a response belongs to. */
function howEqual(findings, covering) {
  if (findings.length === 0) return "equal";
  const isUsual = (id) => differences.find((difference) => difference.id === id).everywhere;
  return covering.size > 0 && [...covering].every(isUsual) ? "usual" : "special";
}

async function playPairs(servers, tally) {
  await prepare(servers);
  for (const pair of pairs(PAIRS.count, PAIRS.seed)) {
    const { decided, because } = await compareSelection(servers, pair);
    tally.pairs += 1;
    if (decided.worker.pattern !== undefined) tally.matchedPairs += 1;
    if (because?.length === 0) tally.equalPairs += 1;
    because?.forEach((id) => count(tally, id));
    if (because === undefined) {
      const show = (server) => JSON.stringify(decided[server]);
      tally.problems.push(`a random pair\n    ztpserver: ${show("reference")}\n    the Worker: ${show("worker")}\n    ${JSON.stringify(pair)}`);
    }
  }
}

function count({ occurred }, id, times = 1) {
  occurred.set(id, (occurred.get(id) ?? 0) + times);
}

/** The sum of all tallies. */
function sum([first, ...others]) {
  for (const other of others) {
    for (const name of Object.keys(ZERO)) first[name] += other[name];
    first.problems.push(...other.problems);
    for (const [id, times] of other.occurred) count(first, id, times);
  }
  return first;
}

function covers(difference, shows, finding, result, urls) {
  if (!difference.everywhere && !shows.includes(difference.id)) return false;
  if (result.request) {
    const { request, reference, worker } = result;
    return difference.response?.({ field: finding.field, request, reference, worker, urls }) ?? false;
  }
  return difference.stored?.({ key: finding.field, reference: finding.reference, worker: finding.worker }) ?? false;
}

function describe(one, settings, { name }, { field, reference, worker }) {
  const show = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 400);
  return `"${one.name}" (${settings}), ${name}: ${field}\n    ztpserver: ${show(reference)}\n    the Worker: ${show(worker)}`;
}

function report({ occurred, problems, ...counts }, seconds) {
  if (selected.length === 0) {
    for (const { id } of differences.filter(({ id }) => !occurred.has(id))) {
      problems.push(`the difference \`${id}\` is listed, and did not occur: remove it from the list, or add a case that shows it`);
    }
    problems.push(...missingInPage());
  }
  for (const problem of problems) console.error(`DIFFERENT ${problem}`);
  const { cases, requests, equal, usual, special, pairs, equalPairs, matchedPairs } = counts;
  console.log(`\n${cases} cases, ${requests} requests: ${equal} responses equal in every field, ${usual} equal except for a difference that is everywhere, ${special} with other differences`);
  console.log(`${pairs} random pairs of a neighbordb and a node, of which ${matchedPairs} match: ${equalPairs} with the same result, including the next GET`);
  console.log(`${seconds.toFixed(1)} s; responses, stored records and pairs covered by a listed difference:`);
  for (const { id } of differences) console.log(`  ${String(occurred.get(id) ?? 0).padStart(5)}  ${id}`);
  console.log(problems.length === 0 ? "no other difference from ztpserver 2.1.0" : `${problems.length} problems, listed above`);
  return problems.length === 0;
}

/** The rows of the table of differences that are missing in docs/differences.md. */
function missingInPage() {
  const page = join(root, "docs/differences.md");
  const [, between] = (existsSync(page) ? readFileSync(page, "utf8") : "").match(/<!-- differences -->(.*)<!-- \/differences -->/s) ?? [];
  if (between === undefined) return ["docs/differences.md has no table between <!-- differences --> and <!-- /differences -->: insert the output of --table"];
  const lines = new Set(between.split("\n").map((line) => line.trim()));
  return table()
    .filter((row) => !lines.has(row))
    .map((row) => `the table in docs/differences.md lacks this row (--table prints all):\n    ${row}`);
}
