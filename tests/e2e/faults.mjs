// A Worker on workerd with a KV that can fail.
//
// The runtime's KV binding sends HTTP to a KV in this process, as it does to Cloudflare's. The rules of this KV
// delay an operation, let it fail, or return an old value. To the Worker it is like the real KV. R2, Durable
// Objects and the rate limiter are the local ones of the test harness.

import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { freePort, root } from "../../scripts/run.mjs";
import { send } from "./harness.mjs";
import { configuredOptions } from "./options.mjs";
import { DEFAULTS } from "./settings.mjs";

/** The limit of the values in the response to a bulk read, in bytes. */
const MAX_BULK_BYTES = 25 << 20;
/** The largest number of keys in a page of a list. */
const MAX_PAGE = 1000;
/** The size of one write to a socket, in bytes. */
const PART = 64 << 10;

/**
 * A KV namespace with faults. Every rule can be changed at any time:
 *
 * - `oneWritePerSecond`: a write or deletion of a key within a second of the last accepted one is 429.
 * - `failEvery`: every n-th operation is 500; 0: none is.
 * - `fails({ operation, keys })`: the status of a failure, or undefined. `operation` is
 *   `get`, `bulk`, `put`, `delete` or `list` (its only key is the prefix).
 * - `loses({ operation, keys })`: whether the operation is done, and its response is 500.
 * - `delay({ operation, keys })`: the milliseconds until the response.
 * - `staleFor`: for this many milliseconds after a read of a key, reads return the same value, or that it is
 *   missing.
 *
 * `operations` lists the Worker's operations: `{ operation, keys, status, at }`. `sent` is the number of bytes
 * of values that it has read, with some megabytes in buffers. Tests use `get`, `put`, `delete` and `list`, as on
 * a KV binding: these ignore the rules.
 */
export class FaultyKv {
  oneWritePerSecond = false;
  failEvery = 0;
  fails = () => undefined;
  loses = () => false;
  delay = () => 0;
  staleFor = 0;
  operations = [];
  sent = 0;

  #values = new Map();
  #metadata = new Map();
  #written = new Map();
  #read = new Map();
  #count = 0;
  #server = http.createServer((request, response) => this.#serve(request, response));

  constructor(rules = {}) {
    Object.assign(this, rules);
  }

  /** Starts the server; resolves to its URL for a binding. */
  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return new URL(`http://127.0.0.1:${this.#server.address().port}`);
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async get(key) {
    return this.#values.get(key)?.toString("utf8") ?? null;
  }

  async put(key, value) {
    this.#values.set(key, Buffer.from(value));
    this.#metadata.delete(key);
  }

  async delete(key) {
    this.#values.delete(key);
  }

  /** All keys that begin with `prefix`, in order. */
  async list({ prefix = "" } = {}) {
    const names = [...this.#values.keys()].filter((name) => name.startsWith(prefix));
    return { keys: names.sort().map((name) => ({ name })), list_complete: true };
  }

  /** The number of such operations on keys that begin with `prefix`. */
  count(operation, prefix = "") {
    return this.operations.filter((done) => done.operation === operation && done.keys.some((key) => key.startsWith(prefix))).length;
  }

  async #serve(request, response) {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      // If the proxy of the binding forwards a request, its original URL is in a header.
      const url = new URL(request.headers["mf-url"] ?? request.url, "http://kv");
      const asked = { ...read(request.method, url, Buffer.concat(chunks)), metadata: request.headers["cf-kv-metadata"] };
      const done = { operation: asked.operation, keys: asked.keys, status: 0, at: Date.now() };
      this.operations.push(done);
      const wait = this.delay(asked);
      if (wait > 0) await sleep(wait);
      let { status, body, metadata } = this.#respond(asked);
      if (status < 400 && this.loses(asked)) [status, body] = [500, Buffer.from("the result of this operation is lost by a rule of the test")];
      done.status = status;
      response.writeHead(status, { "MF-Forwarded-Response": "1", "Content-Length": body.length, ...(metadata && { "CF-KV-Metadata": metadata }) });
      await this.#send(response, body);
    } catch (error) {
      response.writeHead(400);
      response.end(String(error));
    }
  }

  /** Sends a body in parts, until the reader closes the connection. */
  async #send(response, body) {
    const closed = once(response, "close");
    for (let at = 0; at < body.length && !response.destroyed; at += PART) {
      const part = body.subarray(at, at + PART);
      this.sent += part.length;
      if (!response.write(part)) await Promise.race([once(response, "drain"), closed]);
    }
    response.end();
  }

  #respond(asked) {
    const { operation, keys, body } = asked;
    const respond = (status, text = "") => ({ status, body: Buffer.from(text) });
    this.#count += 1;
    const failed = this.fails(asked);
    if (failed) return respond(failed, "this operation fails by a rule of the test");
    if (this.failEvery > 0 && this.#count % this.failEvery === 0) return respond(500, "this operation fails by a rule of the test");
    if (operation === "put" || operation === "delete") {
      const [key] = keys;
      const now = Date.now();
      if (this.oneWritePerSecond && now - (this.#written.get(key) ?? 0) < 1000) return respond(429, "too many writes of one key");
      this.#written.set(key, now);
      this.#metadata.delete(key);
      if (operation === "put") this.#values.set(key, body);
      else this.#values.delete(key);
      if (asked.metadata) this.#metadata.set(key, asked.metadata);
      return respond(200);
    }
    if (operation === "list") return respond(200, JSON.stringify(this.#page(asked)));
    const values = keys.map((key) => this.#value(key));
    if (operation === "get") return values[0] === undefined ? respond(404) : { status: 200, body: values[0], metadata: this.#metadata.get(keys[0]) };
    const bytes = values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
    if (bytes > MAX_BULK_BYTES) return respond(413, "Total size of request exceeds the limit of 25MB");
    return respond(200, JSON.stringify(Object.fromEntries(keys.map((key, index) => [key, values[index]?.toString("utf8") ?? null]))));
  }

  /** The value that a read of a key returns. */
  #value(key) {
    if (this.staleFor === 0) return this.#values.get(key);
    const now = Date.now();
    const known = this.#read.get(key);
    if (known && now - known.at < this.staleFor) return known.value;
    const value = this.#values.get(key);
    this.#read.set(key, { at: now, value });
    return value;
  }

  #page({ keys: [prefix], limit, cursor }) {
    const after = cursor === null ? "" : Buffer.from(cursor, "base64url").toString();
    const names = [...this.#values.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, limit);
    const found = page.map((name) => ({ name, ...(this.#metadata.has(name) && { metadata: JSON.parse(this.#metadata.get(name)) }) }));
    if (page.length === names.length) return { keys: found, list_complete: true };
    return { keys: found, list_complete: false, cursor: Buffer.from(page.at(-1)).toString("base64url") };
  }
}

/** The operation in a request of a KV binding. */
function read(method, url, body) {
  const key = decodeURIComponent(url.pathname.slice(1));
  if (method === "POST") return { operation: "bulk", keys: JSON.parse(body.toString()).keys };
  if (method === "PUT") return { operation: "put", keys: [key], body };
  if (method === "DELETE") return { operation: "delete", keys: [key] };
  if (key !== "") return { operation: "get", keys: [key] };
  const limit = Math.min(Number(url.searchParams.get("key_count_limit") ?? MAX_PAGE), MAX_PAGE);
  return { operation: "list", keys: [url.searchParams.get("prefix") ?? ""], limit, cursor: url.searchParams.get("cursor") };
}

/** Lets the rate limiter fail, as it does if Cloudflare's service does not respond. */
const FAILING_LIMITER = `
import { env as bindings } from "cloudflare:workers";
Object.getPrototypeOf(bindings.ZTP_RATE_LIMIT).limit = async () => {
  throw new Error("this operation fails by a rule of the test");
};
`;

/**
 * Starts the built Worker with a KV with faults; `rules` are those of FaultyKv. `bindings` (settings and
 * secrets) are added to those of wrangler.toml. `limit` binds a rate limiter with this number of requests per
 * minute, which always fails if `limiterFails`. `forgetful` is as in the harness. `inspectorPort` is the port of
 * the inspector, in which the Worker is called `faulty`.
 */
export async function startFaulty({ bindings = {}, rules = {}, forgetful = false, limit, limiterFails = false, appended = "", inspectorPort } = {}) {
  const bundle = join(root, "build", forgetful ? "bundle-forgetful" : "bundle-clock");
  const kv = new FaultyKv(rules);
  const [port, remote] = [await freePort(), await kv.start()];
  const workerOptions = await configuredOptions();
  const entries = [];
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      inspectorPort,
      structuredWorkerdLogs: true,
      handleStructuredLogs: ({ level, message }) => entries.push({ level, message }),
      workers: [
        {
          ...workerOptions,
          name: "faulty",
          modules: modules(bundle, (limiterFails ? FAILING_LIMITER : "") + appended),
          bindings: { ...workerOptions.bindings, ...DEFAULTS, ...bindings },
          kvNamespaces: { ZTP_DATA: { id: "ZTP_DATA", remoteProxyConnectionString: remote } },
          ratelimits: limit === undefined ? {} : { ZTP_RATE_LIMIT: { namespace_id: "1001", simple: { limit, period: 60 } } },
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  const url = new URL(`http://127.0.0.1:${port}`);
  return {
    url,
    kv,
    r2: await miniflare.getR2Bucket("ZTP_FILES", "faulty"),
    request: (method, path, options = {}) => send(url, method, path, options),
    /** Advances the Worker's clock. */
    async advance(milliseconds) {
      await send(url, "GET", "/", { headers: { "X-Clock-Advance": String(milliseconds) } });
    },
    /** Waits until the objects have copied their records to KV. */
    async settle() {
      await send(url, "GET", "/", { headers: { "X-Settle": "" } });
    },
    /** The Worker's log since the last call: `{ level, message }`. */
    logs: () => entries.splice(0),
    /** The log lines about the last `count` requests, parsed, each with its `level`. A line may follow its response. */
    async lines(count = 1) {
      const found = [];
      for (let waited = 0; found.length < count && waited < 5000; waited += 10) {
        for (const { level, message } of entries.splice(0)) if (message.startsWith('{"method"')) found.push({ level, ...JSON.parse(message) });
        if (found.length < count) await sleep(10);
      }
      return found;
    },
    async stop() {
      await miniflare.dispose();
      await kv.stop();
    },
  };
}

function modules(bundle, appended) {
  const names = readdirSync(bundle).filter((name) => name.endsWith(".wasm"));
  const wasm = names.map((name) => ({ type: "CompiledWasm", path: name, contents: readFileSync(join(bundle, name)) }));
  return [{ type: "ESModule", path: "index.js", contents: `${readFileSync(join(bundle, "index.js"))}${appended}` }, ...wasm];
}
