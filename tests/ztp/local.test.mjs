// `ztp push` and `ztp pull` on local storage, and the Worker that reads it: the sample, and the
// data_root that PyPI's ztpserver 2.1.0 is packaged with.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { getPlatformProxy } from "wrangler";
import { environment, freePort } from "../../scripts/run.mjs";
import { build, contents, npmBin, project, scratch, write, ztp } from "./run.mjs";

before(build);

test("the sample is pushed to local storage, served by the Worker, and pulled", async (t) => {
  await roundTrip(t, join(project, "assets", "sample"), "definitions/leaf");
});

test("ztpserver's own data_root is pushed, served and pulled", async (t) => {
  const target = join(scratch(t), "ztpserver");
  const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", target, "ztpserver==2.1.0"];
  const done = spawnSync("python3", pip, { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  await roundTrip(t, join(target, "usr", "share", "ztpserver"), "actions/add_config");
});

test("a push keeps a configuration that a switch has backed up, and a pull fetches it", async (t) => {
  const folder = join(scratch(t), "root");
  const state = scratch(t);
  write(folder, "nodes/JPE1/startup-config", "hostname one\n");
  await push(folder, state);
  const worker = await startWorker(state);
  const put = await fetch(`${worker.url}/nodes/JPE1/startup-config`, { method: "PUT", body: "hostname backup\n" });
  assert.equal(put.status, 201);
  // The object of the node copies it to KV after the response, where a push sees it.
  await worker.logged(/"object":"node".*"kv_writes":1/);
  await worker.stop();
  write(folder, "nodes/JPE1/startup-config", "hostname two\n");
  assert.match((await push(folder, state)).printed, /left alone +nodes\/JPE1\/startup-config/);
  const copy = join(scratch(t), "copy");
  const pulled = await ztp(["pull", copy, "--nodes", "--persist-to", state, "--project", project]);
  assert.equal(pulled.status, 0, pulled.printed);
  assert.deepEqual(contents(copy), { "nodes/JPE1/startup-config": Buffer.from("hostname backup\n") });
});

test("--prune deletes by store and key, and only content that a push has stored, from local storage", async (t) => {
  const folder = join(scratch(t), "root");
  const state = scratch(t);
  write(folder, "definitions/spine", "actions: []\n");
  write(folder, "nodes/JPE1/definition", "actions: []\n");
  write(folder, "files/x", "pushed\n");
  write(folder, "files/y", "stays\n");
  await push(folder, state);
  await bindings(state, async ({ ZTP_DATA: data, ZTP_FILES: files }) => {
    await files.put("nodes/JPE9/startup-config", "a copy");
    await data.put("nodes/JPE9/startup-config", "the only backup");
    await files.put("definitions/spine", "a copy");
    await data.put("files/y", "a value");
    await files.put("files/EOS.swi", "uploaded in the dashboard");
    await files.put("files/copy", "pushed\n", { customMetadata: (await files.head("files/x")).customMetadata });
    await data.put("definitions/by-hand", "actions: []\n");
    await data.put("nodes/JPE1/definition", "actions: []\n# edited\n");
  });
  for (const key of ["definitions/spine", "nodes/JPE1/definition", "files/x"]) rmSync(join(folder, key));
  const done = await push(folder, state, "--prune");
  assert.match(done.printed, /delete +definitions\/spine\n/, done.printed);
  assert.match(done.printed, /delete +files\/x\n/);
  assert.match(done.printed, /2 to delete, 8 left alone, 1 unchanged/, done.printed);
  await bindings(state, async ({ ZTP_DATA: data, ZTP_FILES: files }) => {
    const values = (await data.list()).keys.map(({ name }) => name);
    const objects = (await files.list()).objects.map(({ key }) => key);
    assert.deepEqual(values, ["definitions/by-hand", "files/y", "nodes/JPE1/definition", "nodes/JPE9/startup-config"]);
    assert.deepEqual(objects, ["definitions/spine", "files/EOS.swi", "files/copy", "files/y", "nodes/JPE9/startup-config"]);
    assert.equal(await data.get("nodes/JPE9/startup-config"), "the only backup");
  });
});

/** Calls `use` with the Worker's bindings to the storage in a state folder. */
async function bindings(state, use) {
  const options = { configPath: join(project, "wrangler.toml"), persist: { path: join(state, "v3") }, remoteBindings: false };
  const proxy = await getPlatformProxy(options);
  try {
    await use(proxy.env);
  } finally {
    await proxy.dispose();
  }
}

/** Validates, pushes, reads every key through the Worker, changes a file, pushes that one, pulls all. */
async function roundTrip(t, source, changed) {
  const folder = join(scratch(t), "root");
  cpSync(source, folder, { recursive: true });
  const state = scratch(t);
  const validated = await ztp(["validate", folder]);
  assert.equal(validated.status, 0, validated.printed);
  const files = Object.fromEntries(Object.entries(contents(folder)).filter(([key]) => !key.startsWith("plugins/")));

  const first = await push(folder, state);
  assert.match(first.printed, new RegExp(`stored ${Object.keys(files).length}, deleted 0`), first.printed);
  const worker = await startWorker(state);
  for (const [key, bytes] of Object.entries(files)) await readable(worker.url, key, bytes);
  await worker.stop();

  appendFileSync(join(folder, changed), "\n# changed\n");
  const second = await push(folder, state);
  assert.match(second.printed, new RegExp(`change +${changed} `), second.printed);
  assert.match(second.printed, /stored 1, deleted 0/);

  const copy = join(scratch(t), "copy");
  const pulled = await ztp(["pull", copy, "--persist-to", state, "--project", project]);
  assert.equal(pulled.status, 0, pulled.printed);
  // Plugins are not stored, and the records that the Worker wrote for the switch are not in the folder.
  const content = (folder) =>
    Object.fromEntries(Object.entries(contents(folder)).filter(([key]) => !/^(plugins|nodes\/JPE7)\//.test(key)));
  assert.deepEqual(content(copy), content(folder));
}

/** Starts the built Worker on a state folder. `stop` waits until it has ended, and so until its writes are complete. */
async function startWorker(state) {
  const port = await freePort();
  const args = ["dev", "--port", String(port), "--persist-to", state, "--var", "ALLOW_ANYONE:True", "--inspector-port", "0", "--show-interactive-dev-session=false"];
  const env = environment({ CLOUDFLARE_CF_FETCH_ENABLED: "false", CI: "1" });
  const child = spawn(npmBin("wrangler"), args, { cwd: project, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (log += data));
  const ended = new Promise((resolve) => child.on("close", resolve));
  const url = `http://127.0.0.1:${port}`;
  for (let waited = 0; ; waited += 200) {
    const response = await fetch(`${url}/bootstrap`).catch(() => undefined);
    if (response?.ok) break;
    if (waited > 60_000 || child.exitCode !== null) throw new Error(`wrangler dev does not respond: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const logged = async (pattern) => {
    for (let waited = 0; !pattern.test(log); waited += 50) {
      if (waited > 30_000) throw new Error(`${pattern} was not logged: ${log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const stop = () => {
    // The group: wrangler is started by a shell script and starts workerd.
    process.kill(-child.pid, "SIGTERM");
    return ended;
  };
  return { url, logged, stop };
}

async function push(folder, state, ...args) {
  const done = await ztp(["push", folder, "--persist-to", state, "--project", project, ...args]);
  assert.equal(done.status, 0, done.printed);
  return done;
}

/** Asserts that the Worker serves the content of a key, if a route serves it. */
async function readable(url, key, bytes) {
  const path = key.split("/").map(encodeURIComponent).join("/");
  const get = async (what, options) => {
    const response = await fetch(`${url}/${what}`, options);
    return { status: response.status, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  if (/^(files|actions)\//.test(key) || /^nodes\/[^/]+\/startup-config$/.test(key)) {
    const response = await get(path);
    assert.equal(response.status, 200, key);
    assert.ok(response.bytes.equals(bytes), key);
    const meta = JSON.parse((await get(`meta/${path}`)).bytes);
    assert.equal(meta.size, bytes.length, key);
    assert.equal(meta.sha1, createHash("sha1").update(bytes).digest("hex"), key);
  } else if (key === "bootstrap/bootstrap") {
    const response = await get("bootstrap");
    assert.equal(response.status, 200);
    assert.equal(response.bytes.toString(), bytes.toString().replaceAll("$SERVER", url));
  } else if (key === "bootstrap/bootstrap.conf") {
    assert.deepEqual(JSON.parse((await get("bootstrap/config")).bytes), { logging: [], xmpp: {} });
  } else if (key === "neighbordb" && bytes.includes("name: leaf")) {
    // The sample's patterns and definition: by the boot of a switch that matches.
    const neighbors = Object.fromEntries([1, 2].map((n) => [`Ethernet${n}`, [{ device: `spine${n}`, port: "Ethernet1" }]]));
    const facts = { serialnumber: "JPE7", model: "DCS", version: "4.28.0F", systemmac: "00:1c:73:01:02:03", neighbors };
    const body = JSON.stringify(facts);
    const posted = await get("nodes", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    assert.equal(posted.status, 201, posted.bytes.toString());
    assert.equal(JSON.parse((await get("nodes/JPE7")).bytes).name, "leaf");
  } else {
    assert.ok(key === "neighbordb" || key === "definitions/leaf", `${key} is not checked`);
  }
}
