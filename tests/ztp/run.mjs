// Running `ztp` from the tests in JavaScript.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { environment, npmBin, root, run } from "../../scripts/run.mjs";

export const project = root;

const program = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release", "ztp");

/** Builds the program with optimization: without it, hashing 1 GiB takes minutes. */
export function build() {
  run("cargo", ["build", "--quiet", "--release", "--bin", "ztp"]);
}

/** Runs `ztp`; `watch` receives the process. Resolves to its exit status and its output. */
export function ztp(args, { env = {}, watch = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: { ...environment(), ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (printed += data));
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, printed }));
    watch(child);
  });
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

export { npmBin };
