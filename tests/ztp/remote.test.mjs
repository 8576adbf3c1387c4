// `ztp push --remote` and `ztp pull --remote` against a stand-in for Cloudflare on loopback.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { SECRET, TOKEN, startCloudflare } from "./cloudflare.mjs";
import { build, contents, project as repository, scratch, write, ztp } from "./run.mjs";

const MIB = 1 << 20;
const PART = 32 * MIB;

before(build);

/** A data_root, the stand-in, and `ztp` for both. */
async function start(test, { s3 = false } = {}) {
  const cloudflare = await startCloudflare();
  test.after(cloudflare.stop);
  const folder = join(scratch(test), "root");
  // A project of its own: interrupted uploads are noted there.
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
  const way = s3 ? "through S3" : "through the REST API";

  test(`what is pushed ${way} is there, and pushed once`, async (t) => {
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

test("objects carry their SHA-1 where that can be given", async (t) => {
  const { cloudflare, folder, run } = await start(t, { s3: true });
  await run("push");
  const bytes = readFileSync(join(folder, "actions/own"));
  const sha1 = createHash("sha1").update(bytes).digest("hex");
  assert.deepEqual(cloudflare.objects.get("actions/own").metadata, { sha1, "sha1-size": String(bytes.length) });
});

test("nothing is deleted but with --prune, and of nodes only what a push has stored", async (t) => {
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

test("a startup-config that the switch has stored since stays", async (t) => {
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

test("facts are the node's own", async (t) => {
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

test("trouble that passes is waited for, and other trouble is told", async (t) => {
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
  assert.match(signed.printed, /the signature is another one\); correct AWS_ACCESS_KEY_ID/, signed.printed);
});

test("what is too large for wrangler needs S3 credentials, and is said before anything is stored", async (t) => {
  const { cloudflare, folder, run } = await start(t);
  sparse(join(folder, "files/EOS.swi"), 301 * MIB);
  const done = await run("push");
  assert.equal(done.status, 2);
  assert.match(done.printed, /files\/EOS.swi has 315621376 bytes.*AWS_ACCESS_KEY_ID/s);
  assert.equal(cloudflare.objects.size + cloudflare.values.size, 0);
});

test("1 GiB is uploaded in parts within 100 MB of memory, and goes on where it was interrupted", async (t) => {
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
  const asked = cloudflare.requests.length;
  let peak = 0;
  const watch = (child) => {
    const timer = setInterval(() => (peak = Math.max(peak, peakMemory(child.pid))), 20);
    child.on("close", () => clearInterval(timer));
  };
  const second = await run("push", { env: { ...cloudflare.env, ...cloudflare.s3 }, watch });
  assert.equal(second.status, 0, second.printed);
  const parts = cloudflare.requests.slice(asked).filter((request) => /^PUT .*EOS\.swi\?\d+$/.test(request));
  assert.equal(parts.length, size / PART - before, "parts that were there were sent again");
  assert.ok(peak > 0 && peak < 100e6, `${peak} bytes`);
  t.diagnostic(`peak memory ${(peak / 1e6).toFixed(1)} MB; ${before} of ${size / PART} parts were there`);

  const object = cloudflare.objects.get("files/EOS.swi");
  assert.equal(object.size, size);
  const file = hashes(path, size);
  assert.deepEqual(object.parts.map((part) => part.etag), file.parts);
  assert.deepEqual(object.metadata, { sha1: file.sha1, "sha1-size": String(size) });

  const third = await run("push");
  assert.match(third.printed, /9 unchanged\nstored 0/, third.printed);
});

test("an upload of what the file was before is given up", async (t) => {
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

/** A large file with a few bytes that differ from part to part. */
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

/** The most memory that a process has had, in bytes; 0 if it is gone. */
function peakMemory(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
