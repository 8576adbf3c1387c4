// Running `ztp` from the tests in JavaScript.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import http from "node:http";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { environment, root, run } from "../../scripts/run.mjs";

const program = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release", "ztp");

/** The folder of the settings, if a test does not need one of its own. */
const settings = mkdtempSync(join(tmpdir(), "ztp-test-settings-"));
process.on("exit", () => rmSync(settings, { recursive: true, force: true }));

/** Builds the program with optimization: without it, hashing 1 GiB takes minutes. */
export function build() {
  run("cargo", ["build", "--quiet", "--release", "--bin", "ztp"]);
}

/** The admin token of the Workers in the tests. */
export const TOKEN = "an-admin-token-0123";

/**
 * Runs `ztp` for a server; `watch` receives the process, `home` is the folder of its settings. Resolves to its exit
 * status and its output.
 */
export function ztp(args, { url, token = TOKEN, home = settings, input = "", watch = () => {} } = {}) {
  const variables = { XDG_CONFIG_HOME: home, ZTP_URL: url ?? "", ZTP_TOKEN: token, CF_ACCESS_CLIENT_ID: "", ZTP_WAIT_SCALE: "0.01" };
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: { ...environment(), ...variables }, stdio: ["pipe", "pipe", "pipe"] });
    let [printed, out] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (printed += data));
    child.on("error", reject);
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("close", (status, signal) => resolve({ status, signal, printed, out, get json() { return JSON.parse(out); } }));
    watch(child);
  });
}

/**
 * A server that forwards to a Worker, and notes each request as `METHOD path`, the bytes of all bodies, and in
 * `again` each PUT that had succeeded before. `before` is called before a request is forwarded, with its headers, `progressed` when bytes
 * arrive; `loses` tells whether the response is dropped.
 */
export async function proxy(test, target) {
  const state = { requests: [], bytes: 0, again: [], before: async () => {}, loses: () => false, progressed: () => {} };
  const stored = new Set();
  const server = http.createServer(async (request, response) => {
    const name = `${request.method} ${request.url}`;
    state.requests.push(name);
    if (stored.has(name)) state.again.push(name);
    await state.before(name, request.headers);
    const to = new URL(target());
    const forwarded = http.request({ hostname: to.hostname, port: to.port, method: request.method, path: request.url, headers: { ...request.headers, host: to.host } });
    forwarded.on("error", () => response.destroy());
    request.on("error", () => forwarded.destroy());
    response.on("close", () => forwarded.destroy());
    forwarded.on("response", (answer) => {
      if (request.method === "PUT" && answer.statusCode < 300) stored.add(name);
      if (state.loses(name)) return response.destroy();
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.on("data", (data) => ((state.bytes += data.length), state.progressed()));
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => (server.closeAllConnections(), server.close()));
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}` });
}

/**
 * Runs a command that is killed `kills` times at random moments, and each time run again, until it ends. `progress`
 * tells how much of `total` was sent through the proxy. Resolves to the highest memory of a run, in bytes, and the number of kills.
 */
export async function killed(args, options, through, { kills, progress, total }) {
  let [memory, killed] = [0, 0];
  for (;;) {
    let child;
    const limit = killed < kills ? progress() + (Math.random() * total) / (2 * kills) : Infinity;
    through.progressed = () => progress() >= limit && child.kill("SIGKILL");
    const watch = (started) => {
      child = started;
      const timer = setInterval(() => (memory = Math.max(memory, peakMemory(child.pid))), 20);
      child.on("close", () => clearInterval(timer));
    };
    const done = await ztp(args, { ...options, watch });
    if (done.signal === null) {
      if (done.status !== 0) throw new Error(done.printed);
      return { memory, kills: killed };
    }
    killed += 1;
  }
}

/** The highest memory of a process, in bytes; 0 if it has ended. */
function peakMemory(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Writes a large file whose parts differ in a few bytes. */
export function sparse(path, size) {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  for (let at = 0; at < size; at += 16 << 20) writeSync(file, `part at ${at}`, at);
  closeSync(file);
}

/** Every file below a folder: path -> SHA-1. */
export function hashes(folder) {
  const hash = (path) => {
    const hash = createHash("sha1");
    const [file, chunk] = [openSync(path), Buffer.alloc(1 << 20)];
    for (let read; (read = readSync(file, chunk)) > 0; ) hash.update(chunk.subarray(0, read));
    closeSync(file);
    return hash.digest("hex");
  };
  return Object.fromEntries(files(folder).map((path) => [path, hash(join(folder, path))]));
}

/** A folder that is removed at the end of a test. */
export function scratch(test) {
  const folder = mkdtempSync(join(tmpdir(), "ztp-test-"));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file, and the folders that it is in. */
export function write(folder, path, content) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

/** Every file below a folder: path -> bytes. */
export function contents(folder) {
  return Object.fromEntries(files(folder).map((path) => [path, readFileSync(join(folder, path))]));
}

/** The paths of all files below a folder. */
function files(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort();
}
