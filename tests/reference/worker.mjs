// The Worker, with the same interface as the reference.

import { startWorker } from "../e2e/harness.mjs";

const inBucket = (key) => key.startsWith("files/") || key.startsWith("actions/");

/** Starts a Worker; `vars` override those of wrangler.toml. */
export async function startEdge(vars) {
  // Without a cache: a case must not receive content of an earlier one.
  const worker = await startWorker({ vars, forgetful: true });
  const { kv, r2 } = worker;
  /** The bytes of one value, if it is stored. */
  const read = async (key) => {
    const value = await kv.get(key, "arrayBuffer");
    return value === null ? undefined : Buffer.from(value);
  };
  return {
    url: worker.url.origin,
    /** Resolves when what the request stored is in KV: the clock of this Worker leaps, and no copy stays fresh. */
    async request(method, path, options) {
      const answer = await worker.request(method, path, options);
      await worker.settle();
      return answer;
    },
    /** Stores values and objects; keys are paths relative to data_root. */
    lay: (content) =>
      Promise.all(Object.entries(content).map(([key, value]) => (inBucket(key) ? r2 : kv).put(key, value))),
    /** The stored records of nodes: bytes by key. */
    async stored() {
      const found = await kv.list({ prefix: "nodes/" });
      if (!found.list_complete) throw new Error("a case has more keys than one list shows");
      const keys = found.keys.map(({ name }) => name);
      const texts = keys.length > 0 ? await kv.get(keys) : new Map();
      // A bulk read returns text only; values that are not UTF-8 are read again.
      const bytes = keys.map((key) => (texts.get(key).includes("\ufffd") ? read(key) : Buffer.from(texts.get(key))));
      const values = await Promise.all(bytes);
      return Object.fromEntries(keys.map((key, index) => [key, values[index]]));
    },
    read,
    clear: () => worker.clear(),
    stop: () => worker.stop(),
  };
}
