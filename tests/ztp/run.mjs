// Running `ztp` from the tests in JavaScript.

import { spawn } from "node:child_process";
import http from "node:http";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
 * A server that forwards to a Worker, and notes each request as `METHOD path` with the bytes of its body. `before`
 * is called before a request is forwarded; `loses` tells whether the response is dropped.
 */
export async function proxy(test, target) {
  const state = { requests: [], bytes: 0, before: async () => {}, loses: () => false };
  const server = http.createServer(async (request, response) => {
    const name = `${request.method} ${request.url}`;
    state.requests.push(name);
    await state.before(name);
    const to = new URL(target());
    const forwarded = http.request({ hostname: to.hostname, port: to.port, method: request.method, path: request.url, headers: { ...request.headers, host: to.host } });
    forwarded.on("error", () => response.destroy());
    request.on("error", () => forwarded.destroy());
    response.on("close", () => forwarded.destroy());
    forwarded.on("response", (answer) => {
      if (state.loses(name)) return response.destroy();
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.on("data", (data) => (state.bytes += data.length));
    request.pipe(forwarded);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => (server.closeAllConnections(), server.close()));
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}` });
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
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path)]).sort());
}
