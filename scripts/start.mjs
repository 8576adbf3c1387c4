// Serves the Worker on this machine: builds what changed, loads the sample data_root into local
// storage if that is empty, says what to try, and hands over to `wrangler dev`.
//
// Arguments are wrangler's: npm start -- --port 9000 --persist-to ../state

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { getPlatformProxy } from "wrangler";
import { attend, npmBin, root, run } from "./run.mjs";

const SAMPLE = join(root, "assets", "sample");
const args = process.argv.slice(2);
const port = option("--port") ?? "8787";
const state = option("--persist-to") ?? ".wrangler/state";

// The runtime would ask the internet where it is, and complain where there is none.
process.env.CLOUDFLARE_CF_FETCH_ENABLED ??= "false";

run(npmBin("node"), ["scripts/build.mjs"]);
await loadSample();
sayWhatToTry();
process.exitCode = await attend(npmBin("wrangler"), ["dev", ...(option("--port") ? [] : ["--port", port]), ...args]);

/** The value of an option, given as `--name value` or `--name=value`. */
function option(name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
}

/** Puts the sample into the storage that wrangler will use, unless something is there already. */
async function loadSample() {
  // wrangler keeps local storage in a folder of its own below --persist-to.
  const proxy = await getPlatformProxy({ persist: { path: join(state, "v3") } });
  try {
    const { ZTP_DATA: data, ZTP_FILES: files } = proxy.env;
    const [keys, objects] = await Promise.all([data.list({ limit: 1 }), files.list({ limit: 1 })]);
    if (keys.keys.length > 0 || objects.objects.length > 0) {
      console.log(`serving what is in ${state}`);
      return;
    }
    for (const key of listFiles(SAMPLE)) {
      const content = readFileSync(join(SAMPLE, key));
      const inBucket = key.startsWith("files/") || key.startsWith("actions/");
      await (inBucket ? files.put(key, content) : data.put(key, content));
      console.log(`loaded ${key} into ${inBucket ? "ZTP_FILES (R2)" : "ZTP_DATA (KV)"}`);
    }
  } finally {
    await proxy.dispose();
  }
}

function sayWhatToTry() {
  const url = `http://localhost:${port}`;
  console.log(`
The server will be at ${url}. In another terminal, try

  npm run switch${port === "8787" ? "" : ` -- --url ${url}/bootstrap`}                a simulated switch boots from it
  curl ${url}/bootstrap         the script that a switch gets
  curl ${url}/nodes/SAMPLE01    what the sample's static node is told to do
`);
}

/** Every file below a folder, as a path relative to it. */
function listFiles(folder, prefix = "") {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = prefix ? `${prefix}/${entry.name}` : entry.name;
    return entry.isDirectory() ? listFiles(folder, path) : [path];
  });
}
