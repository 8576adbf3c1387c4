// GET /admin and /admin/console/{path}: the static files of the console. What they do is tested in tests/console.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { root } from "../../scripts/run.mjs";
import { AUDIENCE } from "./operators.mjs";
import { startWorker } from "./harness.mjs";

const ADMIN = "an-admin-token-of-enough-length";
const TOKENS = "berlin=berlin-token-0123456789";
const BUILT = join(root, "build", "console");
const read = (name) => readFileSync(join(BUILT, name), "utf8");
const PAGES = { "/admin": "index.html", "/admin/": "slash.html" };
const FILES = { "console.js": "text/javascript; charset=UTF-8", "console.css": "text/css; charset=UTF-8", "icon.svg": "image/svg+xml" };
const served = [...Object.entries(PAGES).map(([path, name]) => [path, name, "text/html; charset=UTF-8"]), ...Object.entries(FILES).map(([name, type]) => [`/admin/console/${name}`, name, type])];

/** Starts a Worker for one test. */
async function start(t, options) {
  const worker = await startWorker(options);
  t.after(() => worker.stop());
  return worker;
}

/** A response without what differs for each request. */
const appearance = ({ status, headers: { date, ...headers }, text }) => ({ status, headers, text });

describe("the files of the console", () => {
  test("are sent to anyone, with headers that allow nothing else to run in the page", async (t) => {
    const worker = await start(t, { secrets: { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: TOKENS } });
    for (const [path, name, type] of served) {
      const response = await worker.request("GET", path);
      assert.equal(response.status, 200, path);
      assert.equal(response.text, read(name), path);
      const { headers } = response;
      assert.equal(headers["content-type"], type, path);
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.equal(headers["x-frame-options"], "DENY");
      assert.equal(headers["referrer-policy"], "no-referrer");
      assert.equal(headers["cache-control"], "no-cache");
      const policy = headers["content-security-policy"].split(/;\s*/);
      for (const directive of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) assert.ok(policy.includes(directive), directive);
      assert.doesNotMatch(headers["content-security-policy"], /unsafe|https?:|\*/);
      // The length of an asset is not known before it is sent.
      const head = await worker.request("HEAD", path);
      const described = ({ "content-length": _, "transfer-encoding": __, ...others }) => others;
      assert.deepEqual([head.status, described(head.headers), head.bytes.length], [200, described(headers), 0], path);
    }
  });

  test("have an ETag, and are 304 for a client that has them", async (t) => {
    const worker = await start(t, { secrets: { ZTP_ADMIN_TOKEN: ADMIN } });
    for (const [path] of served) {
      const { headers } = await worker.request("GET", path);
      const again = await worker.request("GET", path, { headers: { "If-None-Match": headers.etag } });
      assert.deepEqual([again.status, again.text, again.headers.etag], [304, "", headers.etag], path);
      assert.ok(again.headers["content-security-policy"], path);
      const other = await worker.request("GET", path, { headers: { "If-None-Match": '"other"' } });
      assert.equal(other.status, 200, path);
    }
  });

  test("cost the stores nothing", async (t) => {
    const worker = await start(t, { secrets: { ZTP_ADMIN_TOKEN: ADMIN } });
    worker.requests();
    for (const [path] of served) await worker.request("GET", path);
    for (const line of worker.requests()) assert.deepEqual([line.kv_reads, line.r2_reads, line.object_calls], [0, 0, 0], line.route);
  });

  test("are 404 like an unknown path if no operator can be identified", async (t) => {
    const worker = await start(t);
    const unknown = appearance(await worker.request("GET", "/there/is/nothing"));
    for (const [path] of served) assert.deepEqual(appearance(await worker.request("GET", path)), unknown, path);
  });

  test("are sent if Cloudflare Access alone identifies operators", async (t) => {
    const worker = await start(t, { vars: { ACCESS_TEAM_DOMAIN: "team.cloudflareaccess.com", ACCESS_AUD: AUDIENCE } });
    for (const [path] of served) assert.equal((await worker.request("GET", path)).status, 200, path);
  });

  test("are at no other path", async (t) => {
    for (const secrets of [{ ZTP_ADMIN_TOKEN: ADMIN }, { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: TOKENS }]) {
      const worker = await start(t, { secrets });
      const unknown = appearance(await worker.request("GET", "/there/is/nothing"));
      const names = readdirSync(BUILT);
      const paths = names.flatMap((name) => [`/${name}`, `//${name}`, `/%2e/${name}`, `/console/${name}`, `/build/console/${name}`, `/t/berlin-token-0123456789/${name}`, `/t/berlin-token-0123456789/admin/console/${name}`, `/admin/console/x/${name}`, `/admin/console//${name}`, `/admin/${name}`, `/ADMIN/console/${name}`]);
      paths.push("/", "/index", "/slash", "/admin/console", "/admin/console/", "/admin/console/index.html", "/admin/console/slash.html", "/admin/console/console", "/admin/console/%2e%2e/console.js", "/admin/console/..%2fconsole.js", "/t/berlin-token-0123456789/admin", "/_headers", "/.assetsignore");
      for (const path of paths) assert.deepEqual(appearance(await worker.request("GET", path)), unknown, path);
    }
  });

  test("have no other method", async (t) => {
    const worker = await start(t, { secrets: { ZTP_ADMIN_TOKEN: ADMIN } });
    const unknown = appearance(await worker.request("POST", "/there/is/nothing"));
    for (const [path] of served) {
      assert.deepEqual(appearance(await worker.request("POST", path)), unknown, `${path}, a stranger`);
      const refused = await worker.request("POST", path, { headers: { Authorization: `Bearer ${ADMIN}` } });
      assert.deepEqual([refused.status, refused.headers.allow], [405, "GET, HEAD"], path);
    }
  });

  test("have at most 60 KB, gzipped, and load nothing from elsewhere", () => {
    let size = 0;
    for (const name of readdirSync(BUILT)) {
      size += gzipSync(read(name), { level: 9 }).length;
      const addresses = [...read(name).matchAll(/https?:\/\/[^"'`\s)]+/g)].map(([address]) => address);
      assert.deepEqual(addresses.filter((address) => address !== "http://www.w3.org/2000/svg"), [], name);
      assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/, name);
    }
    assert.ok(size <= 60_000, `${size} bytes`);
  });
});
