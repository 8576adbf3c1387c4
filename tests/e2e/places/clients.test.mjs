// ZTPServer's own client and ours boot where every request reaches another place than the one before: POST in one,
// GET in another, at once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startPlaces } from "./bench.mjs";
import { CONTENT, PROPAGATION, SECOND, SHOWN, eventually } from "./requests.mjs";
import { IS_FULL } from "./scale.mjs";

let bench;
const servers = [];
before(async () => {
  bench = await startPlaces({ places: 4, bindings: { ALLOW_ANYONE: "True" }, kv: { propagation: PROPAGATION } });
  await bench.kv.putAll({ ...CONTENT, "definitions/leaf": CONTENT["definitions/leaf"].replace("files/leaf", "files/leaf.template") });
  const bucket = await bench.r2();
  for (const name of ["leaf", "other"]) await bucket.put(`files/${name}.template`, `hostname ${name}\n`);
  await bench.advance(SHOWN);
});
after(async () => {
  for (const server of servers) server.close();
  await bench?.stop();
});

/** Starts a server; resolves to its URL. */
async function serve(answer) {
  const server = http.createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The places of the requests of nodes, in order: `POST place1`. */
const routed = [];

/** One URL for all places: each request goes to the next one. */
async function route(request, response) {
  const place = bench.places[routed.length % bench.places.length];
  routed.push(`${request.method} ${place.name}`);
  const { connection, "accept-encoding": _, ...headers } = request.headers;
  const forwarded = http.request({ hostname: place.url.hostname, port: place.url.port, agent: false, method: request.method, path: request.url, headers });
  forwarded.end(await bodyOf(request));
  const [answer] = await once(forwarded, "response");
  response.writeHead(answer.statusCode, answer.headers);
  answer.pipe(response);
}

/**
 * PUT and DELETE /kv/KEY show in every place when they are answered; POST /stored/KEY is answered when KV has the value
 * in the body; PUT /r2/KEY; POST /advance/MILLISECONDS.
 */
async function control(request, response) {
  const [, store, ...rest] = decodeURIComponent(request.url).split("/");
  const key = rest.join("/");
  const body = await bodyOf(request);
  if (store === "advance") await bench.advance(Number(key));
  else if (store === "stored") {
    // KV may have had this value before, and the object waits for a second between two writes.
    await sleep(2 * SECOND);
    assert.ok(await eventually(async () => (await bench.kv.get(key)) === body.toString()), `${key} is not copied`);
  }
  else if (store === "r2") await (await bench.r2()).put(key, body);
  else if (store === "kv") {
    await bench.kv.put(key, request.method === "DELETE" ? null : body.toString());
    await bench.advance(SHOWN);
  }
  response.writeHead(204).end();
}

async function run(...names) {
  const env = { ...process.env, ZTP_TEST_URL: await serve(route), ZTP_TEST_CONTROL: await serve(control) };
  const child = spawn("python3", [join(import.meta.dirname, "clients.py"), ...names], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [status] = await once(child, "close");
  assert.equal(status, 0, output);
  assert.doesNotMatch(output, /skipped/);
}

test("our client boots a new node", () => run("Ours.test_a_new_node"));
test("ZTPServer's client boots a new node", () => run("Theirs.test_a_new_node"));
test("both boot a known node, whatever was changed a moment ago", { skip: !IS_FULL && "part of npm run test:places" }, () => run());
