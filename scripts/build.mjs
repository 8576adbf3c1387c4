// Builds the release Worker into build/: build/index.js is wrangler.toml's `main`.
//
// Everything comes from package registries: worker-build and wasm-bindgen are compiled once by
// `cargo install`, in the versions that Cargo.lock calls for, into a cache that all checkouts
// share; wasm-opt and esbuild are npm packages. Nothing is built again while its inputs are the same.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, npmBin, output, root, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";
const INPUTS = ["Cargo.toml", "Cargo.lock", "src", "assets", "scripts/build.mjs"];
const MAX_GZIPPED_BYTES = 500 * 1000;

const build = join(root, "build");
const stamp = join(build, ".inputs");

const inputs = fingerprint();
if (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs) {
  console.log(`build/ is up to date (${size()})`);
} else {
  rmSync(stamp, { force: true });
  addTarget();
  const environment = {
    WASM_BINDGEN_BIN: tool("wasm-bindgen-cli", "wasm-bindgen", lockedVersion("wasm-bindgen")),
    WASM_OPT_BIN: npmBin("wasm-opt"),
    ESBUILD_BIN: npmBin("esbuild"),
    // A switch that hangs up in the middle of a POST must not leave half of it stored.
    RUN_TO_COMPLETION: "1",
  };
  const workerBuild = tool("worker-build", "worker-build", lockedVersion("worker"));
  run(workerBuild, ["--release"], { env: { ...process.env, ...environment } });
  writeFileSync(stamp, inputs);
  console.log(`built build/index.js (${size()})`);
}

/** One hash over every file that the build reads. */
function fingerprint() {
  const hash = createHash("sha256");
  const add = (path) => {
    const full = join(root, path);
    if (statSync(full).isDirectory()) {
      for (const name of readdirSync(full).sort()) add(`${path}/${name}`);
    } else {
      hash.update(`${path}\0`).update(readFileSync(full)).update("\0");
    }
  };
  INPUTS.forEach(add);
  return hash.digest("hex");
}

/** The version of a crate in Cargo.lock. */
function lockedVersion(crate) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const found = lock.match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`));
  return found ? found[1] : fail(`Cargo.lock has no ${crate}: it is not the file that belongs here`);
}

/** The path of a tool from crates.io, compiled the first time. */
function tool(crate, binary, version) {
  const cache = process.env.ZTP_EDGE_TOOLS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "ztp-edge");
  const place = join(cache, `${crate}-${version}`);
  const path = join(place, "bin", binary);
  if (!existsSync(path)) {
    console.log(`compiling ${crate} ${version} once, into ${place} (a few minutes)`);
    mkdirSync(place, { recursive: true });
    run("cargo", ["install", "--quiet", "--locked", "--root", place, "--version", version, crate]);
  }
  return path;
}

/** Makes sure that Rust can compile for the Workers runtime. */
function addTarget() {
  const sysroot = output("rustc", ["--print", "sysroot"]).trim();
  if (existsSync(join(sysroot, "lib", "rustlib", TARGET))) return;
  run("rustup", ["target", "add", TARGET]);
}

/** The size of the wasm as Cloudflare counts it; too large is an error. */
function size() {
  const wasm = readFileSync(join(build, "index_bg.wasm"));
  const gzipped = gzipSync(wasm, { level: 9 }).length;
  if (gzipped > MAX_GZIPPED_BYTES) {
    fail(`the wasm is ${gzipped} bytes gzipped, over the ${MAX_GZIPPED_BYTES} that a Worker of ours may have`);
  }
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
  return `wasm ${kb(wasm.length)}, ${kb(gzipped)} gzipped`;
}
