// Builds the release Worker into build/: build/index.js is wrangler.toml's `main`.
//
// Everything comes from package registries: wasm-bindgen is compiled once by `cargo install`, in the
// version that Cargo.lock calls for, into a cache that all checkouts share; wasm-opt and esbuild are
// npm packages. Nothing is built again while its inputs are the same.

import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fail, npmBin, output, root, run } from "./run.mjs";

const TARGET = "wasm32-unknown-unknown";
const INPUTS = ["Cargo.toml", "Cargo.lock", "src", "assets", "scripts/build.mjs"];
const MAX_GZIPPED_BYTES = 500 * 1000;
/** What rustc uses of WebAssembly, and the exceptions of wasm-bindgen. */
const FEATURES = [
  "mutable-globals",
  "sign-ext",
  "nontrapping-float-to-int",
  "bulk-memory",
  "multivalue",
  "reference-types",
  "exception-handling",
];

const build = join(root, "build");
const stage = join(build, "stage");
const stamp = join(build, ".inputs");

const inputs = fingerprint();
if (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs) {
  console.log(`build/ is up to date (${size()})`);
} else {
  rmSync(stamp, { force: true });
  addTarget();
  compile();
  bind();
  bundle();
  writeFileSync(stamp, inputs);
  console.log(`built build/index.js (${size()})`);
}

/** The crate, for the Workers runtime. */
function compile() {
  addTarget();
  run("cargo", ["build", "--locked", "--release", "--lib", "--target", TARGET]);
}

/** Its JavaScript side, and our own beside that. */
function bind() {
  rmSync(stage, { recursive: true, force: true });
  const { target_directory: target } = JSON.parse(output("cargo", ["metadata", "--format-version=1", "--no-deps"]));
  const wasm = join(target, TARGET, "release", "ztp_edge.wasm");
  // An instance that panicked ends, and is replaced by another: entry.js counts on both.
  const panics = ["--experimental-reset-state-function", "--force-enable-abort-handler"];
  const made = ["--target", "web", "--no-typescript", "--out-name", "index", "--out-dir", stage];
  run(tool("wasm-bindgen-cli", "wasm-bindgen", lockedVersion("wasm-bindgen")), [wasm, ...made, ...panics]);
  copyFileSync(join(root, "src", "entry.js"), join(stage, "entry.js"));
  copyFileSync(join(root, "src", "runtime", "glue.js"), join(stage, "glue.js"));
}

/** One module of JavaScript and one of wasm, made small. */
function bundle() {
  const wasm = join(stage, "index_bg.wasm");
  // With names of functions: a panic in the log then says where.
  const enabled = FEATURES.map((feature) => `--enable-${feature}`);
  run(npmBin("wasm-opt"), [wasm, "-O", ...enabled, "--debuginfo", "-o", join(build, "index_bg.wasm")]);
  const external = ["--external:cloudflare:*", "--external:./index_bg.wasm"];
  const entry = [join(stage, "entry.js"), "--bundle", "--format=esm", "--minify", ...external];
  run(npmBin("esbuild"), [...entry, "--log-level=warning", `--outfile=${join(build, "index.js")}`]);
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
