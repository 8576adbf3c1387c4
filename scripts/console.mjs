// Builds the operators' console, assets/console/, into build/console: the static assets of wrangler.toml, of which the
// Worker serves the files below /admin.

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { fail, root } from "./run.mjs";

const SOURCE = join(root, "assets", "console");
const TARGET = join(root, "build", "console");
/** All files together: a phone loads them in a second on a bad line. */
export const MAX_GZIPPED_BYTES = 60 * 1000;

/** Builds the console; returns its size, gzipped, in bytes. */
export function buildConsole() {
  const bundle = (entry, options) => buildSync({ entryPoints: [join(SOURCE, entry)], bundle: true, minify: true, write: false, logLevel: "warning", target: ["chrome123", "firefox121", "safari17.5"], ...options }).outputFiles[0].contents;
  const page = readFileSync(join(SOURCE, "index.html"), "utf8");
  // `/admin` and `/admin/` are the same page, also below a path prefix: it has relative URLs.
  const files = {
    "index.html": Buffer.from(page.replaceAll("BASE", "admin/console")),
    "slash.html": Buffer.from(page.replaceAll("BASE", "console")),
    "icon.svg": readFileSync(join(SOURCE, "icon.svg")),
    "console.css": bundle("style.css"),
    "console.js": bundle("app.js", { format: "esm" }),
  };
  mkdirSync(TARGET, { recursive: true });
  for (const name of readdirSync(TARGET)) if (!(name in files)) rmSync(join(TARGET, name), { recursive: true });
  let gzipped = 0;
  for (const [name, contents] of Object.entries(files)) {
    gzipped += gzipSync(contents, { level: 9 }).length;
    const path = join(TARGET, name);
    if (!existsSync(path) || !readFileSync(path).equals(Buffer.from(contents))) writeFileSync(path, contents);
  }
  if (gzipped > MAX_GZIPPED_BYTES) fail(`the console is ${gzipped} bytes gzipped, over the limit of ${MAX_GZIPPED_BYTES}`);
  return gzipped;
}
