// Serves the Worker on this machine: builds it, loads the sample data_root into empty local
// storage, makes an admin token in .dev.vars if it has none, prints the first commands
// to try, and runs `wrangler dev`, which builds the Worker after a change. Any client
// has access, unless .dev.vars has ZTP_TOKENS.
//
// Arguments are passed to wrangler: npm start -- --port 9000 --persist-to ../state

import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { attend, npmBin, root, run } from "./run.mjs";
import { withStorage } from "./storage.mjs";

const SAMPLE = join(root, "assets", "sample");
const args = process.argv.slice(2);
const port = option("--port") ?? "8787";
const state = option("--persist-to") ?? ".wrangler/state";

// The runtime would request its location from the internet, and log an error without a connection.
process.env.CLOUDFLARE_CF_FETCH_ENABLED ??= "false";

// Before the text below, which its output would push off the screen; wrangler finds the result.
run(process.execPath, [join(root, "scripts", "build.mjs")]);
await loadSample();
sayWhatToTry(adminToken());
const defaults = ["--var", "ALLOW_ANYONE:True", ...(option("--port") ? [] : ["--port", port])];
process.exitCode = await attend(npmBin("wrangler"), ["dev", ...defaults, ...args]);

/** The value of an option, given as `--name value` or `--name=value`. */
function option(name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
}

/** Loads the sample into the storage that wrangler will use, if it is empty. */
function loadSample() {
  return withStorage(state, async ({ kv, r2 }) => {
    const [keys, objects] = await Promise.all([kv.list({ limit: 1 }), r2.list({ limit: 1 })]);
    if (keys.keys.length > 0 || objects.objects.length > 0) {
      console.log(`serving what is in ${state}`);
      return;
    }
    for (const key of listFiles(SAMPLE)) {
      const content = readFileSync(join(SAMPLE, key));
      const inBucket = key.startsWith("files/") || key.startsWith("actions/");
      await (inBucket ? r2.put(key, content) : kv.put(key, content));
      console.log(`loaded ${key} into ${inBucket ? "ZTP_FILES (R2)" : "ZTP_DATA (KV)"}`);
    }
  });
}

/** The local admin token, made the first time. wrangler reads .dev.vars; git ignores it. */
function adminToken() {
  const path = join(root, ".dev.vars");
  const before = existsSync(path) ? readFileSync(path, "utf8") : "";
  const known = before.match(/^ZTP_ADMIN_TOKEN\s*=\s*["']?([^"'\s]+)/m);
  if (known) return known[1];
  const token = randomBytes(24).toString("base64url");
  appendFileSync(path, `${before && !before.endsWith("\n") ? "\n" : ""}ZTP_ADMIN_TOKEN=${token}\n`, { mode: 0o600 });
  chmodSync(path, 0o600);
  return token;
}

function sayWhatToTry(token) {
  const url = `http://localhost:${port}`;
  const other = port === "8787" ? "" : ` -- --url ${url}/bootstrap`;
  console.log(`
The server will be at ${url}. The console, signed in:

  ${url}/admin#token=${token}

In another terminal, try

  curl ${url}/bootstrap
      the script that a switch gets
  npm run switch${other}
      a simulated switch boots from it: the sample's node SAMPLE01, with its startup-config
  npm run switch -- --serial NEW1 --neighbor Ethernet1=spine1:Ethernet1 --neighbor Ethernet2=spine2:Ethernet1${other.replace(" --", "")}
      an unregistered switch: neighbordb selects its definition
  curl -H "Authorization: Bearer ${token}" ${url}/admin/session
      the API for operators, with the admin token of this machine (in .dev.vars)
`);
}

/** Every file below a folder, as a path relative to it. */
function listFiles(folder, prefix = "") {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const path = prefix ? `${prefix}/${entry.name}` : entry.name;
    return entry.isDirectory() ? listFiles(folder, path) : [path];
  });
}
