// Access to the storage of `wrangler dev` as JSON: one request per line on standard input, one response
// per line on standard output. A response begins with a mark, because wrangler may print there, too.
//
// CommonJS: wrangler's worker threads inherit the Node.js option for the type of this script.

const { readFileSync, writeFileSync } = require("node:fs");
const { createInterface } = require("node:readline");

const [configPath, state] = process.argv.slice(1);
process.env.CLOUDFLARE_CF_FETCH_ENABLED ??= "false";

let data;
let files;

serve().catch((error) => respond({ error: String(error?.message ?? error) }));

async function serve() {
  const { getPlatformProxy } = await import("wrangler");
  const proxy = await getPlatformProxy({ configPath, persist: { path: state }, remoteBindings: false });
  try {
    ({ ZTP_DATA: data, ZTP_FILES: files } = proxy.env);
    if (!data || !files) throw new Error("wrangler.toml does not bind ZTP_DATA and ZTP_FILES");
    respond({ ready: true });
    for await (const line of createInterface({ input: process.stdin })) {
      try {
        respond(await handle(JSON.parse(line)));
      } catch (error) {
        respond({ error: String(error?.message ?? error) });
      }
    }
  } finally {
    await proxy.dispose();
  }
}

function respond(value) {
  process.stdout.write(`ztp:${JSON.stringify(value)}\n`);
}

async function handle({ operation, keys, values, key, path, sha1, size, mark }) {
  switch (operation) {
    case "list":
      return { values: await listValues(), objects: await listObjects() };
    case "values": {
      const found = {};
      for (const name of keys) {
        const value = await data.get(name, "arrayBuffer");
        if (value !== null) found[name] = Buffer.from(value).toString("base64");
      }
      return { found };
    }
    case "put-values":
      for (const value of values) {
        await data.put(value.key, Buffer.from(value.base64, "base64"), { metadata: { sha1: value.sha1 } });
      }
      return {};
    case "put-object":
      await files.put(key, readFileSync(path), { sha1, customMetadata: { sha1, "sha1-size": String(size), "pushed-as": mark } });
      return {};
    case "get-object": {
      const object = await files.get(key);
      if (!object) throw new Error(`${key} is not stored`);
      writeFileSync(path, Buffer.from(await object.arrayBuffer()));
      return {};
    }
    case "delete-values":
      for (const name of keys) await data.delete(name);
      return {};
    case "delete-objects":
      for (const name of keys) await files.delete(name);
      return {};
    default:
      throw new Error(`unknown operation ${operation}`);
  }
}

async function listValues() {
  const found = {};
  for (let cursor; ; ) {
    const page = await data.list({ cursor });
    for (const { name, metadata } of page.keys) found[name] = metadata?.sha1 ?? null;
    if (page.list_complete) return found;
    cursor = page.cursor;
  }
}

async function listObjects() {
  const found = {};
  for (let cursor; ; ) {
    const page = await files.list({ cursor, include: ["customMetadata"] });
    for (const { key, size, etag, customMetadata } of page.objects) {
      found[key] = { size, etag, sha1: customMetadata?.sha1 ?? null, pushed_as: customMetadata?.["pushed-as"] ?? null };
    }
    if (!page.truncated) return found;
    cursor = page.cursor;
  }
}
