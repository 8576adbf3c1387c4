// The tests: the rules and the command line on this machine, the built Worker on workerd, the client as a
// process, the console in Chromium, and the Worker and its rules compared with ztpserver 2.1.0. The client's tests and,
// after them, the comparisons run beside the others, since most tests wait; their output follows at the end. The attacks
// and a site of switches run alone: they measure memory and time.
//
//   node scripts/test.mjs           npm test: each rule at least once
//   node scripts/test.mjs --more    npm run test:more: the others, which repeat a rule. These are the tests with [more] in
//                                   their names, those of the client in further Pythons, and more random comparisons

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { attend, environment, npmBin, root, run } from "./run.mjs";

const files = ["e2e", "e2e/places", "site", "ztp", "console"].flatMap((folder) =>
  readdirSync(join(root, "tests", folder))
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => join("tests", folder, name)),
);
const node = npmBin("node");
const MORE = "\\[more\\]";
const hasMore = (path) => new RegExp(MORE).test(readFileSync(join(root, path), "utf8"));
/** Compiled modules: each test file is a process, and loads wrangler and its runtime, which takes a second. */
process.env.NODE_COMPILE_CACHE ??= join(root, "build", "compiled");

const isMore = process.argv.includes("--more");
if (!isMore) {
  run("cargo", ["test", "--quiet"]);
  run("cargo", ["build", "--quiet", "--example", "domain_cases"]);
}
run("cargo", ["build", "--quiet", "--release", "--bin", "ztp"]);
run(node, ["scripts/bundle.mjs"]);
if (isMore) {
  await passBeside([`--test-name-pattern=${MORE}`, ...files.filter(hasMore)], ["tests/client/run.mjs", "--rest"], ["tests/reference/compare.mjs", "pairs"]);
} else {
  await passBeside([`--test-skip-pattern=${MORE}`, ...files], ["tests/client/run.mjs", "--short"], ["tests/reference/compare.mjs", "--short"], ["tests/reference/differential.mjs", "--short"]);
  await pass(node, ["tests/security/run.mjs", "--short"]);
  await pass(node, ["tests/site/run.mjs", "--switches", "12", "--processes", "2", "--wait-scale", "0.05"]);
}

/** Runs the test runner of Node.js and, beside it, scripts of the tests, whose output it shows at the end; exits if one fails. */
async function passBeside(args, ...scripts) {
  const beside = startAll(...scripts);
  await pass(node, ["--test", "--test-reporter=spec", "--test-concurrency=3", ...args]);
  const results = await beside;
  for (const { printed } of results) process.stdout.write(printed);
  if (results.some(({ status }) => status !== 0)) process.exit(1);
}

/** Runs scripts of the tests one after another, also if one fails; resolves to the result of each. */
async function startAll(...scripts) {
  const results = [];
  for (const args of scripts) results.push(await start(node, args));
  return results;
}

/** Starts a program; resolves to its exit status and its output. */
async function start(program, args) {
  const child = spawn(program, args, { cwd: root, env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  process.on("exit", () => child.kill());
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = await once(child, "close");
  return { status: code, printed };
}

/** Runs a program and shows its output; exits if it fails. */
async function pass(program, args) {
  const status = await attend(program, args);
  if (status === 0) return;
  console.error(`error: \`${[program, ...args].join(" ")}\` ended with ${status}`);
  process.exit(1);
}
