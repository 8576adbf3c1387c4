// ztpserver 2.1.0 from PyPI, as its own standalone server, in a Python environment of its own.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../scripts/run.mjs";
import { pythonWithZtpserver } from "../tests/reference/reference.mjs";
import { SERVER_URL } from "./load.mjs";
import { startServer } from "./start.mjs";

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
  const env = { ...environment, PYTHONUTF8: "1" };
  const args = ["-c", start, "--conf", config];
  const server = await startServer(pythonWithZtpserver(), args, { port, firstAnswer, env });
  return { ...server, dataRoot };
}
