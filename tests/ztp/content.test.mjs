// `ztp push`, `ztp pull` and `ztp diff` with the real Worker and its storage on this machine.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, cpSync, lstatSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { facts, startWorker, waitFor } from "../e2e/harness.mjs";
import { startTeam } from "../e2e/operators.mjs";
import { TOKEN, build, contents, hashes, killed, proxy, scratch, sparse, write, ztp } from "./run.mjs";

let worker;
before(async () => {
  build();
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const sha1 = (bytes) => createHash("sha1").update(bytes).digest("hex");
const url = () => String(worker.url);

/** Runs a command, which must end with a status. */
async function run(status, args, options = {}) {
  const done = await ztp(args, { url: url(), ...options });
  assert.equal(done.status, status, done.printed);
  assert.ok(!done.printed.includes(TOKEN), "the token was printed");
  return done;
}

/** A folder with a small data_root. */
function dataRoot(test) {
  const folder = join(scratch(test), "root");
  write(folder, "neighbordb", "patterns:\n- {name: all, definition: leaf, interfaces: []}\n");
  write(folder, "definitions/leaf", "actions:\n- action: add_config\n  attributes: {url: files/base config}\n");
  write(folder, "definitions/spine", "actions: []\n");
  write(folder, "files/base config", "hostname ü\n");
  write(folder, "files/a+b/ü#?.cfg", "x\n");
  write(folder, "files/empty", "");
  write(folder, "actions/own", "def main(attributes):\n    pass\n");
  write(folder, "nodes/JPE1/startup-config", "hostname one\n");
  write(folder, "nodes/JPE2/startup-config", Buffer.from("hostname \xe9\n", "latin1"));
  return folder;
}

/** The requests of `ztp` that change something. */
const changes = (requests) => requests.filter((request) => !request.startsWith("GET "));

describe("a round trip", () => {
  /** Validates, pushes, reads every key through the Worker, changes a file, pushes that one, pulls all. */
  async function roundTrip(t, source, changed, options = []) {
    const folder = join(scratch(t), "root");
    cpSync(source, folder, { recursive: true });
    await run(0, ["validate", folder]);
    const files = Object.fromEntries(Object.entries(contents(folder)).filter(([key]) => !key.startsWith("plugins/")));
    const first = await run(0, ["push", folder, ...options]);
    assert.match(first.printed, new RegExp(`stored ${Object.keys(files).length} \\(.*, deleted 0`), first.printed);
    for (const [key, bytes] of Object.entries(files)) await readable(key, bytes);

    appendFileSync(join(folder, changed), "\n# changed\n");
    const second = await run(0, ["push", folder, ...options]);
    assert.match(second.printed, new RegExp(`change +${changed} `), second.printed);
    assert.match(second.printed, /stored 1 .*, deleted 0/);

    const copy = join(scratch(t), "copy");
    await run(0, ["pull", copy]);
    // Plugins are not stored, and the records that the Worker wrote for the switch are not in the folder.
    const content = (folder) => Object.fromEntries(Object.entries(contents(folder)).filter(([key]) => !/^(plugins|nodes\/JPE7)\//.test(key)));
    assert.deepEqual(content(copy), content(folder));
  }

  test("of the sample is equal", async (t) => {
    await roundTrip(t, join(root, "assets", "sample"), "definitions/leaf");
  });

  test("of ztpserver's own data_root is equal", async (t) => {
    const target = join(scratch(t), "ztpserver");
    const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target", target, "ztpserver==2.1.0"];
    const done = spawnSync("python3", pip, { encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
    const source = join(target, "usr", "share", "ztpserver");
    await roundTrip(t, source, "actions/add_config", ["--with-stock"]);

    // The client of a release is stored, and the server says that its own is better.
    const client = readFileSync(join(source, "bootstrap/bootstrap"));
    const put = await worker.request("PUT", "/admin/content/bootstrap/bootstrap", { body: client, headers: { Authorization: `Bearer ${TOKEN}` } });
    assert.deepEqual([put.status, JSON.parse(put.text).findings.map(({ kind, severity }) => [kind, severity])], [200, [["stock-client", "warning"]]]);

    // Without the option, only what is not part of a release is stored.
    await worker.reset();
    const plan = (await run(0, ["push", source, "--json"], { home: scratch(t) })).json;
    assert.deepEqual(plan.steps.map(({ key, step }) => [key, step]), [["bootstrap/bootstrap.conf", "add"], ["neighbordb", "add"]]);
    assert.match((await run(0, ["push", source, "--dry-run"], { home: scratch(t) })).printed, /these files of ZTPServer are unchanged[^]*actions\/add_config  of 2\.0\.0/);
  });

  test("of names and bytes of every kind is equal, and a second push sends nothing", async (t) => {
    const folder = dataRoot(t);
    const through = await proxy(t, url);
    const first = await run(0, ["push", folder], { url: through.url });
    assert.match(first.printed, /stored 9 \(.*, deleted 0/);
    assert.equal(changes(through.requests).length, 9);
    through.requests.length = 0;
    const second = await run(0, ["push", folder], { url: through.url });
    assert.match(second.printed, /9 unchanged\nstored 0 \(0 B\), deleted 0/);
    assert.deepEqual(changes(through.requests), []);
    const copy = join(scratch(t), "copy");
    await run(0, ["pull", copy]);
    assert.deepEqual(contents(copy), contents(folder));
  });

  test("a value of the dashboard, whose hash the list does not have, is read and compared", async (t) => {
    const folder = dataRoot(t);
    await worker.kv.put("definitions/spine", "actions: []\n");
    await worker.kv.put("definitions/leaf", "actions: []\n");
    await worker.r2.put("files/base config", "hostname ü\n");
    const done = await run(0, ["push", folder, "--only", "definitions", "--only", "files/base config"]);
    assert.match(done.printed, /0 to add, 1 to change, 0 to delete, 0 left alone, 0 in conflict, 2 unchanged\nstored 1 /);
  });
});

test("a push with errors stores nothing, and sends no request", async (t) => {
  const folder = dataRoot(t);
  write(folder, "definitions/leaf", "actions: nothing\n");
  const through = await proxy(t, url);
  const done = await run(1, ["push", folder], { url: through.url });
  assert.match(done.printed, /error\[bad-definition\][^]*nothing is stored: correct the errors first, which `ztp validate` lists/);
  assert.deepEqual(through.requests, []);
  // The error is not in the part that is pushed.
  await run(0, ["push", folder, "--only", "files"], { url: through.url });
});

test("a file that was put into the store by hand is not missing, and one that is in neither stops a push", async (t) => {
  const folder = dataRoot(t);
  write(folder, "definitions/leaf", "actions:\n- action: install_image\n  attributes: {url: files/images/EOS.swi, version: 4.31.1F}\n");
  assert.match((await run(1, ["validate", folder])).printed, /warning\[missing-file\]/);
  const through = await proxy(t, url);
  const refused = await run(1, ["push", folder], { url: through.url });
  assert.match(refused.printed, /error\[missing-file\][^]*nothing is stored/);
  assert.deepEqual(changes(through.requests), []);
  await worker.r2.put("files/images/EOS.swi", "an image");
  assert.doesNotMatch((await run(0, ["push", folder])).printed, /missing-file/);
  await run(0, ["push", folder, "--prune"]);
  assert.notEqual(await worker.r2.head("files/images/EOS.swi"), null);
});

test("what was allowed is in the plan and in the audit log", async (t) => {
  const folder = dataRoot(t);
  write(folder, "definitions/leaf", "actions:\n- {action: nothing}\n- {action: copy_file, attributes: {src_url: files/nothing, dst_url: /mnt/flash/x}}\n");
  write(folder, "definitions/old", "actions: 1\n");
  write(folder, "validate.toml", "[[allow]]\nkinds = [\"missing-file\"]\npaths = [\"definitions\"]\n");
  await run(1, ["push", folder]);
  const done = await run(0, ["push", folder, "--allow", "missing-action"]);
  assert.match(done.printed, /add +definitions\/leaf  \d+ B: allowed in spite of missing-action,missing-file\n/);
  const entries = (await run(0, ["log", "--json"])).out.trim().split("\n").map((line) => JSON.parse(line));
  const forced = entries.filter((entry) => entry.forced).map(({ target, detail }) => [target, detail]);
  // No pattern names the other one, which the server finds broken: this is no reason to stop.
  assert.deepEqual(forced.sort(), [["definitions/leaf", "in spite of missing-action,missing-file"], ["definitions/old", null]]);
  assert.equal(await worker.kv.get("validate.toml"), null);
});

test("--only pushes and pulls a part, and a path that selects nothing is an error", async (t) => {
  const folder = dataRoot(t);
  const done = await run(0, ["push", folder, "--only", "definitions/leaf", "--only", "./files/"]);
  assert.match(done.printed, /4 to add/);
  assert.match((await run(2, ["push", folder, "--only", "definition"])).printed, /--only definition selects nothing/);
  assert.match((await run(2, ["push", folder, "--only", "../x"])).printed, /not a valid path below DIR/);
  const copy = join(scratch(t), "copy");
  await run(0, ["pull", copy, "--only", "definitions"]);
  assert.deepEqual(Object.keys(contents(copy)), ["definitions/leaf"]);
});

test("--dry-run and --json show the plan, and store nothing", async (t) => {
  const folder = dataRoot(t);
  const plan = (await run(0, ["push", folder, "--dry-run", "--json"])).json;
  assert.deepEqual([plan.dry_run, plan.stored, plan.steps.length], [true, 0, 9]);
  // Files come before the documents that name them, and neighbordb is last.
  assert.deepEqual(plan.steps[0], { key: "files/a+b/ü#?.cfg", store: "r2", step: "add", size: 2, reason: null });
  assert.equal(plan.steps.at(-1).key, "neighbordb");
  assert.match((await run(0, ["push", folder, "--dry-run"])).printed, /9 to add[^]*dry run: nothing is stored/);
  const { json } = await run(0, ["push", folder, "--json"]);
  assert.deepEqual([json.stored, json.deleted, json.problems, json.copies], [9, 0, [], []]);
});

test("a push keeps a configuration that a switch has backed up, and a pull fetches it", async (t) => {
  const folder = dataRoot(t);
  await run(0, ["push", folder]);
  const put = await worker.request("PUT", "/nodes/JPE1/startup-config", { body: "hostname backup\n" });
  assert.equal(put.status, 201);
  await inKv("nodes/JPE1/startup-config", "hostname backup\n");
  write(folder, "nodes/JPE1/startup-config", "hostname two\n");
  write(folder, "nodes/JPE2/startup-config", "hostname two\n");
  const done = await run(0, ["push", folder]);
  assert.match(done.printed, /left alone +nodes\/JPE1\/startup-config: the switch/);
  assert.match(done.printed, /stored 1 /);
  const copy = join(scratch(t), "copy");
  await run(0, ["pull", copy, "--nodes"]);
  assert.equal(readFileSync(join(copy, "nodes/JPE1/startup-config"), "utf8"), "hostname backup\n");
  await run(1, ["pull", folder, "--nodes"]);
  await run(0, ["push", folder, "--overwrite-startup-configs"]);
  assert.equal((await worker.request("GET", "/nodes/JPE1/startup-config")).text, "hostname two\n");
});

test("an operator who may not see secrets pulls no startup-config without them, and a push compares with none", async (t) => {
  const team = await startTeam();
  const guarded = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN }, vars: team.vars });
  t.after(async () => (await guarded.stop(), await team.stop()));
  await guarded.kv.put("operators", "- email: viewer@example.net\n  role: operator\n  secrets: false\n");
  const through = await proxy(t, () => String(guarded.url));
  // As Cloudflare Access does.
  through.before = async (_, headers) => {
    delete headers.authorization;
    headers["cf-access-jwt-assertion"] = team.token("viewer");
  };
  const config = "hostname one\nusername ada secret 0 hunter2\n";
  await guarded.request("PUT", "/admin/content/nodes/JPE1/startup-config", { body: config, headers: { Authorization: `Bearer ${TOKEN}` } });
  await waitFor("the copy of the startup-config", async () => (await guarded.kv.get("nodes/JPE1/startup-config")) !== null);
  // Of a value of the dashboard, the list has no hash.
  await guarded.kv.put("nodes/JPE2/startup-config", config);
  await guarded.kv.put("definitions/leaf", "actions: []\n");
  const folder = join(scratch(t), "root");
  for (const options of [["--dry-run"], [], ["--overwrite"]]) {
    const pulled = await run(1, ["pull", folder, ...options], { url: through.url });
    for (const id of ["JPE1", "JPE2"]) assert.match(pulled.printed, new RegExp(`left alone +nodes/${id}/startup-config: .*without its secrets`));
    assert.match(pulled.printed, /2 left alone/);
  }
  assert.deepEqual(Object.keys(contents(folder)), ["definitions/leaf", "operators"]);
  // A copy from elsewhere stays, also one that equals what the server would send.
  const hidden = await guarded.request("GET", "/admin/content/nodes/JPE2/startup-config", { headers: { "Cf-Access-Jwt-Assertion": team.token("viewer") } });
  assert.doesNotMatch(hidden.text, /hunter2/);
  write(folder, "nodes/JPE1/startup-config", config);
  write(folder, "nodes/JPE2/startup-config", hidden.text);
  const again = await run(1, ["pull", folder, "--overwrite"], { url: through.url });
  assert.match(again.printed, /1 left alone, 0 in conflict, 3 unchanged/);
  const pushed = await run(0, ["push", folder, "--overwrite-startup-configs", "--force"], { url: through.url });
  assert.match(pushed.printed, /left alone +nodes\/JPE2\/startup-config: .*without its secrets/);
  assert.equal(await guarded.kv.get("nodes/JPE2/startup-config"), config);
});

test("a push stores facts only with --with-facts", async (t) => {
  const folder = dataRoot(t);
  write(folder, "nodes/JPE1/.node", JSON.stringify(facts("JPE1")));
  assert.match((await run(0, ["push", folder])).printed, /left alone +nodes\/JPE1\/\.node/);
  assert.equal(await worker.kv.get("nodes/JPE1/.node"), null);
  await run(0, ["push", folder, "--with-facts"]);
  assert.notEqual(await worker.kv.get("nodes/JPE1/.node"), null);
});

test("--prune deletes only what a push has stored and nobody has changed since", async (t) => {
  const folder = dataRoot(t);
  const records = ["nodes/OLD1/definition", "nodes/OLD1/startup-config"];
  write(folder, records[0], "name: old\nactions: []\n");
  write(folder, records[1], "hostname old\n");
  await run(0, ["push", folder]);
  assert.equal((await worker.request("PUT", "/nodes/OLD1/startup-config", { body: "hostname new\n" })).status, 201);
  await worker.settle();
  await worker.r2.put("files/EOS.swi", "uploaded in the dashboard");
  await worker.kv.put("definitions/by-hand", "actions: []\n");
  // An edit in the dashboard.
  await worker.kv.put("definitions/spine", "actions: []\n# edited\n");
  for (const key of ["definitions/spine", "files/a+b", ...records]) rmSync(join(folder, key), { recursive: true });
  assert.match((await run(0, ["push", folder])).printed, /0 to delete/);
  const done = await run(0, ["push", folder, "--prune"]);
  assert.match(done.printed, /delete +files\/a\+b\/ü#\?\.cfg\n/);
  assert.match(done.printed, /left alone +definitions\/spine: no push has stored it/);
  assert.match(done.printed, /delete +nodes\/OLD1\/definition\n/);
  assert.match(done.printed, /left alone +nodes\/OLD1\/startup-config: /);
  assert.match(done.printed, /stored 0 \(0 B\), deleted 2\n/);
  assert.notEqual(await worker.kv.get("definitions/by-hand"), null);
  assert.notEqual(await worker.r2.head("files/EOS.swi"), null);
});

describe("two operators edit the same document", () => {
  /** Two folders with the same content, and the settings of two operators. */
  async function operators(t) {
    const [ann, ben] = [dataRoot(t), dataRoot(t)];
    const homes = [scratch(t), scratch(t)];
    await run(0, ["push", ann], { home: homes[0] });
    await run(0, ["pull", ben], { home: homes[1] });
    write(ann, "definitions/spine", "name: ann\nactions: []\n");
    write(ben, "definitions/spine", "name: ben\nactions: []\n");
    return { ann, ben, homes };
  }

  test("the second one sees who changed it and the difference, and nothing is lost", async (t) => {
    const { ann, ben, homes } = await operators(t);
    await run(0, ["push", ann], { home: homes[0] });
    write(ben, "files/empty", "not any more");
    const done = await run(1, ["push", ben], { home: homes[1] });
    assert.match(done.printed, /conflict +definitions\/spine: admin token at .* changed it since the last push or pull/);
    assert.match(done.printed, /admin token at \d{4}-.* changed definitions\/spine since; take that over with `ztp pull DIR --overwrite --only definitions\/spine`/);
    assert.match(done.printed, /--- stored\/definitions\/spine\n\+\+\+ local\/definitions\/spine\n@@ .*\n-name: ann\n\+name: ben\n actions: \[\]\n/);
    assert.match(done.printed, /stored 1 \(.*, deleted 0, not stored 1: see above/);
    assert.match(await worker.kv.get("definitions/spine"), /ann/);
    // Again, until the operator decides.
    await run(1, ["push", ben, "--dry-run"], { home: homes[1] });
    await run(0, ["push", ben, "--force", "--only", "definitions/spine"], { home: homes[1] });
    assert.match(await worker.kv.get("definitions/spine"), /ben/);
    assert.match((await run(1, ["push", ann, "--only", "definitions"], { home: homes[0] })).printed, /conflict/);
    await run(0, ["pull", ann, "--overwrite", "--only", "definitions/spine"], { home: homes[0] });
    await run(0, ["push", ann, "--only", "definitions"], { home: homes[0] });
    assert.match(await worker.kv.get("definitions/spine"), /ben/);
  });

  test("at the same moment: the second one gets 412", async (t) => {
    const { ann, ben, homes } = await operators(t);
    const through = await proxy(t, url);
    let pushed;
    // Ann pushes after Ben's push has listed the content.
    through.before = (name) => (name.startsWith("PUT ") ? (pushed ??= run(0, ["push", ann], { home: homes[0] })) : undefined);
    const done = await run(1, ["push", ben, "--json"], { home: homes[1], url: through.url });
    const { problems, stored } = done.json;
    assert.deepEqual([stored, problems.length], [0, 1]);
    assert.match(problems[0].error, /^admin token at \d{4}-.* changed definitions\/spine since/);
    assert.match(problems[0].diff, /-name: ann\n\+name: ben\n/);
    assert.match(await worker.kv.get("definitions/spine"), /ann/);
  });
});

test("a change whose response was lost is not a conflict", async (t) => {
  const folder = dataRoot(t);
  const through = await proxy(t, url);
  const lost = new Set();
  through.loses = (name) => !name.startsWith("GET ") && !lost.has(name) && lost.add(name);
  const first = await run(0, ["push", folder], { url: through.url });
  assert.match(first.printed, /stored 9 /);
  assert.ok(lost.size >= 9);
  for (const key of ["definitions/spine", "files/empty"]) rmSync(join(folder, key));
  write(folder, "files/base config", "hostname two\n");
  lost.clear();
  assert.match((await run(0, ["push", folder, "--prune"], { url: through.url })).printed, /stored 1 \(.*, deleted 2\n/);
});

test("a push killed at any moment resumes with the rest", async (t) => {
  const folder = dataRoot(t);
  for (let n = 0; n < 40; n += 1) write(folder, `files/many/${n}`, `${n}\n`);
  const through = await proxy(t, url);
  const home = scratch(t);
  let child;
  let [sent, kills] = [0, 0];
  through.before = async (name) => {
    if (name.startsWith("PUT ") && (sent += 1) % 11 === 0) child.kill("SIGKILL"), (kills += 1);
  };
  for (;;) {
    const done = await ztp(["push", folder], { url: through.url, home, watch: (started) => (child = started) });
    if (done.signal === null) {
      assert.equal(done.status, 0, done.printed);
      break;
    }
    assert.ok(kills < 20, "it never ends");
  }
  assert.ok(kills >= 2, `${kills} kills`);
  // Each kill interrupts at most eight.
  assert.ok(sent <= 49 + 8 * kills, `${sent} requests for 49 keys, with ${kills} kills`);
  assert.match((await run(0, ["push", folder], { home })).printed, /49 unchanged/);
});

test("an image of over 64 MiB is sent in parts with little memory, and a killed push resumes with the next part", async (t) => {
  const folder = join(scratch(t), "root");
  const size = 70 << 20;
  sparse(join(folder, "files/EOS.swi"), size);
  const through = await proxy(t, url);
  const options = { url: through.url, home: scratch(t) };
  const pushed = await killed(["push", folder], options, through, { kills: 2, progress: () => through.bytes, total: size });
  assert.deepEqual([pushed.kills, through.again], [2, []]);
  const copy = join(scratch(t), "copy");
  const pulled = await killed(["pull", copy], options, through, { kills: 0, progress: () => 0, total: 0 });
  for (const { memory } of [pushed, pulled]) assert.ok(memory < 64 << 20, `${memory} bytes of memory`);
  assert.deepEqual(hashes(copy), hashes(folder));
  assert.match((await run(0, ["push", folder], options)).printed, /1 unchanged/);
});

test("a push names the nodes with a copy of a definition that it changes", async (t) => {
  const folder = dataRoot(t);
  await run(0, ["push", folder]);
  const posted = await worker.request("POST", "/nodes", { body: JSON.stringify(facts("NEW1")), headers: { "Content-Type": "application/json" } });
  assert.equal(posted.status, 201, posted.text);
  const copied = readFileSync(join(folder, "definitions/leaf"), "utf8");
  await inKv("nodes/NEW1/definition", copied);
  write(folder, "definitions/leaf", "actions: []\n");
  const plan = (await run(0, ["push", folder, "--dry-run", "--json"])).json;
  assert.deepEqual(plan.copies, [{ definition: "definitions/leaf", nodes: ["NEW1"] }]);
  const done = await run(0, ["push", folder]);
  assert.match(done.printed, /the former definitions\/leaf is the definition of 1 nodes, which keep their copy;.*:\n  ztp reprovision NEW1\n/);
});

test("diff shows the differences of texts, and the sizes of others", async (t) => {
  const folder = dataRoot(t);
  assert.match((await run(1, ["diff", folder])).printed, /--- \/dev\/null\n\+\+\+ local\/definitions\/spine\n@@ -0,0 \+1 @@\n\+actions: \[\]\n/);
  await run(0, ["push", folder]);
  assert.equal((await run(0, ["diff", folder, "--json"])).out, "");
  write(folder, "definitions/spine", "actions: []\nname: x\n");
  write(folder, "files/image", randomBytes(2000));
  const done = await run(1, ["diff", folder, "--json"]);
  const differences = done.out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(differences.map(({ key }) => key), ["files/image", "definitions/spine"]);
  assert.match(differences[0].diff, /not a text of at most 1\.00 MiB: missing before, 1\.95 KiB, SHA-1 \w{40} after/);
  assert.equal(differences[1].diff, "--- stored/definitions/spine\n+++ local/definitions/spine\n@@ -1 +1,2 @@\n actions: []\n+name: x\n");
  rmSync(join(folder, "definitions/spine"));
  assert.match((await run(1, ["diff", folder, "--prune"])).printed, /--- stored\/definitions\/spine\n\+\+\+ \/dev\/null\n/);
});

test("a document that the server finds broken is stored with --force only", async (t) => {
  const folder = dataRoot(t);
  await run(0, ["push", folder]);
  const put = (query) => worker.request("PUT", `/admin/content/definitions/spine${query}`, { body: "actions: 7\n", headers: { Authorization: `Bearer ${TOKEN}` } });
  assert.equal((await put("")).status, 422);
  assert.equal((await put("?force=1")).status, 200);
  const log = (await run(0, ["log", "--json", "--target", "definitions/spine"])).out.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual([log[0].forced, log[0].action], [true, "store"]);
});

test("log shows the changes, and undo puts one back unless something changed since", async (t) => {
  const folder = dataRoot(t);
  await run(0, ["push", folder, "--only", "definitions/spine"]);
  for (const name of ["two", "three"]) {
    write(folder, "definitions/spine", `name: ${name}\nactions: []\n`);
    await run(0, ["push", folder, "--only", "definitions/spine"]);
  }
  const log = (await run(0, ["log"])).printed;
  assert.match(log, /^3 \d{4}-\S+ admin token store definitions\/spine, can be undone\n2 .*\n1 .*\n$/);
  assert.match((await run(0, ["log", "--limit", "1", "--before", "3"])).printed, /^2 .*\n$/);
  assert.match((await run(1, ["undo", "2"])).printed, /error: undoing 2 failed: .*; the changes since: 3 \(see `ztp log`\)/);
  assert.match((await run(0, ["undo", "3"])).printed, /^3 is undone \(number 4 of the audit log\)\n$/);
  assert.match(await worker.kv.get("definitions/spine"), /two/);
  assert.match((await run(0, ["log", "--limit", "1"])).printed, /^4 .*, undoes 3/);
  // The folder still has the value that was undone: somebody has changed it since.
  assert.match((await run(1, ["push", folder, "--only", "definitions/spine"])).printed, /conflict/);
  assert.match((await run(1, ["undo", "77"])).printed, /error: undoing 77 failed: /);
});

test("a pull reports a key that cannot be a file, and leaves it alone", async (t) => {
  const folder = join(scratch(t), "root");
  const long = "n".repeat(256);
  const values = {
    neighbordb: "patterns: []\n", "nodes/JPE1/startup-config": "hostname one\n", "definitions/leaf": "leaf\n", "definitions/leaf/7050": "7050\n",
    "definitions/leaf-2": "leaf-2\n", [`definitions/${long}`]: "long\n", [`definitions/${long.slice(1)}`]: "longest\n", "resources/a/b/c": "c\n",
  };
  for (const [key, value] of Object.entries(values)) await worker.kv.put(key, value);
  await worker.kv.put("files/x", "not content");
  await worker.r2.put("nodes/JPE1/startup-config", "not content");
  write(folder, "resources/a", "a\n");
  symlinkSync("nowhere", join(folder, "neighbordb"));
  symlinkSync("nowhere", join(folder, "nodes"));
  for (const args of [["--dry-run"], [], ["--overwrite"]]) {
    const { printed } = await run(1, ["pull", folder, ...args]);
    for (const line of [
      /left alone +definitions\/leaf\/7050: definitions\/leaf is a file/,
      /left alone +definitions\/n+: a part of it has 256 bytes/,
      /left alone +resources\/a\/b\/c: resources\/a is a file/,
      /left alone +neighbordb: a symbolic link that leads nowhere/,
      /left alone +nodes\/JPE1\/startup-config: nodes is a file/,
      / 5 left alone/,
    ]) {
      assert.match(printed, line);
    }
  }
  const texts = Object.fromEntries(Object.entries(contents(folder)).map(([key, bytes]) => [key, String(bytes)]));
  assert.deepEqual(texts, { "definitions/leaf": "leaf\n", "definitions/leaf-2": "leaf-2\n", [`definitions/${long.slice(1)}`]: "longest\n", "resources/a": "a\n" });
});

test("a pull never reads from or writes to a pipe in DIR", async (t) => {
  const folder = dataRoot(t);
  await run(0, ["push", folder]);
  rmSync(folder, { recursive: true });
  write(folder, "files/x", "");
  const pipes = ["neighbordb", "files/base config"];
  for (const pipe of pipes) spawnSync("mkfifo", [join(folder, pipe)]);
  for (const args of [[], ["--overwrite"]]) {
    const watch = (child) => setTimeout(() => child.kill("SIGKILL"), 30_000).unref();
    const { printed } = await run(1, ["pull", folder, ...args], { watch });
    assert.match(printed, /left alone +neighbordb: this is neither a file nor a folder/);
    assert.match(printed, /left alone +files\/base config: this is neither/);
  }
  for (const pipe of pipes) assert.ok(lstatSync(join(folder, pipe)).isFIFO(), pipe);
});

test("a wrong token, and a server without /admin, are errors that say what to do", async (t) => {
  const folder = dataRoot(t);
  for (const options of [{ token: "another-token-01234" }, { url: `${url()}/x` }]) {
    const done = await run(2, ["push", folder], options);
    assert.match(done.printed, /no \/admin, or does not accept this token \(404\); check the URL, and run `ztp login`/);
  }
  const done = await run(2, ["push", folder], { url: "http://127.0.0.1:1" });
  assert.match(done.printed, /listing the content failed, also after retries: .*run the command again in 16 seconds to resume/);
});

/** Waits until KV has a value: the object of a node copies it there after its response. */
async function inKv(key, value) {
  for (let waited = 0; (await worker.kv.get(key)) !== value; waited += 50) {
    assert.ok(waited < 10_000, `${key} is not copied to KV`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asserts that the Worker serves the content of a key, if a route serves it. */
async function readable(key, bytes) {
  const path = key.split("/").map(encodeURIComponent).join("/");
  const get = (path) => worker.request("GET", `/${path}`);
  if (/^(files|actions)\//.test(key) || /^nodes\/[^/]+\/startup-config$/.test(key)) {
    const response = await get(path);
    assert.equal(response.status, 200, key);
    assert.ok(response.bytes.equals(bytes), key);
    const meta = (await get(`meta/${path}`)).json;
    assert.deepEqual([meta.size, meta.sha1], [bytes.length, sha1(bytes)], key);
  } else if (key === "bootstrap/bootstrap") {
    const { status, text } = await get("bootstrap");
    assert.deepEqual([status, text], [200, bytes.toString().replaceAll("$SERVER", url().replace(/\/$/, ""))]);
  } else if (key === "bootstrap/bootstrap.conf") {
    assert.deepEqual((await get("bootstrap/config")).json, { logging: [], xmpp: {} });
  } else if (key === "neighbordb" && bytes.includes("name: leaf")) {
    // The sample's patterns and definition: by the boot of a switch that matches.
    const neighbors = Object.fromEntries([1, 2].map((n) => [`Ethernet${n}`, [{ device: `spine${n}`, port: "Ethernet1" }]]));
    const body = JSON.stringify(facts("JPE7", { model: "DCS", neighbors }));
    const posted = await worker.request("POST", "/nodes", { body, headers: { "Content-Type": "application/json" } });
    assert.equal(posted.status, 201, posted.text);
    assert.equal((await get("nodes/JPE7")).json.name, "leaf");
  } else {
    assert.ok(key === "neighbordb" || key === "definitions/leaf", `${key} is not checked`);
  }
}
