// All tests: the rules and the command line on this machine, the built Worker on workerd, the client as a
// process, the console in Chromium, and the Worker and its rules compared with ztpserver 2.1.0. The client's tests
// run beside the others; their output follows at the end.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { attend, environment, npmBin, root, run } from "./run.mjs";

const files = ["e2e", "e2e/places", "site", "ztp", "console"].flatMap((folder) =>
  readdirSync(join(root, "tests", folder))
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => join("tests", folder, name)),
);
const node = npmBin("node");

run("cargo", ["test", "--quiet"]);
run("cargo", ["build", "--quiet", "--example", "domain_cases"]);
run("cargo", ["build", "--quiet", "--release", "--bin", "ztp"]);
run(node, ["scripts/bundle.mjs"]);
const client = start(node, ["tests/client/run.mjs"]);
await pass(node, ["--test", "--test-reporter=spec", "--test-concurrency=2", ...files]);
await pass(node, ["tests/security/run.mjs", "--short"]);
await pass(node, ["tests/site/run.mjs", "--switches", "12", "--processes", "2", "--wait-scale", "0.05"]);
await pass(node, ["tests/reference/compare.mjs"]);
await pass(node, ["tests/reference/differential.mjs", "--short"]);
const { status, printed } = await client;
process.stdout.write(printed);
if (status !== 0) process.exit(1);

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
