// Leaves in build/bundle what `wrangler deploy` would upload: the tests run exactly that. And in
// build/bundle-forgetful the same with a clock on which an hour passes whenever it is looked at:
// there nothing is remembered from one request to the next, so that content can change under a
// running Worker.

import { appendFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { npmBin, root, run } from "./run.mjs";

const BUNDLE = join(root, "build", "bundle");
const FORGETFUL = join(root, "build", "bundle-forgetful");
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

run(npmBin("node"), ["scripts/build.mjs"]);
rmSync(BUNDLE, { recursive: true, force: true });
run(npmBin("wrangler"), ["deploy", "--dry-run", "--outdir", BUNDLE], { stdio: ["ignore", "ignore", "inherit"] });
rmSync(FORGETFUL, { recursive: true, force: true });
cpSync(BUNDLE, FORGETFUL, { recursive: true });
appendFileSync(join(FORGETFUL, "index.js"), CLOCK);
