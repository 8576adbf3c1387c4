// The local KV and R2 of `wrangler dev`, opened while it does not run.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.mjs";

/**
 * Calls `use` with the storage in `state`, the folder of `--persist-to`: `{ kv, r2 }`.
 */
export async function withStorage(state, use) {
  // Here: tests that need only a configuration do not load wrangler, which takes half a second of CPU time.
  const { getPlatformProxy } = await import("wrangler");
  const configPath = configWithout("durable_objects.bindings", "migrations", "assets");
  // wrangler stores local data in its own folder below --persist-to.
  const proxy = await getPlatformProxy({ configPath, persist: { path: join(state, "v3") } });
  try {
    return await use({ kv: proxy.env.ZTP_DATA, r2: proxy.env.ZTP_FILES });
  } finally {
    await proxy.dispose();
  }
}

/** The path of a copy of wrangler.toml without some of its tables, or arrays of tables. */
export function configWithout(...tables) {
  const config = readFileSync(join(root, "wrangler.toml"), "utf8");
  const isKept = (block) => !tables.some((table) => block.startsWith(`[[${table}]]`) || block.startsWith(`[${table}]`));
  const kept = config.split(/^(?=\[)/m).filter(isKept).join("");
  mkdirSync(join(root, "build"), { recursive: true });
  const path = join(root, "build", `without-${tables.join("-")}.toml`);
  writeFileSync(path, kept.replaceAll('"build/', '"'));
  return path;
}
