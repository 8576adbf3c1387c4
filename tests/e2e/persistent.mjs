// `wrangler dev` with its storage in a folder: a test can kill it at any time, and restart it with the
// same storage.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { environment, freePort, npmBin, root } from "../../scripts/run.mjs";
import { DEFAULTS } from "./settings.mjs";

/**
 * Starts the Worker on the storage in `folder`; `vars` are added to those of wrangler.toml. It is the one of another
 * `checkout`, if it is given.
 */
export async function startOn(folder, vars = {}, checkout = root) {
  const port = await freePort();
  const settings = Object.entries({ ...DEFAULTS, ...vars }).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const args = ["dev", "--port", String(port), "--inspector-port", "0", "--persist-to", folder, ...settings];
  // In a new process group, so that a kill reaches the runtime, too.
  const child = spawn(npmBin("wrangler"), args, { cwd: checkout, env: environment({ CI: "true" }), detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const url = new URL(`http://127.0.0.1:${port}`);
  let output = "";
  await new Promise((resolve, reject) => {
    const watch = (chunk) => {
      output += chunk;
      if (output.includes("Ready on")) resolve();
    };
    child.stdout.on("data", watch);
    child.stderr.on("data", watch);
    child.on("exit", () => reject(new Error(`wrangler dev ended: ${output}`)));
  });
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    process.kill(-child.pid, "SIGKILL");
    await gone;
  };
  return { url, kill };
}
