// Runs the command line `ztp` with cargo. The first time, which takes minutes, it shows the progress of the compiler.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { attend, root } from "./run.mjs";

const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const isCompiled = ["ztp", "ztp.exe"].some((name) => existsSync(join(target, "release", name)));
const progress = isCompiled ? ["--quiet"] : [];
process.exitCode = await attend("cargo", ["run", ...progress, "--release", "--package", "ztp", "--", ...process.argv.slice(2)]);
