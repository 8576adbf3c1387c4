// The built Worker on workerd, with local KV and R2, and a client that sends requests unchanged: it
// normalizes no path, decompresses no body, and adds no header.

import assert from "node:assert/strict";
import http from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { root } from "../../scripts/run.mjs";
import { configWithout } from "../../scripts/storage.mjs";
import { configuredOptions } from "./options.mjs";
import { DEFAULTS } from "./settings.mjs";

// Otherwise the runtime requests `cf` data from the internet at every start.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";

/** The keys of a bulk read of KV. */
const MAX_BULK = 100;
/** The name of the Worker in the runtime. */
const NAME = "ztp-edge";

/**
 * Starts a Worker for a test file.
 *
 * `vars` override [vars] of wrangler.toml and those of settings.mjs, and `secrets` are added. `without` names an array of tables
 * that is removed from wrangler.toml (`kv_namespaces`); `config` is the path of another wrangler.toml. A
 * `forgetful` Worker has no cache, and its objects drop a copy as soon as KV has it, so that each request waits until
 * they have copied their records; `bundle` names another bundle of scripts/bundle.mjs.
 */
export async function startWorker({ vars = {}, secrets = {}, without, config = "wrangler.toml", forgetful = false, bundle } = {}) {
  const prebuilt = forgetful ? "bundle-forgetful" : (bundle ?? "bundle");
  const { ALLOW_ANYONE, ...noSecrets } = DEFAULTS;
  const configPath = without ? configWithout(without) : resolve(root, config);
  const workerOptions = await configuredOptions(configPath);
  let entries = [];
  const lines = new LineCount();
  // The socket leads to the Worker itself: with wrangler's proxy before it, each start and each request take twice as long.
  const optionsWith = (others) => convertV4MiniflareOptions({
    structuredWorkerdLogs: true,
    handleStructuredLogs({ message }) {
      entries.push(message);
      if (isOfRequest(message)) lines.arrived();
    },
    workers: [
      {
        ...workerOptions,
        name: NAME,
        modules: modules(join(root, "build", prebuilt)),
        bindings: { ...workerOptions.bindings, ALLOW_ANYONE, ...vars, ...noSecrets, ...secrets, ...others },
        unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
      },
    ],
  });
  let runtime, url, stores;
  const start = async () => {
    runtime = new Miniflare(optionsWith({}));
    await connect();
  };
  const connect = async () => {
    url = await runtime.unsafeGetDirectURL(NAME);
    const bindings = await runtime.getBindings(NAME);
    stores = { ...bindings, ZTP_DATA: reconnecting(bindings.ZTP_DATA), ZTP_FILES: reconnecting(bindings.ZTP_FILES) };
  };
  await start();
  const control = async (header, value, body) => {
    const { status } = await send(url, body === undefined ? "GET" : "POST", "/", { headers: { [header]: value }, body });
    assert.equal(status, 204, `the bundle ${prebuilt} does not know the header ${header}`);
  };
  let advanced = 0;
  const hasClock = /-(clock|forgetful)$/.test(prebuilt);
  const settle = () => (hasClock ? control("X-Settle", "") : undefined);
  const advance = async (milliseconds) => {
    // Objects have to copy their records to KV before: copied at the later time, they would be new there.
    await settle();
    await control("X-Clock-Advance", String(milliseconds));
    advanced += milliseconds;
  };
  const logs = () => {
    const all = entries;
    entries = [];
    return all;
  };
  return {
    get url() {
      return url;
    },
    /** KV. Where the bundle has a clock of its own, each operation waits until objects have copied their records. */
    get kv() {
      const kv = stores.ZTP_DATA;
      // Not a proxy of `kv`: each access would ask the runtime for the descriptor of the property.
      return new Proxy({}, { get: (_, name) => async (...args) => (await settle(), kv[name](...args)) });
    },
    get r2() {
      return stores.ZTP_FILES;
    },
    /** Sends a command to the object of a site, and returns its reply. */
    async callSite(name, command) {
      const sites = stores.ZTP_SITES;
      const response = await sites.get(sites.idFromName(name)).fetch("http://object/", { method: "POST", body: JSON.stringify(command) });
      return response.json();
    },
    /** Waits until the objects have copied their records to KV, if the bundle has a clock of its own. */
    settle,
    /** Sends one request, with `path` unchanged, and waits until it is logged. */
    async request(method, path, options = {}) {
      // Else the request may read KV before an object's copy arrives there, and ask the object after it was dropped.
      if (forgetful) await settle();
      const response = await send(url, method, path, options);
      await lines.next();
      return response;
    },
    /**
     * The URL of the runtime's own entry. It resolves dot segments of a path before the Worker receives it, as Cloudflare
     * does, and compresses responses.
     */
    edge: () => runtime.ready,
    /** Advances the clock of the bundle `bundle-clock`. */
    advance,
    /** The time of this clock, in milliseconds since 1970. */
    now: () => Date.now() + advanced,
    /** All keys and values of KV. */
    async values() {
      await settle();
      const names = (await stores.ZTP_DATA.list()).keys.map(({ name }) => name);
      const values = [];
      while (names.length > 0) values.push(...(await stores.ZTP_DATA.get(names.splice(0, MAX_BULK))));
      return values;
    },
    /** The key and ETag of each object of R2, if the bundle has a clock of its own. */
    objects: async () => (await send(url, "GET", "/", { headers: { "X-Objects": "" } })).json,
    /** Stores many texts in KV at once, if the bundle has a clock of its own: an object of keys and values. */
    async putAll(values) {
      await settle();
      await control("X-Put", "", JSON.stringify(values));
    },
    /** All that was logged since the last call: by requests, by objects, and by the runtime itself. */
    logs,
    /** The log lines of requests since the last call to this or to `logs`, parsed. */
    requests: () => requestsOf(logs()),
    /** Runs what a cron trigger runs. */
    scheduled: () => runtime.getWorker(NAME).then((worker) => worker.scheduled({ cron: "*/15 * * * *", scheduledTime: new Date() })),
    /** Empties KV and R2 while the Worker runs. Its caches and the copies of its objects are expired then. */
    async clear() {
      assert.ok(hasClock, "this bundle remembers what it had");
      await settle();
      if (prebuilt === "bundle-clock") await advance(3_600_000);
      await control("X-Empty", "");
    },
    /**
     * Empties all storage. A bundle with a clock of its own has then no value in its caches that is not expired; others
     * are restarted.
     */
    async reset() {
      if (hasClock) {
        await control("X-Wipe", "");
        if (!forgetful) await advance(15_000);
        await control("X-Empty", "");
        return;
      }
      await runtime.dispose();
      await start();
    },
    /** Restarts the Worker on its storage, with these settings beside those of the start. */
    async restart(others) {
      await runtime.setOptions(optionsWith(others));
      await connect();
    },
    stop: () => runtime.dispose(),
  };
}

/** A bundle of scripts/bundle.mjs: its main module first, and its wasm. */
function modules(folder) {
  const module = (name, type) => ({ type, path: name, contents: readFileSync(join(folder, name)) });
  const wasm = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  return [module("index.js", "ESModule"), ...wasm.map((name) => module(name, "CompiledWasm"))];
}

/** Whether a line of the log is about a request. */
const isOfRequest = (line) => line.startsWith('{"method"');

/** The log lines of requests among others, parsed. */
export function requestsOf(lines) {
  return lines.filter(isOfRequest).map((line) => JSON.parse(line));
}

/** The log line of a request comes on another way than its response, and may be the later one: tests that read it wait here. */
class LineCount {
  /** Milliseconds: the runtime itself responds to a malformed request, without a line. */
  static #LONGEST = 300;
  #early = 0;
  #waiting = [];

  arrived() {
    const waiting = this.#waiting.shift();
    if (waiting) waiting();
    else this.#early += 1;
  }

  /** Resolves when there was a line for each request. */
  next() {
    if (this.#early > 0) {
      this.#early -= 1;
      return undefined;
    }
    return new Promise((done) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        done();
      }, LineCount.#LONGEST);
      const waiting = () => (clearTimeout(timer), done());
      this.#waiting.push(waiting);
    });
  }
}

/**
 * Calls `check` until it resolves to a value that is not false, null or undefined; returns that value. Fails after `limit`
 * milliseconds: `what` says in the message what did not come.
 */
export async function waitFor(what, check, limit = 20_000) {
  for (const began = performance.now(); ; await sleep(20)) {
    const found = await check();
    if (found) return found;
    assert.ok(performance.now() - began < limit, `${what} did not come within ${limit} ms`);
  }
}

/**
 * A store of the runtime, whose operations are repeated once if the runtime closes the connection, which was idle, in the
 * moment in which it is used again.
 */
function reconnecting(store) {
  const closed = (error) => error.cause?.code === "UND_ERR_SOCKET";
  const operation = (name) => async (...args) => {
    try {
      return await store[name](...args);
    } catch (error) {
      if (!closed(error)) throw error;
      return store[name](...args);
    }
  };
  // Not a proxy of `store`: each access would ask the runtime for the descriptor of the property.
  return new Proxy({}, { get: (_, name) => (name === "then" ? undefined : operation(name)) });
}

/** Sends one HTTP/1.1 request on a new connection. Header names of the response are in lower case. */
export function send(base, method, path, { body, headers = {}, chunked = false } = {}) {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const sent = { Host: new URL(base).host, Connection: "close", ...headers };
  if (bytes && !chunked) sent["Content-Length"] ??= bytes.length;
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base);
    const request = http.request({ hostname, port, method, path, headers: sent, agent: false, setHost: false });
    request.on("error", reject);
    request.on("response", async (response) => {
      try {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const content = Buffer.concat(chunks);
        resolve({
          status: response.statusCode,
          headers: response.headers,
          bytes: content,
          get text() {
            return content.toString("utf8");
          },
          get json() {
            return JSON.parse(content.toString("utf8"));
          },
        });
      } catch (error) {
        reject(error);
      }
    });
    request.end(bytes);
  });
}

/** Asserts that a response is an error in the form that every client accepts: HTML with the reason. */
export function assertRefusal(response, status, reason) {
  assert.equal(response.status, status, response.text);
  assert.match(response.headers["content-type"], /^text\/html(;|$)/);
  assert.equal(response.headers["x-content-type-options"], "nosniff");
  assert.equal(response.headers["content-security-policy"], "default-src 'none'");
  assert.match(response.text, reason);
}

/** Asserts that a response is an error in the form for operators: JSON with the reason. Returns its fields. */
export function assertOperatorRefusal(response, status, reason) {
  assert.equal(response.status, status, response.text);
  assert.equal(response.headers["content-type"], "application/json");
  assert.equal(response.headers["cache-control"], "no-store");
  assert.match(response.json.error, reason);
  return response.json;
}

/** Asserts that the response to HEAD is that to GET without the body (RFC 9110, 9.3.2). */
export async function assertSameForHead(worker, path, response) {
  const head = await worker.request("HEAD", path);
  assert.equal(head.status, response.status);
  assert.equal(head.bytes.length, 0);
  for (const name of ["content-type", "content-length", "cache-control", "etag", "x-content-type-options"]) {
    assert.equal(head.headers[name], response.headers[name], name);
  }
}

/** The facts that a switch sends. */
export function facts(serialnumber, others = {}) {
  return {
    model: "DCS-7050TX-64-F",
    serialnumber,
    systemmac: "00:1c:73:01:02:03",
    version: "4.28.0F",
    neighbors: { Ethernet1: [{ device: "spine1", port: "Ethernet7" }] },
    ...others,
  };
}
