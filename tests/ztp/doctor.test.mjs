// `ztp doctor` against the real Worker, and against small servers that stand for what may be on the way to it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { startWorker } from "../e2e/harness.mjs";
import { pythonWithZtpserver } from "../reference/python.mjs";
import { startReference } from "../reference/reference.mjs";
import { TOKEN, build, scratch, write, ztp } from "./run.mjs";

const SITE_TOKEN = "a-site-token-0123456789";
const SENT_ALWAYS = ["first-request", "client"];
const CHECKS = ["url", "dns", "connection", ...SENT_ALWAYS, "server-url", "tokens", "config", "head", "range", "compression", "post", "backup", "plain-http"];

let [open, sites, closed] = [];
before(async () => {
  build();
  const bundle = "bundle-clock";
  open = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN }, bundle });
  sites = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN, ZTP_TOKENS: `berlin=${SITE_TOKEN}` }, bundle });
  closed = await startWorker({ vars: { ALLOW_ANYONE: "False" }, bundle });
});
after(() => Promise.all([open, sites, closed].map((worker) => worker?.stop())));

/** The origin of a Worker. */
const origin = (worker) => new URL(worker.url).origin;

/** Runs the command, which must end with a status. `kinds` are its findings by check. */
async function doctor(status, url, { args = [], token = "", ...options } = {}) {
  const done = await ztp(["doctor", url, "--json", "--timeout", "2", ...args], { token, ...options });
  assert.equal(done.status, status, done.printed);
  const { checks } = done.json;
  const kinds = Object.fromEntries(checks.filter(({ kind }) => kind).map(({ check, kind }) => [check, kind]));
  return { ...done, checks, kinds, names: checks.map(({ check }) => check) };
}

/** A server on this machine: its URL. */
async function serve(t, listener, { tls } = {}) {
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return `${tls ? "https" : "http"}://127.0.0.1:${server.address().port}`;
}

/** A server that answers every request in the same way. */
const answer = (t, status, headers, body = "") =>
  serve(t, (request, response) => (request.resume(), request.on("end", () => response.writeHead(status, headers).end(body))));

/** A proxy in front of the Worker without tokens. `change(request, response)` answers in its place if it returns true; `alter` changes its response. */
const proxy = (t, change, { alter = (headers, body) => [headers, body], tls } = {}) =>
  serve(
    t,
    (request, response) => {
      if (change(request, response)) return;
      const { hostname, port } = new URL(open.url);
      const forwarded = http.request({ hostname, port, method: request.method, path: request.url, headers: request.headers });
      forwarded.on("error", () => response.destroy());
      forwarded.on("response", async (answer) => {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        const [headers, body] = alter({ ...answer.headers }, Buffer.concat(chunks));
        const kept = Object.entries(headers).filter(([, value]) => value !== undefined);
        response.writeHead(answer.statusCode, Object.fromEntries(kept)).end(body);
      });
      request.pipe(forwarded);
    },
    { tls },
  );

test("on this machine every check is fine, and nothing is stored", async () => {
  const done = await doctor(0, `${origin(open)}/bootstrap`);
  assert.deepEqual(done.names, [...CHECKS, "limits"]);
  assert.deepEqual(done.checks.filter(({ result }) => result !== "ok").map(({ check, result }) => [check, result]), [["limits", "skipped"]]);
  assert.deepEqual(await open.values(), []);
  assert.deepEqual((await open.r2.list()).objects, []);
  const admin = (path) => open.request("GET", `/admin/${path}`, { headers: { Authorization: `Bearer ${TOKEN}` } });
  assert.deepEqual((await admin("nodes?records=1")).json.nodes, []);
  assert.deepEqual((await admin("sites")).json.sites.filter(({ nodes }) => nodes > 0), []);
  assert.deepEqual((await admin("audit")).json.entries, []);
  const events = await admin("events");
  assert.deepEqual(events.status === 404 ? [] : events.json.events, []);
});

test("as text, each check is a line, and a finding has its reason and remedy", async () => {
  const fine = await ztp(["doctor", origin(open)], { token: "" });
  assert.match(fine.printed, /^ok {7}url {12}http:\/\/127\.0\.0\.1:\d+\/bootstrap has \d+ bytes: [^]*\nskipped {2}limits [^]*\n15 checks: 0 problems, 0 warnings\n$/);
  const found = await ztp(["doctor", origin(closed)], { token: "" });
  assert.equal(found.status, 1);
  assert.match(found.printed, /\nproblem {2}client +GET \/bootstrap as the client sends it: ztp-edge responds 503: .* \[no-tokens\]\n {11}why: .*\n {11}do: {2}run `npm run deploy`/);
  for (const url of ["127.0.0.1", "ftp://127.0.0.1", "https://user:pass@127.0.0.1"]) {
    const invalid = await ztp(["doctor", url], { token: "" });
    assert.equal(invalid.status, 2, invalid.printed);
    assert.match(invalid.printed, /write the URL of DHCP option 67/);
  }
});

test("a token of a site works, is never printed, and may come from standard input", async () => {
  const url = `${origin(sites)}/t/${SITE_TOKEN}/bootstrap`;
  for (const done of [await doctor(0, url), await doctor(0, "-", { input: `${url}\n` })]) {
    assert.deepEqual(done.kinds, {});
    assert.equal(done.json.url, `${origin(sites)}/t/…/bootstrap`);
    assert.doesNotMatch(done.printed, new RegExp(SITE_TOKEN));
  }
  assert.deepEqual(await sites.values(), []);
});

test("a wrong token, a missing one and a Worker without tokens have different findings", async () => {
  for (const [url, kind] of [
    [`${origin(sites)}/t/another-token-0123456/bootstrap`, "wrong-token"],
    [origin(sites), "missing-token"],
    [origin(closed), "no-tokens"],
  ]) {
    const done = await doctor(1, url);
    assert.deepEqual(done.kinds, { "first-request": kind, client: kind }, url);
    assert.equal(done.names.at(-1), "requests");
  }
});

test("the URL of one switch sends nothing", async () => {
  const done = await doctor(1, `${origin(sites)}/t/berlin.JPE1.0123456789abcdef/bootstrap`);
  assert.deepEqual([done.names, done.kinds], [["url", "requests"], { url: "node-url" }]);
});

test("with an admin token it asks for a stored file, and tells the limits of the plan", async (t) => {
  t.after(() => open.reset());
  await open.r2.put("files/small", "x".repeat(64));
  await open.r2.put("files/image", Buffer.alloc(6 << 20));
  await open.putAll(Object.fromEntries(Array.from({ length: 251 }, (_, node) => [`nodes/N${node}/startup-config`, "hostname x\n"])));
  // The entry of the local runtime compresses text/plain for those who accept it, also with no-transform; Cloudflare does not.
  const done = await doctor(1, new URL(await open.edge()).origin, { token: TOKEN });
  assert.deepEqual(done.names, [...CHECKS, "kv-writes", "first-hash"]);
  assert.deepEqual(done.kinds, { compression: "compresses", "kv-writes": "kv-writes", "first-hash": "first-hash" });
  const message = (name) => done.checks.find(({ check }) => check === name).message;
  assert.equal(message("range"), "GET /files/small with Range: a part, so downloads can resume");
  assert.match(message("kv-writes"), /writes 4 keys in KV, so 250 of them reach the free plan's 1,000 writes in a day; the known 251 nodes would write 1004$/);
  assert.match(message("first-hash"), /^1 object of more than 5\.00 MiB without a stored SHA-1, the largest is files\/image \(6\.00 MiB\)$/);
  // A token that is meant for another server is not sent.
  const other = await doctor(0, origin(open), { token: TOKEN, url: "https://other.example" });
  assert.equal(other.checks.at(-1).result, "skipped");
});

test("answers of others have different findings", async (t) => {
  const cloudflare = { Server: "cloudflare", "CF-RAY": "0-AMS" };
  const html = { "Content-Type": "text/html; charset=UTF-8" };
  const ours = { ...html, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'" };
  for (const [kind, ...response] of [
    ["browser-integrity-check", 403, { ...cloudflare, "Content-Type": "text/plain; charset=UTF-8" }, "error code: 1010"],
    ["challenge", 403, { ...cloudflare, ...html, "cf-mitigated": "challenge" }, "<title>Just a moment...</title>"],
    ["cloudflare-blocks", 403, { ...cloudflare, ...html }, "<h1>Error <span>1020</span></h1>"],
    ["cloudflare-rate-limit", 429, cloudflare, "error code: 1015"],
    ["daily-limit", 429, cloudflare, "error code: 1027"],
    ["cloudflare-access", 302, { Location: "https://team.cloudflareaccess.com/cdn-cgi/access/login/x" }],
    ["redirect-to-https", 301, { Location: "https://127.0.0.1/bootstrap" }],
    ["redirect", 302, { Location: "http://other.example/bootstrap" }],
    ["rate-limited", 429, ours, "rate limit exceeded; retry in a minute\n"],
    ["storage-failed", 503, ours, "reading bootstrap/bootstrap failed; retry in a few seconds\n"],
    ["other-server", 200, html, "It works!"],
  ]) {
    const done = await doctor(1, await answer(t, ...response));
    assert.deepEqual(done.kinds, { "first-request": kind, client: kind });
  }
});

test("only the request without User-Agent meets the Browser Integrity Check", async (t) => {
  const requests = [];
  const url = await proxy(t, (request, response) => {
    requests.push([request.method, request.httpVersion, request.headers["user-agent"], request.headers["accept-encoding"]]);
    if (!request.headers["user-agent"]) response.writeHead(403, { Server: "cloudflare" }).end("error code: 1010");
    return !request.headers["user-agent"];
  });
  assert.deepEqual((await doctor(1, url)).kinds, { "first-request": "browser-integrity-check" });
  assert.deepEqual(requests[0], ["GET", "1.1", undefined, undefined]);
  assert.deepEqual(requests[1], ["GET", "1.1", "ztp-edge", "identity"]);
});

test("a proxy that changes requests or responses is found", async (t) => {
  const refuse = (matches, status) => (request, response) => {
    if (!matches(request)) return false;
    request.resume();
    response.writeHead(status, { Server: "nginx", Connection: "close" }).end();
    return true;
  };
  const never = () => false;
  const compressed = (headers, body) => [{ ...headers, "content-encoding": "gzip", "content-length": undefined }, gzipSync(body)];
  for (const [kinds, change, alter] of [
    [{ head: "no-head" }, refuse(({ method }) => method === "HEAD", 405)],
    [{ backup: "body-refused" }, refuse(({ headers }) => headers["content-length"] > 1 << 20, 413)],
    [{ post: "other-server" }, refuse(({ method }) => method === "POST", 403)],
    [{ "first-request": "compressed", client: "compressed" }, never, compressed],
    [{ "server-url": "server-url" }, never, (headers, body) => [{ ...headers, "content-length": undefined }, body.toString().replace(/SERVER = "[^"]+"/, 'SERVER = "http://ztpserver:8080"')]],
  ]) {
    const url = await proxy(t, change, { alter });
    assert.deepEqual((await doctor(1, url)).kinds, kinds);
  }
});

test("a server that compresses files for those who accept it is a warning", async (t) => {
  const gzips = (request, response) => {
    if (request.headers["accept-encoding"] !== "gzip") return false;
    response.writeHead(200, { "Content-Type": "text/x-python", "Content-Encoding": "gzip" }).end(gzipSync("x"));
    return true;
  };
  assert.deepEqual((await doctor(1, await proxy(t, gzips))).kinds, { compression: "compresses" });
});

test("a closed port, a silent server, a port without TLS and a name without an address have different findings", async (t) => {
  const free = await new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
  assert.deepEqual((await doctor(1, `http://127.0.0.1:${free}`)).kinds, { connection: "connection-refused" });
  const sockets = [];
  const silent = net.createServer((socket) => sockets.push(socket));
  await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.after(() => (sockets.forEach((socket) => socket.destroy()), silent.close()));
  const { port } = silent.address();
  assert.deepEqual((await doctor(1, `http://127.0.0.1:${port}`)).kinds, { "first-request": "timeout" });
  assert.deepEqual((await doctor(1, `https://127.0.0.1:${port}`)).kinds, { tls: "timeout" });
  const plain = await answer(t, 200, {});
  assert.deepEqual((await doctor(1, plain.replace("http:", "https:"))).kinds, { tls: "no-tls" });
  assert.deepEqual((await doctor(1, "https://ztp-edge.invalid/bootstrap")).kinds, { dns: "no-dns" });
});

test("a server that sends a byte now and then, or without an end, stops the checks", async (t) => {
  const sockets = new Set();
  const tcp = async (listener) => {
    const server = net.createServer((socket) => (sockets.add(socket), socket.on("error", () => {}), listener(socket)));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => (sockets.forEach((socket) => socket.destroy()), server.close()));
    return `127.0.0.1:${server.address().port}`;
  };
  const drip = (socket, byte) => {
    const timer = setInterval(() => socket.write(byte), 200);
    socket.on("close", () => clearInterval(timer));
  };
  const started = "HTTP/1.1 200 OK\r\nContent-Type: text/x-python\r\nX-Content-Type-Options: nosniff\r\n";
  const slow = await tcp((socket) => socket.once("data", () => (socket.write(`${started}Content-Length: 9999\r\n\r\n`), drip(socket, "x"))));
  const tls = await tcp((socket) => socket.once("data", () => (socket.write(Buffer.from([22, 3, 3, 64, 0])), drip(socket, "x"))));
  const endless = await tcp((socket) => {
    const fill = () => {
      while (!socket.destroyed && socket.write("x".repeat(65536)));
    };
    socket.on("drain", fill);
    socket.once("data", () => (socket.write(`${started}\r\n`), fill()));
  });
  for (const [url, kinds, seconds] of [
    [`http://${slow}`, { "first-request": "timeout" }, 16],
    [`https://${tls}`, { tls: "timeout" }, 4],
    [`http://${endless}`, { "first-request": "unexpected", client: "unexpected" }, 16],
  ]) {
    const since = Date.now();
    const done = await ztp(["doctor", url, "--json", "--timeout", "1"], { token: "" });
    const found = Object.fromEntries(done.json.checks.filter(({ kind }) => kind).map(({ check, kind }) => [check, kind]));
    assert.deepEqual(found, kinds, url);
    assert.ok(Date.now() - since < seconds * 1000, `${url}: ${Date.now() - since} ms`);
  }
});

test("a token that a server repeats is not printed", async (t) => {
  const url = await serve(t, (request, response) => response.writeHead(404, { Server: "nginx" }).end(`${encodeURIComponent(request.url)} is missing: ${request.url.split("/")[2]}`));
  const done = await doctor(1, `${url}/t/${SITE_TOKEN}/bootstrap`);
  assert.equal(done.kinds.client, "other-server");
  assert.doesNotMatch(done.printed, new RegExp(SITE_TOKEN.slice(0, 8)));
});

test("a connection that ends within the backup, and an early 413, are found", async (t) => {
  const put = (answer) => (request, response) => request.method === "PUT" && (answer(request, response), true);
  const ends = put((request) => request.once("data", () => request.socket.resetAndDestroy()));
  assert.deepEqual((await doctor(1, await proxy(t, ends))).kinds, { backup: "body-refused" });
  const early = put((request, response) => (response.writeHead(413, { Connection: "close" }).end(), request.socket.destroySoon()));
  assert.deepEqual((await doctor(1, await proxy(t, early))).kinds, { backup: "body-refused" });
});

test("wrong certificates have different findings, and --ca trusts an authority", async (t) => {
  const folder = scratch(t);
  const file = (name) => join(folder, name);
  const openssl = (...args) => {
    const done = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=A test authority", "-days", "2");
  /** A certificate for a name or address, of the test authority. */
  const certificate = (name, subject, days = "1") => {
    write(folder, `${name}.ext`, `subjectAltName = ${subject}\nextendedKeyUsage = serverAuth\n`);
    openssl("req", "-new", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    openssl("x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile", `${name}.ext`, "-out", `${name}.pem`);
    return { key: readFileSync(file(`${name}.key`)), cert: readFileSync(file(`${name}.pem`)) };
  };
  const https = (tls) => proxy(t, () => false, { tls });
  const right = certificate("right", "IP:127.0.0.1");
  const trusted = { args: ["--ca", file("ca.pem")] };
  assert.deepEqual((await doctor(1, await https(right))).kinds, { tls: "certificate-issuer" });
  const itself = { key: readFileSync(file("ca.key")), cert: readFileSync(file("ca.pem")) };
  assert.deepEqual((await doctor(1, await https(itself))).kinds, { tls: "certificate-issuer" });
  assert.deepEqual((await doctor(1, await https(certificate("other", "DNS:other.example")), trusted)).kinds, { tls: "certificate-name" });
  assert.deepEqual((await doctor(1, await https(certificate("old", "IP:127.0.0.1", "-1")), trusted)).kinds, { tls: "certificate-expired" });
  // The Worker sees the request of the proxy, which is plain http.
  assert.deepEqual((await doctor(1, await https(right), trusted)).kinds, { "server-url": "server-url" });
  assert.deepEqual((await doctor(1, await https({ ...right, minVersion: "TLSv1.3" }), trusted)).kinds, { tls: "tls-1.3-only", "server-url": "server-url" });
  const empty = await ztp(["doctor", "https://127.0.0.1", "--ca", file("right.key")], { token: "" });
  assert.equal(empty.status, 2);
  assert.match(empty.printed, /has no certificate of an authority/);
});

test("a ZTPServer is recognised", async (t) => {
  const reference = await startReference(pythonWithZtpserver(), {});
  t.after(() => reference.stop());
  await reference.lay({ "bootstrap/bootstrap": "#!/usr/bin/env python\nSERVER = '$SERVER'\n" });
  const done = await doctor(1, reference.url);
  assert.deepEqual(done.kinds, { "first-request": "ztpserver", client: "ztpserver" });
});
