// Random paths, headers and bodies over sockets, without and with sites: no request fails or hangs, and
// stored content is sent only on its own path.
//
//   node tests/security/fuzz.mjs [--requests 20000] [--seed 1]

import assert from "node:assert/strict";
import { AMSTERDAM, LONDON, nodeToken } from "../e2e/credentials.mjs";
import { BOUND, exchange } from "./exchange.mjs";
import { hostileRequest } from "./hostile.mjs";
import { generator, numberOption } from "./random.mjs";
import { CRASH, startDirectly } from "./runtime.mjs";

const REQUESTS = numberOption("--requests", 20_000);
const SEED = numberOption("--seed", 1);
const AT_ONCE = 16;
const canary = (name) => `CANARY-${name.replaceAll(/[^a-z]/gi, "-")}-YRANAC`;

/** The stored content: key, text around the canary, and the only path that may return it, if any. */
const KV = [
  ["bootstrap/bootstrap.conf", "# CANARY\n"],
  ["neighbordb", "# CANARY\npatterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - any: spine1:any\n"],
  ["definitions/leaf", "# CANARY\nname: leaf\nactions: []\n"],
  ["definitions/secret", "# CANARY\nname: secret\nactions: []\n"],
  ["config-handlers/secret", "CANARY"],
  ["resources/secret", "# CANARY\n10.0.0.1: null\n"],
  ["nodes/OTHER/startup-config", "CANARY", "/nodes/OTHER/startup-config"],
  ["nodes/OTHER/attributes", "# CANARY\n"],
  ["nodes/OTHER/pattern", "# CANARY\nname: x\ndefinition: leaf\n"],
  ["nodes/OTHER/config-handler", "CANARY"],
  ["nodes/OTHER/site", "london"],
  ["nodes/OTHER/secret", "CANARY"],
  ["nodes/OTHER", "CANARY"],
  ["digests/files/other", "CANARY"],
  // Valid keys in the wrong store.
  ["files/own", "CANARY-of-KV"],
  ["actions/own", "CANARY-of-KV"],
  ["secret", "CANARY"],
];
const R2 = [
  ["files/own", "CANARY", "/files/own"],
  ["actions/own", "CANARY", "/actions/own"],
  ["actions/deep/secret", "CANARY"],
  ["secret", "CANARY"],
  ["neighbordb", "CANARY-of-R2"],
  ["nodes/OTHER/startup-config", "CANARY-of-R2"],
  ["bootstrap/bootstrap", "CANARY-of-R2"],
];

const SITES = { ZTP_TOKENS: `amsterdam=${AMSTERDAM}\nlondon=${LONDON}` };
const MODES = [
  { what: "without sites", bindings: {}, prefixes: [""], opens: () => true },
  {
    what: "with sites, from outside and as a node of another site",
    bindings: { ...SITES, ZTP_ADMIN_TOKEN: "an-admin-token-of-enough-length" },
    prefixes: ["", "/t", `/t/${AMSTERDAM.slice(1)}`, `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1")}`, `/t/${AMSTERDAM}`],
    opens: (path) => !path.startsWith("/nodes/"),
  },
];

for (const mode of MODES) await fuzz(mode, Math.ceil(REQUESTS / MODES.length));

async function fuzz({ what, bindings, prefixes, opens }, count) {
  const worker = await startDirectly(bindings);
  const allowed = await store(worker, opens);
  worker.logs();
  const random = generator(SEED);
  const statuses = {};
  const logged = [];
  let slowest = 0;
  let sent = 0;
  const client = async () => {
    while (sent < count) {
      sent += 1;
      const request = hostileRequest(random, prefixes);
      const started = performance.now();
      const response = await exchange(worker.url.port, request);
      slowest = Math.max(slowest, performance.now() - started);
      const status = check(request, response, prefixes, allowed);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  assert.equal((await worker.request("GET", `${prefixes.at(-1)}/bootstrap`)).status, 200, "the Worker still responds");
  logged.push(...worker.logs());
  for (const line of logged) assert.doesNotMatch(line, CRASH);
  for (const token of [AMSTERDAM, LONDON]) assert.ok(!logged.some((line) => line.includes(token)), "no token is logged");
  const stored = await assertKeysInPlace(worker, opens);
  await worker.stop();
  const figures = Object.entries(statuses).map(([status, times]) => `${times} × ${status}`);
  console.log(`fuzz ${what}: ${sent} requests from seed ${SEED}, slowest ${slowest.toFixed(0)} ms, ${stored} keys all in place: ${figures.join(", ")}`);
}

/** Stores all content. Returns the path that may return each canary. */
async function store(worker, opens) {
  const allowed = new Map();
  for (const [kind, entries] of [["kv", KV], ["r2", R2]]) {
    for (const [key, text, path] of entries) {
      const mark = canary(`${kind}/${key}`);
      if (path && opens(path)) allowed.set(mark, path);
      await worker[kind].put(key, text.replace("CANARY", mark));
    }
  }
  return allowed;
}

/** The status of a response, after the assertion that a client may receive it. */
function check({ bytes, target, cut }, response, prefixes, allowed) {
  const shown = JSON.stringify(bytes.slice(0, 300));
  assert.notEqual(response, undefined, `no response within ${BOUND} ms: ${shown}`);
  if (response === "") {
    assert.ok(cut, `closed without a response: ${shown}`);
    return "closed";
  }
  const [head] = response.split("\r\n\r\n", 1);
  const status = Number(head.match(/^HTTP\/1\.1 (\d{3}) /)?.[1]);
  const ours = /^x-content-type-options: nosniff$/im.test(head);
  assert.ok(status >= 200, `${head}: ${shown}`);
  if (ours) {
    const meta = status === 500 && /\{"error":"/.test(response);
    assert.ok(status < 500 || (meta || bytes.startsWith("HEAD")) && /meta/i.test(decoded(target) ?? ""), `${response.slice(0, 500)}: ${shown}`);
    assert.doesNotMatch(head, /^(set-cookie|access-control-)/im, shown);
  } else {
    // A response of the runtime: the request is not valid HTTP, or has an unknown method.
    assert.ok([400, 405, 408, 413, 414, 431, 501].includes(status), `${response.slice(0, 500)}: ${shown}`);
  }
  for (const [mark] of response.matchAll(/CANARY-.*?-YRANAC/g)) {
    const path = decoded(target);
    const own = prefixes.some((prefix) => path === `${decodeURIComponent(prefix)}${allowed.get(mark)}`);
    assert.ok(own, `${mark} was returned: ${shown}`);
  }
  return ours ? status : `${status} of the runtime`;
}

/** The path of a request target, decoded once, segment by segment; undefined if it is not valid. */
function decoded(target) {
  const path = target.replace(/^http:\/\/[^/]*/, "").split(/[?#]/)[0];
  try {
    return path.split("/").map(decodeURIComponent).join("/");
  } catch {
    return undefined;
  }
}

/**
 * Asserts that every key was stored by the test, or is a record or the history of a node; of the node OTHER only if the
 * callers may write it.
 */
async function assertKeysInPlace({ kv, r2 }, opens) {
  const records = [".node", "definition", "pattern", "attributes", "startup-config", "config-handler", "site"];
  const known = new Set(KV.map(([key]) => key));
  const names = [];
  let cursor;
  do {
    const page = await kv.list({ cursor });
    names.push(...page.keys.map(({ name }) => name));
    cursor = page.list_complete ? undefined : page.cursor;
  } while (cursor);
  for (const name of names.filter((name) => !known.has(name) && !name.startsWith("digests/"))) {
    const [folder, id, record, ...more] = name.split("/");
    assert.ok(folder === "nodes" && id && ![".", ".."].includes(id) && records.includes(record) && more.length === 0, `the key ${JSON.stringify(name)}`);
  }
  const objects = [];
  do {
    const page = await r2.list({ cursor });
    objects.push(...page.objects.map(({ key }) => key));
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor);
  // The history of nodes is theirs: `history/<id>/<time>-<SHA-1>`.
  const others = objects.filter((key) => !/^history\/[^/]+\/\d+-[0-9a-f]{40}$/.test(key));
  assert.deepEqual(others.sort(), R2.map(([key]) => key).sort());
  const isForeign = (key) => key.startsWith("history/OTHER/") && !opens("/nodes/OTHER/startup-config");
  assert.ok(!objects.some(isForeign), "a foreign node has a history");
  return names.length + objects.length;
}
