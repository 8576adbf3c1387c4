// Leaves in build/bundle what `wrangler deploy` would upload: the tests run exactly that. Beside it
// are two that are the same but for what they are appended:
//
// - build/bundle-forgetful has a clock on which an hour passes whenever it is looked at: there nothing
//   is remembered from one request to the next, so that content can change under a running Worker.
// - build/bundle-panicking fails inside wasm, as a panic does, where it is to log a PATCH, or that
//   there is no action named panic.

import { appendFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { npmBin, root, run } from "./run.mjs";

const BUNDLE = join(root, "build", "bundle");
const CLOCK = `
{
  let looked = 0;
  globalThis.Date = class extends Date {
    constructor(...args) {
      super(...(args.length > 0 ? args : [new.target.now()]));
    }
    static now() {
      return super.now() + 3_600_000 * ++looked;
    }
  };
}
`;

const PANICS = `
{
  const { warn } = console;
  console.warn = (line) => {
    if (/"PATCH"|no action .{2}panic/.test(line)) throw new WebAssembly.RuntimeError("unreachable");
    warn(line);
  };
}
`;

run(npmBin("node"), ["scripts/build.mjs"]);
rmSync(BUNDLE, { recursive: true, force: true });
run(npmBin("wrangler"), ["deploy", "--dry-run", "--outdir", BUNDLE], { stdio: ["ignore", "ignore", "inherit"] });
for (const [name, code] of [
  ["forgetful", CLOCK],
  ["panicking", PANICS],
]) {
  const variant = `${BUNDLE}-${name}`;
  rmSync(variant, { recursive: true, force: true });
  cpSync(BUNDLE, variant, { recursive: true });
  appendFileSync(join(variant, "index.js"), code);
}
