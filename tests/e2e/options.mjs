// What a wrangler.toml says, as Miniflare's options of a Worker. To load wrangler takes half a second of CPU time, in each
// test file: the options are stored in build/, and wrangler is loaded if there are none for the same contents.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/run.mjs";

const FOLDER = join(root, "build", "options");
const VERSIONS = readFileSync(join(root, "package-lock.json"));

/** The options of the Worker of a wrangler.toml, by its absolute path. */
export async function configuredOptions(configPath = join(root, "wrangler.toml")) {
  const inputs = createHash("sha256").update(VERSIONS).update(configPath).update(readFileSync(configPath)).digest("hex");
  const path = join(FOLDER, `${inputs}.json`);
  if (!existsSync(path)) {
    const { unstable_getMiniflareWorkerOptions } = await import("wrangler");
    mkdirSync(FOLDER, { recursive: true });
    // Renamed when it is complete: other test files read it at the same time.
    const unfinished = `${path}.${process.pid}`;
    writeFileSync(unfinished, JSON.stringify(unstable_getMiniflareWorkerOptions(configPath).workerOptions));
    renameSync(unfinished, path);
  }
  return JSON.parse(readFileSync(path, "utf8"));
}
