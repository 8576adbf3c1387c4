// All tests: the domain on this machine, the built Worker on real workerd, the client as a process,
// and the Worker beside ztpserver 2.1.0.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { npmBin, root, run } from "./run.mjs";

const END_TO_END = join("tests", "e2e");
const files = readdirSync(join(root, END_TO_END)).filter((name) => name.endsWith(".test.mjs"));

run("cargo", ["test", "--quiet"]);
run(npmBin("node"), ["scripts/bundle.mjs"]);
run(npmBin("node"), ["--test", "--test-reporter=spec", "--test-concurrency=2", ...files.map((name) => join(END_TO_END, name))]);
run(npmBin("node"), ["tests/client/run.mjs"]);
run(npmBin("node"), ["tests/reference/compare.mjs"]);
