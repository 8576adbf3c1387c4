// Builds the Worker into build/: build/index.js is `main` of wrangler.toml. wrangler runs this before
// `wrangler dev` and `wrangler deploy`; npm scripts run it, too.
//
// worker-build compiles the crate and generates its JavaScript. By default it downloads wasm-bindgen,
// wasm-opt and esbuild; this script passes pinned ones from the package registries. It compiles worker-build
// and wasm-bindgen once, in the versions of Cargo.lock, into a cache that all checkouts share.
//
// Arguments are passed to cargo: `-- --features panics`. OUT_DIR replaces build/.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildConsole } from "./console.mjs";
import { environment, fail, npmBin, output, root, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";
const INPUTS = [
  "Cargo.toml",
  "Cargo.lock",
  "rust-toolchain.toml",
  "package-lock.json",
  "src",
  "crates/core",
  // Not the whole folder: its fuzz target builds into it.
  "crates/pyregex/Cargo.toml",
  "crates/pyregex/src",
  "crates/pyyaml",
  "assets/actions",
  "assets/bootstrap",
  "assets/openapi.yaml",
  "scripts/build.mjs",
];
/** A Worker has 3 MB on the free plan, and its start takes time that grows with its code. */
const MAX_GZIPPED_BYTES = 797 * 1000;

const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
const args = process.argv.slice(2);
const outDir = process.env.OUT_DIR ?? "build";
const build = join(root, outDir);
const stamp = join(build, ".inputs");

console.log(`built build/console/ (${kb(buildConsole())} gzipped)`);
const inputs = fingerprint();
if (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs) {
  console.log(`${outDir}/ is up to date (${size()})`);
} else {
  rmSync(stamp, { force: true });
  addTarget();
  run(tool("worker-build", "worker-build", lockedVersion("worker")), ["--release", "--out-dir", outDir, ...args], {
    env: environment({
      WASM_BINDGEN_BIN: tool("wasm-bindgen-cli", "wasm-bindgen", lockedVersion("wasm-bindgen")),
      WASM_OPT_BIN: npmBin("wasm-opt"),
      ESBUILD_BIN: npmBin("esbuild"),
      // A request continues after its client disconnects: its writes complete, and its memory is released.
      RUN_TO_COMPLETION: "1",
    }),
  });
  // Smaller: worker-build optimizes for size and speed, and keeps the names of functions, a tenth of the code. A panic's
  // message has its file and line without them. In the order of their names, functions of one module are neighbors, and
  // gzip finds more that is alike.
  const wasm = join(build, "index_bg.wasm");
  const smaller = ["-Oz", "--reorder-functions-by-name", "--strip-debug", "--output", wasm, wasm];
  if (args.length === 0) run(npmBin("wasm-opt"), smaller);
  writeFileSync(stamp, inputs);
  console.log(`built ${outDir}/index.js (${size()})`);
}

/** A hash of all inputs of the build. */
function fingerprint() {
  const hash = createHash("sha256").update(output("rustc", ["--version"])).update(JSON.stringify(args));
  const add = (path) => {
    const full = join(root, path);
    if (!existsSync(full)) return;
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
  return found ? found[1] : fail(`Cargo.lock has no ${crate}: restore it with \`git checkout Cargo.lock\``);
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

/** Installs the Rust target of the Workers runtime, if it is missing. */
function addTarget() {
  const sysroot = output("rustc", ["--print", "sysroot"]).trim();
  if (existsSync(join(sysroot, "lib", "rustlib", TARGET))) return;
  run("rustup", ["target", "add", TARGET]);
}

/** The size of the wasm, gzipped as Cloudflare counts it; an error over the limit, unless it is a build for tests. */
function size() {
  const wasm = readFileSync(join(build, "index_bg.wasm"));
  const gzipped = gzipSync(wasm, { level: 9 }).length;
  if (args.length === 0 && gzipped > MAX_GZIPPED_BYTES) {
    fail(`the wasm is ${gzipped} bytes gzipped, over the limit of ${MAX_GZIPPED_BYTES}`);
  }
  return `wasm ${kb(wasm.length)}, ${kb(gzipped)} gzipped`;
}
