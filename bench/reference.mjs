// ztpserver 2.1.0 from PyPI, as its own standalone server, in a Python environment of its own.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pythonWithZtpserver } from "../tests/reference/reference.mjs";
import { SERVER_URL } from "./load.mjs";
import { onServerCpus } from "./process.mjs";
import { firstAnswered, freePort } from "./runtime.mjs";

const FOLDERS = ["actions", "bootstrap", "definitions", "files", "nodes", "plugins", "resources"];

/** Starts the server on a folder, which `fill(dataRoot)` fills first. */
export async function startReference(place, fill, firstAnswer) {
  const dataRoot = join(place, "data_root");
  for (const folder of FOLDERS) mkdirSync(join(dataRoot, folder), { recursive: true });
  await fill(dataRoot);
  const port = await freePort();
  const config = join(place, "ztpserver.conf");
  // As it comes, but for where it is: its log goes to the console, and from there nowhere.
  writeFileSync(
    config,
    `[default]\ndata_root = ${dataRoot}\nserver_url = ${SERVER_URL}\n[server]\ninterface = 127.0.0.1\nport = ${port}\n`,
  );
  const { ZTPS_CONFIG, ZTPS_DEFAULT_DATAROOT, ZTPS_DEFAULT_SERVER, ...environment } = process.env;
  const start = "import sys; from ztpserver.app import main; sys.exit(main())";
  const [program, args] = onServerCpus(pythonWithZtpserver(), ["-c", start, "--conf", config]);
  const started = performance.now();
  const child = spawn(program, args, { stdio: "ignore", env: { ...environment, PYTHONUTF8: "1" } });
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status, signal) => resolve(signal ?? status));
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await ended;
  };
  try {
    await firstAnswered(child, port, firstAnswer);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid, dataRoot, startMs: performance.now() - started, stop };
}
