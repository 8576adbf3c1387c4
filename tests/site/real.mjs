// A switch as a process: Python runs the script of the server, with the simulated FastCli of
// scripts/switch.py. A power cut is SIGKILL for it and its children; flash stays.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../../scripts/run.mjs";
import { sha1 } from "./content.mjs";
import { fetchBootstrap, GaveUp, PowerCut } from "./exchange.mjs";

/** Lines of a client's log for each of its requests, at least. */
export const LINES_OF_A_REQUEST = 1.75;
/** The client's log lines about a request that it retries. */
const RETRY = /: (the server responded (400|429|5\d\d)|no response within|the response ended early|it ended early|the server stalled)/;
const LAST_LINES = 6;

/** The homes of switches, by serial number, below `folder`. */
export function makeHomes(folder, serials) {
  const done = spawnSync("python3", [join(root, "tests", "site", "homes.py"), folder, ...serials], { encoding: "utf8", maxBuffer: 64 << 20 });
  if (done.status !== 0) throw new Error(`homes.py: ${done.stderr || done.error}`);
  return JSON.parse(done.stdout);
}

/** Boots a switch once, with the results of `boot` in simulated.mjs. */
export async function bootProcess(one, home, life, site) {
  const { source } = await fetchBootstrap(one, life, site);
  writeFileSync(home.script, source, { mode: 0o755 });
  const timers = followLldp(one, home, life, site.scale);
  const env = { ...process.env, ...home.environment, ZTP_WAIT_SCALE: String(site.scale) };
  const options = { cwd: home.tmp, env, detached: true, stdio: ["ignore", "pipe", "pipe"] };
  if (life.isOver) throw new PowerCut("the power was cut");
  const child = spawn("python3", [home.script], options);
  const kill = () => killGroup(child.pid);
  life.onCut(kill);
  const lines = [];
  const read = (line) => {
    lines.push(line);
    if (!line.includes("the boot failed")) {
      if (RETRY.test(line)) site.retried(one, line);
      if (line.includes("the server refuses this node")) site.refused(one);
    }
    life.step();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", read);
  const [status, signal] = await once(child, "close");
  life.offCut(kill);
  timers.forEach(clearTimeout);
  one.lines = lines;
  if (life.isOver) throw new PowerCut("the power was cut");
  if (status !== 0) throw new GaveUp(`the client ended with ${signal ?? status}:\n    ${lines.slice(-LAST_LINES).join("\n    ")}`);
}

/** Updates the neighbors that FastCli shows, as time passes. Returns the timers. */
function followLldp(one, { home, facts: others }, life, scale) {
  const show = ({ neighbors, connected }) => {
    const seen = Object.entries(neighbors).map(([port, peer]) => ({ port, neighborDevice: peer.device, neighborPort: peer.port }));
    const version = { modelName: one.model, version: one.version, serialNumber: one.serial, systemMacAddress: one.systemmac };
    const facts = { ...others, "show version": version, "show lldp neighbors": { lldpNeighbors: seen }, connected: ["Management1", ...connected] };
    const path = join(home, "facts.json");
    writeFileSync(`${path}.new`, JSON.stringify(facts));
    renameSync(`${path}.new`, path);
  };
  const age = life.age();
  show(one.lldp.findLast(({ after }) => after <= age));
  return one.lldp.filter(({ after }) => after > age).map((reading) => setTimeout(() => show(reading), (reading.after - age) * 1000 * scale));
}

function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The files on flash, in the form of simulated.mjs: the startup-config, and the hash of the others. */
export function readFlash({ flash }) {
  const found = new Map();
  for (const entry of readdirSync(flash, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(flash, path);
    const bytes = readFileSync(path);
    found.set(name, name === "startup-config" ? bytes.toString() : { sha1: sha1(bytes) });
  }
  return found;
}

/** Whether EOS would boot from flash without ZTP. */
export const hasConfig = ({ flash }) => existsSync(join(flash, "startup-config"));
