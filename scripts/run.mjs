// Shared by the scripts: the project's folder, and running other programs.

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import net from "node:net";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Prints an error and exits. */
export function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** The path of a program from an npm package of this project. */
export function npmBin(name) {
  const path = join(root, "node_modules", ".bin", name);
  return existsSync(path) ? path : fail(`${name} is not installed: run \`npm install\` first`);
}

/** An environment whose PATH begins with node_modules, as in npm's own scripts. */
export function environment(extra = {}) {
  const bin = join(root, "node_modules", ".bin");
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, ...extra };
}

/** Runs a program in the project's folder and shows its output; exits if it fails. */
export function run(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: root, stdio: "inherit", env: environment(), ...options });
  if (done.error) fail(missing(program, done.error));
  if (done.status !== 0) {
    console.error(`error: \`${[program, ...args].join(" ")}\` ended with ${done.signal ?? done.status}`);
    process.exit(done.status ?? 1);
  }
}

/** The output of a program; exits if it fails. */
export function output(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: root, encoding: "utf8", env: environment(), ...options });
  if (done.error) fail(missing(program, done.error));
  if (done.status !== 0) fail(`\`${[program, ...args].join(" ")}\` failed: ${done.stderr}`);
  return done.stdout;
}

/** Runs a program with this script's terminal; resolves to its exit status. */
export function attend(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: "inherit", env: environment(), ...options });
    child.on("error", (error) => fail(missing(program, error)));
    child.on("exit", (status) => resolve(status ?? 1));
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  });
}

/** An unused port. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function missing(program, error) {
  const hints = {
    cargo: "install Rust with rustup, https://rustup.rs",
    rustc: "install Rust with rustup, https://rustup.rs",
    rustup: "install Rust with rustup, https://rustup.rs",
    python3: "install Python 3",
  };
  return `cannot run ${program} (${error.code}): ${hints[program] ?? "is it installed?"}`;
}
