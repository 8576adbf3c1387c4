// How long `ztp validate` takes for a large data_root: 1,000 nodes, 800 patterns, 500 definitions.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root, run } from "../../scripts/run.mjs";

const NODES = 1000;
const PATTERNS = 800;
const DEFINITIONS = 500;
const RUNS = 5;

const folder = mkdtempSync(join(tmpdir(), "ztp-bench-"));
try {
  generate();
  run("cargo", ["build", "--quiet", "--release", "--bin", "ztp"]);
  const program = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release", "ztp");
  const times = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    const done = spawnSync(program, ["validate", folder], { encoding: "utf8" });
    const time = performance.now() - start;
    if (done.status !== 0) throw new Error(`the generated data_root is not clean: ${done.stdout}${done.stderr}`);
    return time;
  });
  const shown = times.sort((a, b) => a - b).map((time) => `${time.toFixed(0)} ms`);
  console.log(`${NODES} nodes, ${PATTERNS} patterns, ${DEFINITIONS} definitions: ${shown.join(", ")}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function generate() {
  const patterns = [];
  for (let n = 0; n < PATTERNS; n++) {
    patterns.push(
      `- name: rack ${n}`,
      `  definition: leaf${n % DEFINITIONS}`,
      "  variables:",
      `    tor: regex('spine-${n}-\\d+')`,
      "  interfaces:",
      ...[1, 2, 3, 4].map((port) => `  - Ethernet${port}: $tor:Ethernet${n + 1}`),
      "  - Ethernet49-52: any:none",
      `  - none: core${n}`,
    );
  }
  write("neighbordb", ["patterns:", ...patterns, ""].join("\n"));
  write("files/base.template", "hostname $hostname\n");
  for (let n = 0; n < DEFINITIONS; n++) write(`definitions/leaf${n}`, definition(`leaf${n}`));
  write("resources/mgmt", "hosts(198.18.0.0/15): null\n");
  for (let n = 0; n < NODES; n++) {
    const id = `JPE${10_000_000 + n}`;
    write(`nodes/${id}/definition`, definition(id));
    write(`nodes/${id}/attributes`, `hostname: sw${n}\ndomain: example.net\n`);
    write(`nodes/${id}/pattern`, `name: rack\ninterfaces:\n- Ethernet1: spine${n}:Ethernet1\n`);
    const neighbors = { Ethernet1: [{ device: `spine${n}`, port: "Ethernet1" }] };
    write(`nodes/${id}/.node`, JSON.stringify({ serialnumber: id, model: "DCS-7050", neighbors }));
  }
}

function definition(name) {
  const action = (title) => `- name: ${title}
  action: add_config
  attributes:
    url: files/base.template
    variables:
      hostname: $hostname
      domain: $domain
      ip: allocate('mgmt')
`;
  return `name: ${name}\nactions:\n${["a", "b", "c", "d"].map(action).join("")}`;
}

function write(path, text) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
