// schemathesis (PyPI) sends requests that it generates from assets/openapi.yaml to the built Worker: without
// sites, with open access, and below the URL of a node. No response may have a status, a type, a header or a
// shape that is not described.
//
//   node tests/security/schemathesis.mjs [--examples 200] [--seed 1] [--least 5000]

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, root } from "../../scripts/run.mjs";
import { ADMIN, AMSTERDAM, nodeToken } from "../e2e/credentials.mjs";
import { facts } from "../e2e/harness.mjs";
import { numberOption } from "./random.mjs";
import { CRASH, startDirectly } from "./runtime.mjs";

/** The folder of the program and its data. */
const build = join(root, "build");
const VERSION = "4.32.5";
const EXAMPLES = numberOption("--examples", 200);
const SEED = numberOption("--seed", 1);
const LEAST = numberOption("--least", 5000);
const CHECKS = [
  "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
  "response_schema_conformance", "unsupported_method", "allow_header_conformance",
];

const credential = nodeToken("amsterdam", AMSTERDAM, "JPE1");
const RUNS = [
  { what: "without sites", bindings: { ZTP_ADMIN_TOKEN: ADMIN }, prefix: "", options: ["--header", `Authorization:Bearer ${ADMIN}`] },
  { what: "under the URL of a node", bindings: { ZTP_TOKENS: `amsterdam=${AMSTERDAM}` }, prefix: `/t/${credential}`, options: ["--exclude-path-regex", "^/admin"] },
];

const schemathesis = install();
let total = 0;
for (const run of RUNS) total += await test(run);
console.log(`schemathesis: ${total} requests in all`);
assert.ok(total >= LEAST, `${total} requests are fewer than ${LEAST}`);

async function test({ what, bindings, prefix, options }) {
  const worker = await startDirectly(bindings);
  await fill(worker);
  worker.logs();
  const { status, output } = await ask([
    "--config-file", join(root, "tests/security/schemathesis.toml"),
    "run", join(root, "assets/openapi.yaml"), "--url", `${worker.url.origin}${prefix}`,
    "--checks", CHECKS.join(","), "--phases", "examples,coverage,fuzzing", "--max-examples", String(EXAMPLES), "--seed", String(SEED),
    "--suppress-health-check", "all", "--warnings", "off", "--no-color", "--generation-database", "none",
    ...options,
  ]);
  const lines = worker.logs();
  await worker.stop();
  if (status !== 0) fail(`schemathesis ${what}:\n${output}`);
  for (const line of lines) assert.doesNotMatch(line, CRASH);
  const responses = lines.filter((line) => line.startsWith('{"method"')).map((line) => JSON.parse(line));
  const statuses = {};
  for (const response of responses) statuses[response.status] = (statuses[response.status] ?? 0) + 1;
  const routes = new Set(responses.map(({ route }) => route).filter(Boolean));
  const figures = Object.entries(statuses).map(([code, times]) => `${times} × ${code}`);
  console.log(`schemathesis ${VERSION} ${what}: ${responses.length} requests to ${routes.size} routes from seed ${SEED}: ${figures.join(", ")}`);
  return responses.length;
}

/** Stores content for every path, with the names of the examples in the description. */
async function fill({ kv, r2 }) {
  const action = { action: "add_config", attributes: { url: "files/x", ip: "allocate('net')" } };
  await kv.put("nodes/JPE1/definition", JSON.stringify({ name: "JPE1", actions: [action] }));
  await kv.put("nodes/JPE1/.node", JSON.stringify(facts("JPE1")));
  await kv.put("nodes/001c73010203/startup-config", "hostname x");
  await kv.put("neighbordb", "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - any: spine1:any\n");
  await kv.put("definitions/leaf", JSON.stringify({ name: "leaf", actions: [] }));
  await kv.put("resources/net", "10.0.0.1: null\n10.0.0.1/24: null\n10.0.0.2: JPE2\n");
  await kv.put("bootstrap/bootstrap.conf", "logging:\n- destination: file:/tmp/log\n  level: DEBUG\n");
  await r2.put("files/images/EOS-4.31.0F.swi", "an image");
  await r2.put("actions/add_config", "def main(attributes): pass");
}

/** Installs the program once into a virtual environment, and returns its path. */
function install() {
  const environment = join(build, "schemathesis");
  const program = join(environment, "bin", "schemathesis");
  const stamp = join(environment, VERSION);
  if (!existsSync(stamp)) {
    runOrFail("python3", ["-m", "venv", "--clear", environment]);
    runOrFail(join(environment, "bin", "python"), ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", `schemathesis==${VERSION}`]);
    writeFileSync(stamp, "");
  }
  return program;
}

function runOrFail(program, args) {
  const done = spawnSync(program, args, { cwd: root, encoding: "utf8" });
  if (done.status !== 0) fail(`\`${[program, ...args].join(" ")}\`: ${done.error ?? done.stdout + done.stderr}`);
}

/** Runs schemathesis without blocking this process, which runs the Worker. */
function ask(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(schemathesis, args, { cwd: build });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    child.on("error", reject);
    child.on("exit", (status) => resolve({ status, output }));
  });
}
