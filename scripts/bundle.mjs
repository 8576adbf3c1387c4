// Leaves in build/bundle what `wrangler deploy` would upload: the tests run exactly that.

import { npmBin, run } from "./run.mjs";

run(npmBin("node"), ["scripts/build.mjs"]);
run(npmBin("wrangler"), ["deploy", "--dry-run", "--outdir", "build/bundle"], { stdio: ["ignore", "ignore", "inherit"] });
