// `ztp push --remote` and `ztp pull --remote` against a test server for Cloudflare's APIs on loopback.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, copyFileSync, ftruncateSync, lstatSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { SECRET, TOKEN, startCloudflare } from "./cloudflare.mjs";
import { build, contents, project as repository, scratch, write, ztp } from "./run.mjs";

const MIB = 1 << 20;
const PART = 32 * MIB;

before(build);

/** A data_root, a test server, and `ztp` for both. */
async function start(test, { s3 = false } = {}) {
  const cloudflare = await startCloudflare();
  test.after(cloudflare.stop);
  const folder = join(scratch(test), "root");
  // A project per test, because the list of unfinished uploads is there.
  const project = scratch(test);
  copyFileSync(join(repository, "wrangler.toml"), join(project, "wrangler.toml"));
  symlinkSync(join(repository, "node_modules"), join(project, "node_modules"));
  write(folder, "neighbordb", "patterns:\n- {name: all, definition: leaf, interfaces: []}\n");
  write(folder, "definitions/leaf", "actions:\n- action: add_config\n  attributes: {url: files/base config}\n");
  write(folder, "definitions/spine", "actions: []\n");
  write(folder, "files/base config", "hostname ü\n");
  write(folder, "files/a+b/ü#?.cfg", "x\n");
  write(folder, "actions/own", "def main(attributes):\n    pass\n");
  write(folder, "nodes/JPE1/startup-config", "hostname one\n");
  write(folder, "nodes/JPE2/startup-config", Buffer.from("hostname \xe9\n", "latin1"));
  const env = { ...cloudflare.env, ...(s3 ? cloudflare.s3 : {}) };
  const run = async (command, ...args) => {
    const options = typeof args.at(-1) === "object" ? args.pop() : {};
    const done = await ztp([command, folder, "--remote", "--project", project, ...args], { env, ...options });
    assert.ok(!done.printed.includes(TOKEN) && !done.printed.includes(SECRET), "a secret was printed");
    return done;
  };
  return { cloudflare, folder, project, run, env };
}

function stored({ values, objects }) {
  const all = [...[...values].map(([key, { value }]) => [key, value]), ...[...objects].map(([key, { content }]) => [key, content])];
  return Object.fromEntries(all.sort());
}

for (const s3 of [false, true]) {
  const through = s3 ? "through S3" : "through the REST API";

  test(`a push ${through} stores every file, and a second push stores none`, async (t) => {
    const { cloudflare, folder, project, run, env } = await start(t, { s3 });
    const first = await run("push");
    assert.equal(first.status, 0, first.printed);
    assert.match(first.printed, /stored 8, deleted 0/);
    assert.deepEqual(stored(cloudflare), contents(folder));

    const second = await run("push");
    assert.match(second.printed, /8 unchanged\nstored 0/, second.printed);

    write(folder, "files/base config", "hostname ö\n");
    const third = await run("push");
    assert.match(third.printed, /change +files\/base config/, third.printed);
    assert.match(third.printed, /stored 1, deleted 0/);
    assert.deepEqual(stored(cloudflare), contents(folder));

    const copy = join(scratch(t), "copy");
    const pulled = await ztp(["pull", copy, "--remote", "--project", project], { env });
    assert.equal(pulled.status, 0, pulled.printed);
    assert.deepEqual(contents(copy), contents(folder));
  });
}

test("objects pushed through S3 have their SHA-1 as metadata", async (t) => {
  const { cloudflare, folder, run } = await start(t, { s3: true });
  await run("push");
  const bytes = readFileSync(join(folder, "actions/own"));
  const sha1 = createHash("sha1").update(bytes).digest("hex");
  assert.deepEqual(cloudflare.objects.get("actions/own").metadata, { sha1, "sha1-size": String(bytes.length), "pushed-as": mark("actions/own") });
});

test("a push deletes only with --prune, and of nodes only records that a push has stored", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  await run("push");
  cloudflare.values.set("nodes/JPE3/definition", { value: Buffer.from("actions: []\n") });
  cloudflare.values.set("nodes/JPE1/.node", { value: Buffer.from("{}") });
  rmSync(join(folder, "nodes/JPE2/startup-config"));
  rmSync(join(folder, "definitions/spine"));
  rmSync(join(folder, "files/a+b"), { recursive: true });
  assert.match((await run("push")).printed, /stored 0, deleted 0/);

  const dry = await run("push", "--prune", "--dry-run");
  assert.match(dry.printed, /3 to delete, 2 left alone/, dry.printed);
  assert.ok(cloudflare.values.has("definitions/spine"));

  const pruned = await run("push", "--prune");
  assert.match(pruned.printed, /deleted 3/, pruned.printed);
  assert.ok(!cloudflare.values.has("definitions/spine") && !cloudflare.values.has("nodes/JPE2/startup-config"));
  assert.ok(!cloudflare.objects.has("files/a+b/ü#?.cfg"));
  assert.ok(cloudflare.values.has("nodes/JPE3/definition") && cloudflare.values.has("nodes/JPE1/.node"));
});

for (const s3 of [false, true]) {
  const through = s3 ? "through S3" : "through the REST API";

  test(`--prune deletes by store and key, and only content that a push has stored, ${through}`, async (t) => {
    const { cloudflare, folder, run } = await start(t, { s3 });
    await run("push");
    const { objects, values } = cloudflare;
    const object = (text, metadata = {}) => ({ content: Buffer.from(text), size: text.length, etag: createHash("md5").update(text).digest("hex"), metadata });
    const value = (text, metadata) => ({ value: Buffer.from(text), metadata });
    const sha1 = (text) => createHash("sha1").update(text).digest("hex");
    // The same key in both stores, and in the wrong store only.
    objects.set("nodes/JPE9/startup-config", object("a copy", { "pushed-as": mark("nodes/JPE9/startup-config") }));
    values.set("nodes/JPE9/startup-config", value("the only backup\n"));
    objects.set("definitions/leaf", object("a copy", { "pushed-as": mark("definitions/leaf") }));
    values.set("files/base config", value("a value", { sha1: sha1("a value") }));
    values.set("actions/other", value("a value", { sha1: sha1("a value") }));
    // Stored by another program, or changed since the push.
    objects.set("files/EOS.swi", object("uploaded in the dashboard"));
    objects.set("files/ours", object("with another's metadata", { sha1: sha1("with another's metadata"), "sha1-size": "23" }));
    objects.set("files/copy", { ...objects.get("files/a+b/ü#?.cfg") });
    objects.set("history/JPE1/1-x", object("a former configuration"));
    values.set("definitions/by-hand", value("actions: []\n"));
    values.set("definitions/changed", value("actions: []\n", { sha1: sha1("the pushed value") }));
    values.set("resources/mgmt", value("192.0.2.1: null\n"));
    values.set("digests/files/x", value("{}"));
    // Stored by a push.
    const gone = ["definitions/spine", "nodes/JPE2/startup-config", "files/a+b/ü#?.cfg"];
    for (const key of gone) rmSync(join(folder, key));
    const wanted = Object.keys(stored(cloudflare)).filter((key) => !gone.includes(key));

    const done = await run("push", "--prune");
    assert.equal(done.status, 0, done.printed);
    assert.match(done.printed, /3 to delete, 13 left alone/, done.printed);
    assert.match(done.printed, /stored 0, deleted 3/, done.printed);
    assert.deepEqual(Object.keys(stored(cloudflare)), wanted);
    assert.ok(objects.has("nodes/JPE9/startup-config") && values.has("nodes/JPE9/startup-config"));
    assert.ok(objects.has("definitions/leaf") && values.has("definitions/leaf"));
    assert.ok(objects.has("files/base config") && values.has("files/base config"));
  });
}

test("--prune keeps a value that changes during the push", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  await run("push");
  rmSync(join(folder, "nodes/JPE1/startup-config"));
  write(folder, "definitions/new", "actions: []\n");
  const unhook = cloudflare.state.values.set;
  cloudflare.state.values.set = function (key, stored) {
    // The switch stores its configuration after the push has made its plan.
    if (key === "definitions/new") unhook.call(this, "nodes/JPE1/startup-config", { value: Buffer.from("hostname backup\n") });
    return unhook.call(this, key, stored);
  };
  const done = await run("push", "--prune");
  assert.match(done.printed, /left alone +nodes\/JPE1\/startup-config: it was changed/, done.printed);
  assert.match(done.printed, /stored 1, deleted 0/, done.printed);
  assert.equal(String(cloudflare.values.get("nodes/JPE1/startup-config").value), "hostname backup\n");
});

test("a push keeps a startup-config that the switch has stored since the last push", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  await run("push");
  // As the Worker writes it: without metadata.
  cloudflare.values.set("nodes/JPE1/startup-config", { value: Buffer.from("hostname backup\n") });
  write(folder, "nodes/JPE1/startup-config", "hostname changed\n");
  write(folder, "nodes/JPE2/startup-config", "hostname changed\n");
  const kept = await run("push");
  assert.match(kept.printed, /left alone +nodes\/JPE1\/startup-config: the switch/, kept.printed);
  assert.match(kept.printed, /stored 1/);
  assert.equal(String(cloudflare.values.get("nodes/JPE1/startup-config").value), "hostname backup\n");

  const refused = await run("pull", "--nodes");
  assert.equal(refused.status, 1);
  assert.equal(readFileSync(join(folder, "nodes/JPE1/startup-config"), "utf8"), "hostname changed\n");
  const pulled = await run("pull", "--nodes", "--overwrite");
  assert.equal(pulled.status, 0, pulled.printed);
  assert.equal(readFileSync(join(folder, "nodes/JPE1/startup-config"), "utf8"), "hostname backup\n");

  write(folder, "nodes/JPE1/startup-config", "hostname changed\n");
  assert.match((await run("push", "--overwrite-startup-configs")).printed, /stored 1/);
  assert.equal(String(cloudflare.values.get("nodes/JPE1/startup-config").value), "hostname changed\n");
});

test("a push stores facts only with --with-facts", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  write(folder, "nodes/JPE1/.node", '{"serialnumber": "JPE1", "neighbors": {}}');
  assert.match((await run("push")).printed, /left alone +nodes\/JPE1\/\.node/);
  assert.ok(!cloudflare.values.has("nodes/JPE1/.node"));
  await run("push", "--with-facts");
  assert.ok(cloudflare.values.has("nodes/JPE1/.node"));
});

test("a push with errors stores nothing", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  write(folder, "definitions/leaf", "actions:\n- action: nothing\n");
  const done = await run("push");
  assert.equal(done.status, 1);
  assert.match(done.printed, /error\[missing-action\]/);
  assert.equal(cloudflare.requests.length, 0);
});

test("transient errors are retried, and permanent ones are reported", async (t) => {
  const { cloudflare, run } = await start(t);
  cloudflare.failures.push({ match: /PUT .*bulk/, status: 503 }, { match: /PUT .*objects/, status: 429 });
  const done = await run("push");
  assert.match(done.printed, /stored 8/, done.printed);

  const wrong = await run("push", { env: { ...cloudflare.env, CLOUDFLARE_API_TOKEN: "another" } });
  assert.equal(wrong.status, 2);
  assert.match(wrong.printed, /credential is not accepted.*wrangler login/s);
  const home = scratch(t);
  const nobody = await run("push", { env: { ...cloudflare.env, CLOUDFLARE_API_TOKEN: "", HOME: home, XDG_CONFIG_HOME: home } });
  assert.equal(nobody.status, 2);
  assert.match(nobody.printed, /no token of yours; log in with `npx wrangler login`/, nobody.printed);
  const signed = await run("push", { env: { ...cloudflare.env, ...cloudflare.s3, AWS_SECRET_ACCESS_KEY: "another" } });
  assert.equal(signed.status, 2);
  assert.match(signed.printed, /the signature is wrong\); correct AWS_ACCESS_KEY_ID/, signed.printed);
});

test("5,000 objects are pushed within the limit of Cloudflare's API", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  for (let index = 0; index < 5000; index += 1) write(folder, `files/many/${index}`, `${index}\n`);
  const scale = 0.001;
  const limit = { requests: 1200, seconds: 300, scale };
  cloudflare.state.limit = limit;
  const done = await run("push", { env: { ...cloudflare.env, ZTP_WAIT_SCALE: String(scale) } });
  assert.equal(done.status, 0, done.printed.slice(-2000));
  assert.match(done.printed, /stored 5008, deleted 0/);
  assert.match(done.printed, /waiting 300 seconds: the server responded 429/);
  assert.ok(limit.blocks >= 4, `${limit.blocks} blocks`);
  assert.equal(limit.early ?? 0, 0, "requests were sent while the rate limit was exceeded");
  assert.equal(cloudflare.objects.size, 5003);
});

test("every request respects Retry-After, also of S3, and a delay over the limit is an error", async (t) => {
  const { cloudflare, folder, run, env } = await start(t, { s3: true });
  const headers = { "Retry-After": "200" };
  const rateLimited = (match) => ({ match, status: 429, headers });
  const waits = { env: { ...env, ZTP_WAIT_SCALE: "0.0001" } };
  cloudflare.failures.push(
    ...[/GET .*settings/, /GET .*keys/, /GET .*s3/, /PUT .*s3/, /PUT .*bulk/].map(rateLimited),
    { match: /GET .*keys/, status: 503, headers },
  );
  const pushed = await run("push", waits);
  assert.equal(pushed.status, 0, pushed.printed);
  assert.equal(pushed.printed.match(/waiting 200 seconds/g)?.length, 6, pushed.printed);

  cloudflare.failures.push(...[/POST .*bulk\/get/, /GET .*values/, /GET .*s3.*base/].map(rateLimited));
  rmSync(folder, { recursive: true });
  const pulled = await run("pull", waits);
  assert.equal(pulled.status, 0, pulled.printed);
  assert.equal(pulled.printed.match(/waiting 200 seconds/g)?.length, 3, pulled.printed);

  cloudflare.failures.push({ match: /GET .*keys/, status: 429, headers: { "Retry-After": "86400" } });
  const refused = await run("push", waits);
  assert.equal(refused.status, 2);
  assert.match(refused.printed, /run the command again in 86400 seconds to resume/);
});

test("values that KV rejects are stored by a retry", async (t) => {
  const { cloudflare, folder, run, env } = await start(t);
  cloudflare.state.refusedValues.add("neighbordb").add("nodes/JPE1/startup-config");
  const done = await run("push", { env: { ...env, ZTP_WAIT_SCALE: "0.001" } });
  assert.equal(done.status, 0, done.printed);
  assert.deepEqual(stored(cloudflare), contents(folder));
});

test("an operation whose response was lost is not a failure", async (t) => {
  const { cloudflare, folder, run, env } = await start(t, { s3: true });
  const content = randomBytes(100 * MIB);
  writeFileSync(join(folder, "files/EOS.swi"), content);
  const waits = { env: { ...env, ZTP_WAIT_SCALE: "0.001" } };
  cloudflare.state.lostResponses.push(/^POST .*EOS\.swi\?.*uploadId/);
  const pushed = await run("push", waits);
  assert.equal(pushed.status, 0, pushed.printed);
  assert.match(pushed.printed, /stored 9/);
  assert.ok(cloudflare.objects.get("files/EOS.swi").content.equals(content));
  assert.equal(cloudflare.state.lostResponses.length, 0);
  assert.equal(cloudflare.uploads.size, 0);

  rmSync(join(folder, "files/EOS.swi"));
  cloudflare.state.lostResponses.push(/^DELETE .*EOS\.swi/);
  const pruned = await run("push", "--prune", waits);
  assert.equal(pruned.status, 0, pruned.printed);
  assert.ok(!cloudflare.objects.has("files/EOS.swi"));
});

test("an upload that no longer exists and left no object is an error, and the next push starts it again", async (t) => {
  const { cloudflare, folder, run, env } = await start(t, { s3: true });
  writeFileSync(join(folder, "files/EOS.swi"), randomBytes(100 * MIB));
  cloudflare.state.onPart = (parts) => parts === 4 && cloudflare.uploads.clear();
  const waits = { env: { ...env, ZTP_WAIT_SCALE: "0.001" } };
  const failed = await run("push", waits);
  assert.equal(failed.status, 2);
  assert.match(failed.printed, /R2 no longer has its parts; push again/);
  assert.ok(!cloudflare.objects.has("files/EOS.swi"));
  cloudflare.state.onPart = () => {};
  const again = await run("push", waits);
  assert.equal(again.status, 0, again.printed);
  assert.ok(cloudflare.objects.has("files/EOS.swi"));
});

test("a pull reports a key that cannot be a file, and leaves it alone", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  const value = (text) => ({ value: Buffer.from(text) });
  const long = "n".repeat(256);
  cloudflare.values.set("neighbordb", value("patterns: []\n"));
  cloudflare.values.set("nodes/JPE1/startup-config", value("hostname one\n"));
  cloudflare.values.set("definitions/leaf", value("leaf\n"));
  cloudflare.values.set("definitions/leaf/7050", value("7050\n"));
  cloudflare.values.set("definitions/leaf-2", value("leaf-2\n"));
  cloudflare.values.set(`definitions/${long}`, value("long\n"));
  cloudflare.values.set(`definitions/${long.slice(1)}`, value("longest\n"));
  cloudflare.values.set("resources/a/b/c", value("c\n"));
  cloudflare.values.set("files/x", value("not content\n"));
  cloudflare.objects.set("nodes/JPE1/startup-config", { content: Buffer.from("a copy"), size: 6, etag: "x", metadata: {} });
  rmSync(folder, { recursive: true });
  write(folder, "resources/a", "a\n");
  symlinkSync("nowhere", join(folder, "neighbordb"));
  symlinkSync("nowhere", join(folder, "nodes"));
  for (const args of [["--dry-run"], [], ["--overwrite"]]) {
    const pulled = await run("pull", ...args);
    assert.equal(pulled.status, 1, pulled.printed);
    for (const line of [
      /left alone +definitions\/leaf\/7050: definitions\/leaf is a file/,
      /left alone +definitions\/n+: a part of it has 256 bytes/,
      /left alone +resources\/a\/b\/c: resources\/a is a file/,
      /left alone +neighbordb: a symbolic link that leads nowhere/,
      /left alone +nodes\/JPE1\/startup-config: nodes is a file/,
      /left alone +files\/x: the Worker does not read it/,
      /left alone +nodes\/JPE1\/startup-config: the Worker does not read it/,
      / 7 left alone/,
    ]) {
      assert.match(pulled.printed, line);
    }
  }
  assert.deepEqual(Object.fromEntries(Object.entries(contents(folder)).map(([key, bytes]) => [key, String(bytes)])), {
    "definitions/leaf": "leaf\n",
    "definitions/leaf-2": "leaf-2\n",
    [`definitions/${long.slice(1)}`]: "longest\n",
    "resources/a": "a\n",
  });
});

test("a pull never reads from or writes to a pipe in DIR", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  await run("push");
  rmSync(folder, { recursive: true });
  write(folder, "files/x", "");
  const pipes = ["neighbordb", "files/base config", "files/a.ztp-new"];
  for (const pipe of pipes) spawnSync("mkfifo", [join(folder, pipe)]);
  cloudflare.objects.set("files/a", { content: Buffer.from(""), size: 0, etag: "d41d8cd98f00b204e9800998ecf8427e", metadata: {} });
  for (const args of [[], ["--overwrite"]]) {
    const timer = { watch: (child) => setTimeout(() => child.kill("SIGKILL"), 30_000).unref() };
    const pulled = await run("pull", ...args, timer);
    assert.equal(pulled.signal, null, "it waits");
    assert.equal(pulled.status, 1, pulled.printed);
    assert.match(pulled.printed, /left alone +neighbordb: this is neither a file nor a folder/);
    assert.match(pulled.printed, /left alone +files\/base config: this is neither/);
  }
  for (const pipe of pipes) assert.ok(lstatSync(join(folder, pipe)).isFIFO(), pipe);
});

test("keys and responses of a server are escaped for terminals and CIs", async (t) => {
  const { cloudflare, run, env } = await start(t);
  const hostile = "x\u001b[2J\u009b31m\u202e\r\n::error::forged\n  ##[error]forged ##vso[x]";
  await run("push");
  cloudflare.values.set(`definitions/${hostile}`, { value: Buffer.from("x"), metadata: { sha1: "x" } });
  cloudflare.objects.set(`files/${hostile}`, { content: Buffer.from("x"), size: 1, etag: "x", metadata: {} });
  const harmless = ({ printed }) => {
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(printed, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    assert.doesNotMatch(printed, /^\s*::/m);
    assert.doesNotMatch(printed, /##(\[|vso\[)/);
  };
  for (const [command, ...args] of [["push", "--prune"], ["push", "--prune", "--dry-run", "--verbose"], ["pull"], ["pull", "--verbose"]]) {
    const done = await run(command, ...args);
    harmless(done);
    assert.match(done.printed, /left alone +definitions\/x\\u\{1b\}\[2J/, done.printed);
  }
  const waits = { env: { ...env, ZTP_WAIT_SCALE: "0.001" } };
  for (const status of [400, 403, 429, 500]) {
    const headers = { "Retry-After": "20" };
    for (let tries = 0; tries < 70; tries += 1) cloudflare.failures.push({ match: /GET .*keys/, status, headers, body: hostile });
    const failed = await run("push", waits);
    assert.equal(failed.status, 2, failed.printed);
    harmless(failed);
    cloudflare.failures.length = 0;
  }
});

test("a file that is too large for the REST API is an error before anything is stored, and names the S3 credentials", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  sparse(join(folder, "files/EOS.swi"), 301 * MIB);
  const done = await run("push");
  assert.equal(done.status, 2);
  assert.match(done.printed, /files\/EOS.swi has 315621376 bytes.*AWS_ACCESS_KEY_ID/s);
  assert.equal(cloudflare.objects.size + cloudflare.values.size, 0);
});

test("1 GiB is uploaded in parts within 100 MB of memory, and an interrupted upload is resumed", async (t) => {
  const { cloudflare, folder, run } = await start(t, { s3: true });
  const size = 1024 * MIB;
  const path = join(folder, "files/EOS.swi");
  sparse(path, size);
  cloudflare.state.keep = false;
  cloudflare.state.onPart = (parts) => parts === 10 && interrupted.kill("SIGKILL");
  let interrupted;
  const first = await run("push", { env: { ...cloudflare.env, ...cloudflare.s3 }, watch: (child) => (interrupted = child) });
  assert.equal(first.signal, "SIGKILL");
  assert.equal(cloudflare.uploads.size, 1);

  cloudflare.state.onPart = () => {};
  const [upload] = cloudflare.uploads.values();
  const before = upload.parts.size;
  const sent = cloudflare.requests.length;
  let peak = 0;
  const watch = (child) => {
    const timer = setInterval(() => (peak = Math.max(peak, peakMemory(child.pid))), 20);
    child.on("close", () => clearInterval(timer));
  };
  const second = await run("push", { env: { ...cloudflare.env, ...cloudflare.s3 }, watch });
  assert.equal(second.status, 0, second.printed);
  const parts = cloudflare.requests.slice(sent).filter((request) => /^PUT .*EOS\.swi\?\d+$/.test(request));
  assert.equal(parts.length, size / PART - before, "stored parts were sent again");
  assert.ok(peak > 0 && peak < 100e6, `${peak} bytes`);
  t.diagnostic(`peak memory ${(peak / 1e6).toFixed(1)} MB; ${before} of ${size / PART} parts were stored`);

  const object = cloudflare.objects.get("files/EOS.swi");
  assert.equal(object.size, size);
  const file = hashes(path, size);
  assert.deepEqual(object.parts.map((part) => part.etag), file.parts);
  assert.deepEqual(object.metadata, { sha1: file.sha1, "sha1-size": String(size), "pushed-as": mark("files/EOS.swi") });

  const third = await run("push");
  assert.match(third.printed, /9 unchanged\nstored 0/, third.printed);
});

test("an unfinished upload of a former version of the file is aborted", async (t) => {
  const { cloudflare, folder, run } = await start(t, { s3: true });
  const path = join(folder, "files/EOS.swi");
  writeFileSync(path, randomBytes(100 * MIB));
  let interrupted;
  cloudflare.state.onPart = (parts) => parts === 2 && interrupted.kill("SIGKILL");
  const env = { ...cloudflare.env, ...cloudflare.s3 };
  await run("push", { env, watch: (child) => (interrupted = child) });
  cloudflare.state.onPart = () => {};
  const content = randomBytes(100 * MIB);
  writeFileSync(path, content);
  const done = await run("push");
  assert.equal(done.status, 0, done.printed);
  assert.equal(cloudflare.uploads.size, 0);
  assert.ok(cloudflare.objects.get("files/EOS.swi").content.equals(content));
});

/** The mark of a pushed object: see `mark` in crates/ztp/src/store.rs. */
function mark(key) {
  return createHash("sha1").update(key).digest("hex");
}

/** Writes a large file whose parts differ in a few bytes. */
function sparse(path, size) {
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  for (let at = 0; at < size; at += PART) writeSync(file, `part at ${at}`, at);
  closeSync(file);
}

function hashes(path, size) {
  const sha1 = createHash("sha1");
  const parts = [];
  const file = readFileSync(path);
  for (let at = 0; at < size; at += PART) {
    const part = file.subarray(at, at + PART);
    sha1.update(part);
    parts.push(createHash("md5").update(part).digest("hex"));
  }
  return { sha1: sha1.digest("hex"), parts };
}

/** The peak memory of a process, in bytes; 0 if it has ended. */
function peakMemory(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
