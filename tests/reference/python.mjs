// ztpserver 2.1.0 from PyPI in a virtual environment.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail, output, root, run } from "../../scripts/run.mjs";

const REQUIREMENT = "ztpserver==2.1.0";
// Of keys that two merged mappings (<<) have, 6.0.4 takes either value, by the identity of strings in memory.
const PYYAML = "PyYAML==6.0.3";

/**
 * The Python of a virtual environment with ztpserver, created once in the build folder. The environment gets its name,
 * which has all that is in it, when it is complete: several test files may ask for it at once.
 */
export function pythonWithZtpserver() {
  const version = output("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).trim();
  const name = `reference-python${version}-${REQUIREMENT}-${PYYAML}`.replaceAll("==", "-");
  const place = join(root, "build", name);
  const python = join("bin", "python");
  if (existsSync(place)) return join(place, python);
  console.log(`installing ${REQUIREMENT} and ${PYYAML} into build/${name}, once`);
  mkdirSync(join(root, "build"), { recursive: true });
  const made = mkdtempSync(join(root, "build", "incomplete-"));
  const installed = join(made, python);
  run("python3", ["-m", "venv", made]);
  run(installed, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT, PYYAML]);
  const loaded = spawnSync(installed, ["-c", "import ztpserver.app"], { encoding: "utf8" });
  if (loaded.status !== 0) fail(`${REQUIREMENT} is installed, but does not run under Python ${version}; use another python3:\n${loaded.stderr}`);
  try {
    renameSync(made, place);
  } catch (error) {
    // Another one was first.
    if (!existsSync(place)) throw error;
    rmSync(made, { recursive: true, force: true });
  }
  return join(place, python);
}
