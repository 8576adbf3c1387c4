// Leaves in build/bundle what `wrangler deploy` would upload: the tests run exactly that. Beside it:
//
// - build/bundle-forgetful has a clock on which an hour passes at each look: nothing is kept there from
//   one request to the next, so that content can change under a running Worker.
// - build/bundle-panicking is compiled with the feature `panics`, for the tests of what a panic does.

import { appendFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { environment, npmBin, root, run } from "./run.mjs";

const BUNDLE = join(root, "build", "bundle");
const CLOCK = `
{
  let looks = 0;
  globalThis.Date = class extends Date {
    constructor(...args) {
      super(...(args.length > 0 ? args : [new.target.now()]));
    }
    static now() {
      return super.now() + 3_600_000 * ++looks;
    }
  };
}
`;

bundle([], BUNDLE);
run(npmBin("node"), ["scripts/build.mjs", "--features", "panics"], { env: environment({ OUT_DIR: "build/panicking" }) });
bundle(["build/panicking/index.js"], `${BUNDLE}-panicking`);
const forgetful = `${BUNDLE}-forgetful`;
rmSync(forgetful, { recursive: true, force: true });
cpSync(BUNDLE, forgetful, { recursive: true });
appendFileSync(join(forgetful, "index.js"), CLOCK);

/** Bundles the Worker, or another main module. */
function bundle(main, folder) {
  rmSync(folder, { recursive: true, force: true });
  run(npmBin("wrangler"), ["deploy", ...main, "--dry-run", "--outdir", folder], { stdio: ["ignore", "ignore", "inherit"] });
}
