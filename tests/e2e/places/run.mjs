// All tests of places in full: `npm run test:places`. Arguments are names of test files, such as `crash`; without
// any, all are run, two at a time. ZTP_PLACES_SIZE=40x30x8 sets the sites, the switches of each, and the places of
// sites.test.mjs.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { attend, environment, npmBin, root, run } from "../../../scripts/run.mjs";

const wanted = process.argv.slice(2);
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".test.mjs"))
  .filter((name) => wanted.length === 0 || wanted.includes(name.replace(".test.mjs", "")))
  .map((name) => join("tests", "e2e", "places", name));

run(npmBin("node"), ["scripts/bundle.mjs"]);
const args = ["--test", "--test-reporter=spec", "--test-concurrency=2", ...files];
process.exit(await attend(npmBin("node"), args, { cwd: root, env: environment({ ZTP_PLACES: "full" }) }));
