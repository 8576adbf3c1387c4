// A running ztpserver 2.1.0, with a data_root for the content of cases.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { send } from "../e2e/harness.mjs";
import { fail, root } from "../../scripts/run.mjs";

const FOLDERS = ["actions", "bootstrap", "config-handlers", "definitions", "files", "nodes", "plugins", "resources"];

/** Starts a server with this Python; `settings` are those of the section `default` of ztpserver.conf. */
export async function startReference(python, settings) {
  const place = mkdtempSync(join(tmpdir(), "ztpserver-"));
  const dataRoot = join(place, "data_root");
  const makeFolders = () => FOLDERS.forEach((folder) => mkdirSync(join(dataRoot, folder), { recursive: true }));
  makeFolders();
  const config = join(place, "ztpserver.conf");
  const lines = Object.entries({ ...settings, data_root: dataRoot, logging: "False" });
  writeFileSync(config, ["[default]", ...lines.map(([name, value]) => `${name} = ${value}`), ""].join("\n"));

  const { ZTPS_CONFIG, ZTPS_DEFAULT_DATAROOT, ZTPS_DEFAULT_SERVER, ...environment } = process.env;
  const child = spawn(python, [join(root, "tests/reference/reference.py"), config], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...environment, PYTHONUTF8: "1" },
  });
  const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => {
    const { value, done } = await output.next();
    return done ? fail("the reference server ended; its output above says why") : value;
  };
  const url = `http://127.0.0.1:${await nextLine()}`;

  return {
    url,
    dataRoot,
    config,
    request: (method, path, options) => send(url, method, path, options),
    /** Stores files; keys are paths relative to data_root. */
    async lay(content) {
      for (const [key, value] of Object.entries(content)) {
        mkdirSync(dirname(join(dataRoot, key)), { recursive: true });
        writeFileSync(join(dataRoot, key), value);
      }
    },
    /** The stored records of nodes: bytes by key. */
    async stored() {
      const entries = readdirSync(join(dataRoot, "nodes"), { recursive: true, withFileTypes: true });
      const keys = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      return Object.fromEntries(keys.map((path) => [path.slice(dataRoot.length + 1), readFileSync(path)]));
    },
    /** The bytes of one file, if it is stored. */
    async read(key) {
      return existsSync(join(dataRoot, key)) ? readFileSync(join(dataRoot, key)) : undefined;
    },
    async clear() {
      rmSync(dataRoot, { recursive: true });
      makeFolders();
    },
    /** Parses a YAML text with PyYAML: its `value`, or an `error`. */
    async readYaml(text) {
      child.stdin.write(`${JSON.stringify(text)}\n`);
      return JSON.parse(await nextLine());
    },
    async stop() {
      child.stdin.end();
      await new Promise((resolve) => (child.exitCode === null ? child.on("exit", resolve) : resolve()));
      rmSync(place, { recursive: true, force: true });
    },
  };
}
