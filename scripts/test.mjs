// All tests: the domain on this machine, the built Worker on real workerd, the command line with local
// and remote storage, attacks on the Worker, the client as a process, and the Worker beside ztpserver
// 2.1.0.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { npmBin, root, run } from "./run.mjs";

const files = ["e2e", "ztp"].flatMap((folder) =>
  readdirSync(join(root, "tests", folder))
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => join("tests", folder, name)),
);

run("cargo", ["test", "--quiet"]);
run(npmBin("node"), ["scripts/bundle.mjs"]);
run(npmBin("node"), ["--test", "--test-reporter=spec", "--test-concurrency=2", ...files]);
run(npmBin("node"), ["tests/security/run.mjs", "--short"]);
run(npmBin("node"), ["tests/client/run.mjs"]);
run(npmBin("node"), ["tests/reference/compare.mjs"]);
