// `ztp takeover` of a running ztpserver 2.1.0.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { output } from "../../scripts/run.mjs";
import { facts, startWorker } from "../e2e/harness.mjs";
import { pythonWithZtpserver } from "../reference/python.mjs";
import { startReference } from "../reference/reference.mjs";
import { TOKEN, build, contents, killed, proxy, scratch, write, ztp } from "./run.mjs";

const SERVER_URL = "http://ztp.lab.example:8080";
let worker, python, plugins;
before(async () => {
  build();
  python = pythonWithZtpserver();
  const packages = output(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).trim();
  plugins = join(packages, "usr", "share", "ztpserver", "plugins");
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

const url = () => String(worker.url);
const admin = async (path, server = worker) => (await server.request("GET", `/admin${path}`, { headers: { Authorization: `Bearer ${TOKEN}` } })).json;

/** Runs a takeover, which must end with a status. */
async function takeover(status, args, options = {}) {
  const done = await ztp(["takeover", ...args], { url: url(), ...options });
  assert.equal(done.status, status, done.printed);
  return done;
}

const serials = (role, count) => Array.from({ length: count }, (_, at) => `${role.toUpperCase()}${String(at + 1).padStart(2, "0")}`);
const FLEET = { leaf: serials("leaf", 20), spine: serials("spine", 4), static: serials("static", 3), own: serials("own", 3) };
const ALL = Object.values(FLEET).flat();
const macOf = (serial) => `001c730000${String(ALL.indexOf(serial) + 10)}`;
const PEERS = { leaf: "spine1", spine: "core1", static: "spine1", own: "spine2" };

/** The facts that a switch of the fleet sends. */
function factsOf(serial) {
  const role = Object.keys(FLEET).find((role) => FLEET[role].includes(serial));
  return facts(serial, { systemmac: macOf(serial).replace(/..(?!$)/g, "$&:"), neighbors: { Ethernet1: [{ device: PEERS[role], port: "Ethernet7" }] } });
}

/** A boot, as the client does it: POST, then GET of the definition. ztpserver sends a value of a pool that is a number as text only when it allocates it. */
async function boot(server, serial) {
  const headers = { "Content-Type": "application/json" };
  const posted = await server.request("POST", "/nodes", { body: JSON.stringify(factsOf(serial)), headers });
  assert.ok([201, 409].includes(posted.status), `${serial}: ${posted.status} ${posted.text}`);
  const got = await server.request("GET", new URL(posted.headers.location, "http://x").pathname);
  assert.equal(got.status, 200, `${serial}: ${got.text}`);
  return JSON.parse(got.text.replaceAll(SERVER_URL, "$SERVER").replaceAll(url().replace(/\/$/, ""), "$SERVER"), (_, value) => (typeof value === "number" ? String(value) : value));
}

/** A plugin of ztpserver, with a correction by its operator. */
const plugin = (name, from, to) => readFileSync(join(plugins, name), "utf8").replaceAll(from, to);

/** Runs a statement of SQL on a database, and returns its rows. */
function sql(database, statement) {
  const script = "import json, sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: print(json.dumps(c.execute(sys.argv[2]).fetchall()))";
  const done = spawnSync(python, ["-c", script, database, statement], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

/** A running ztpserver with the nodes of the fleet, which it has provisioned. */
async function oldServer(t, { booted = ALL, identifier = "serialnumber" } = {}) {
  const server = await startReference(python, { server_url: SERVER_URL, identifier });
  t.after(() => server.stop());
  const pattern = (name, peer) => `- {name: ${name}, definition: ${name}, interfaces: [{Ethernet1: '${peer}:Ethernet7'}]}\n`;
  const stored = (peer) => `name: own\ninterfaces:\n- Ethernet1: {device: ${peer}, port: any}\n`;
  const registered = (nodes, records) =>
    Object.fromEntries(nodes.flatMap((node) => Object.entries(records).map(([record, text]) => [`nodes/${node}/${record}`, text.replaceAll("NODE", node)])));
  const database = join(server.dataRoot, "db", "resources.db");
  await server.lay({
    neighbordb: `patterns:\n${pattern("leaf", "spine1")}${pattern("spine", "core1")}`,
    "definitions/leaf":
      "name: leaf\nactions:\n- action: add_config\n  attributes: {url: files/leaf.template, variables: {ip: allocate('mgmt'), asn: allocate('asn'), loopback: sqlite('loopback')}}\n",
    "definitions/spine": "name: spine\nattributes: {ntp: 192.0.2.123}\nactions:\n- action: add_config\n  attributes: {url: files/spine.template, variables: {ntp: $ntp}}\n",
    "definitions/leaf.bak": "actions: 1\n",
    "files/leaf.template": `ip $ip asn $asn loopback $loopback\nbash curl ${SERVER_URL}/nodes\n`,
    "files/spine.template": "ntp $ntp\n",
    "config-handlers/backup": "#!/bin/sh\nexit 0\n",
    "plugins/allocate": plugin("allocate", "iteritems", "items"),
    "plugins/sqlite": plugin("sqlite", "/usr/share/ztpserver/db/resources.db", database),
    "plugins/rack": "def main(node_id, pool, node):\n    return 'rack-7'\n",
    "resources/mgmt": Array.from({ length: 30 }, (_, at) => `10.0.0.${at + 1}/24: ${at === 3 ? "OWN01" : "null"}\n`).join(""),
    "resources/asn": Array.from({ length: 25 }, (_, at) => `${65000 + at}: null\n`).join(""),
    "db/empty": "",
    ...registered(FLEET.static, { pattern: stored("spine1"), "startup-config": "hostname NODE\n", definition: "actions:\n- {action: install_cli_plugin, always_execute: true, attributes: {url: files/leaf.template}}\n", "config-handler": "#!/bin/sh\n" }),
    ...registered(FLEET.own, { pattern: stored("spine2"), attributes: "hostname: NODE\n", definition: "name: own\nactions:\n- action: add_config\n  attributes: {url: files/spine.template, variables: {host: $hostname, ntp: allocate('mgmt')}}\n" }),
  });
  sql(database, "CREATE TABLE `loopback`(key TEXT, node_id TEXT)");
  for (let at = 30; at > 0; at -= 1) sql(database, `INSERT INTO loopback VALUES('10.255.0.${at}', NULL)`);
  for (const serial of booted) await boot(server, serial);
  /** The holder of each value: `pool value node`. */
  const held = async () => {
    const files = await Promise.all(["mgmt", "asn"].map(async (pool) => [pool, (await server.readYaml(String(await server.read(`resources/${pool}`)))).value]));
    const inFiles = files.flatMap(([pool, values]) => Object.entries(values).filter(([, node]) => node).map(([value, node]) => `${pool} ${value} ${node}`));
    const inTable = sql(database, "SELECT key, node_id FROM loopback WHERE node_id IS NOT NULL").map(([value, node]) => `loopback ${value} ${node}`);
    return [...inFiles, ...inTable].sort();
  };
  return { ...server, database, held };
}

const allocations = async () => (await admin("/allocations")).allocations.map(({ pool, value, node }) => `${pool} ${value} ${node}`).sort();
/** The requests of `ztp` that change something. */
const changes = (requests) => requests.filter((request) => !request.startsWith("GET ") && request !== "POST /admin/explain");

test("a running ztpserver with 30 nodes is taken over, and a second run stores nothing", async (t) => {
  const old = await oldServer(t);
  const before = { held: await old.held(), files: contents(old.dataRoot) };
  assert.equal(before.held.length, 20 * 3 + 3);
  const [page, home] = [join(scratch(t), "page.md"), scratch(t)];
  const args = [old.dataRoot, "--conf", old.config, "--from", old.url];

  // A dry run stores nothing.
  const dry = await takeover(0, [...args, "--dry-run"], { home });
  assert.match(dry.printed, /78 to add, [^]*dry run: nothing is stored; 63 allocations would be[^]*nothing is compared before the content is stored/);
  assert.deepEqual([await worker.values(), await allocations()], [[], []]);

  const done = await takeover(0, [...args, "--report", page], { home });
  assert.match(done.printed, /30 nodes: 30 have the same definition on both servers, 0 are refused by both, 0 differ, 0 were not compared/);
  for (const step of [1, 2, 3, 4, 5, 6, 7]) assert.match(done.printed, new RegExp(`^step ${step} of 7: `, "m"));
  assert.deepEqual(contents(old.dataRoot), before.files, "the old server is changed");

  // Every node receives the same from both servers, and keeps its values.
  assert.deepEqual(await allocations(), before.held);
  for (const serial of ALL) assert.deepEqual(await boot(worker, serial), await boot(old, serial), serial);
  assert.deepEqual(await allocations(), before.held);
  assert.deepEqual(await old.held(), before.held);

  // The page names what did not move.
  const text = readFileSync(page, "utf8");
  const left = text.split("## What did not move, and why\n")[1].split("\n## ")[0];
  for (const expected of [
    "the plugin allocate: it is built in",
    "the plugin rack: it does not run here, and no definition calls it",
    "the plugin sqlite: it is built in",
    "the work of config-handlers/backup: its text is stored, and never run",
    "the work of nodes/ID/config-handler of 3 nodes: its text is stored, and never run",
    "the settings \\[default\\] logging: ",
    "db/: not part of a data\\_root",
    "definitions/leaf.bak: leftovers",
    "nodes/ID/.node of 30 nodes: ",
  ]) {
    assert.ok(left.includes(`- ${expected}`), `${expected}\n${left}`);
  }
  assert.equal(left.trim().split("\n").length, 9, left);
  assert.match(text, /```toml\n\[vars\]\nSERVER_URL = "auto" {2}# the URL that was requested; ZTPServer had http:\/\/ztp\.lab\.example:8080\nIDENTIFIER = "serialnumber"\n```/);
  assert.match(text, new RegExp(`option 67 \\(bootfile-name\\), which was ${SERVER_URL}/bootstrap, .* it has \\d+ bytes: it fits into the boot file field [^]*${url().replace(/\/$/, "")}/bootstrap\n`));
  assert.match(text.split("## What to look at\n")[1], /^\n- files\/leaf\.template:2: this names the old server, ztp\.lab\.example: the switch calls it;/);
  assert.match(text, /`?ztp pull DIR --only resources\/loopback/);

  const through = await proxy(t, url);
  const again = await takeover(0, args, { url: through.url, home });
  assert.match(again.printed, /0 to add, 0 to change, 0 to delete, /);
  assert.match(again.printed, /stored 0 keys and 0 allocations; 63 allocations were there/);
  assert.deepEqual(changes(through.requests), []);
});

test("a value that another node holds is named, and stops nothing else", async (t) => {
  const old = await oldServer(t, { booted: ["LEAF01", "LEAF02"] });
  await worker.kv.put("resources/mgmt", String(await old.read("resources/mgmt")));
  const headers = { Authorization: `Bearer ${TOKEN}` };
  // The server gave the value of LEAF01 to another switch, when the file was without nodes.
  await worker.kv.put("resources/mgmt", "10.0.0.1/24: null\n");
  const given = await worker.request("PUT", "/admin/pools/mgmt/10.0.0.1%2F24?node=OTHER", { headers });
  assert.equal(given.status, 200, given.text);
  await worker.kv.delete("resources/mgmt");
  await worker.advance(600_000);
  const done = await takeover(1, [old.dataRoot, "--conf", old.config, "--from", old.url, "--json"]);
  const { allocations: result, nodes } = done.json;
  assert.deepEqual(result.refused.map(({ pool, value, node }) => [pool, value, node]), [["mgmt", "10.0.0.1/24", "LEAF01"]]);
  assert.match(result.refused[0].error, /^OTHER holds it here; release it/);
  assert.equal(result.assigned.length, 6);
  const outcomes = Object.fromEntries(nodes.map(({ node, outcome }) => [node, outcome]));
  assert.deepEqual([outcomes.LEAF01, outcomes.LEAF02], ["differs", "same"]);
  // It holds no value yet: to ask the old server would allocate one.
  assert.equal(outcomes.OWN02, "not-compared");
  assert.deepEqual((await old.held()).filter((held) => held.endsWith("OWN02")), []);

  const through = await proxy(t, url);
  await takeover(1, [old.dataRoot, "--conf", old.config], { url: through.url });
  assert.deepEqual(changes(through.requests), []);
});

test("a registered node that has not booted from the ztpserver does not count as a difference", async (t) => {
  const old = await oldServer(t, { booted: FLEET.leaf });
  // ztpserver has no definition for it without a pattern, also after it has booted.
  rmSync(join(old.dataRoot, "nodes/STATIC02/pattern"));
  const args = ["--json", old.dataRoot, "--conf", old.config, "--from", old.url];
  const { json } = await takeover(1, args);
  const of = (outcome) => json.nodes.filter((node) => node.outcome === outcome).map(({ node }) => node);
  assert.deepEqual(of("no-facts"), ["OWN01", ...FLEET.static]);
  assert.deepEqual([of("differs"), of("refused")], [[], []]);
  // The registered nodes that call a pool.
  assert.deepEqual(of("not-compared"), ["OWN02", "OWN03"]);
  rmSync(join(old.dataRoot, "nodes/OWN02"), { recursive: true });
  rmSync(join(old.dataRoot, "nodes/OWN03"), { recursive: true });
  const done = await takeover(0, args.slice(1));
  assert.match(done.printed, /4 have not booted from the old server, so nobody knows their facts: OWN01, STATIC01, STATIC02, STATIC03; check them with `ztp check-list`/);
});

test("a copy with the database, the settings that ztpserver.wsgi names, and nodes named by their MAC address are taken over, also if it is killed", async (t) => {
  const old = await oldServer(t, { booted: ["LEAF01", "LEAF02"], identifier: "systemmac" });
  const copy = join(scratch(t), "copy");
  cpSync(old.dataRoot, copy, { recursive: true });
  write(copy, "ztpserver.wsgi", `from ztpserver.app import start_wsgiapp\napplication = start_wsgiapp("${old.config}")\n`);
  // The database of the copy counts.
  sql(old.database, "INSERT INTO loopback VALUES('10.255.9.9', 'OTHER')");
  const here = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN, ZTP_TOKENS: "default=a-token-of-the-site" }, vars: { IDENTIFIER: "systemmac" }, bundle: "bundle-clock" });
  t.after(() => here.stop());
  // It is killed at any moment, and run again.
  const through = await proxy(t, () => String(here.url));
  const { kills } = await killed(["takeover", copy], { url: through.url }, through, { kills: 3, progress: () => through.bytes, total: 8_000 });
  assert.ok(kills > 0);
  const held = (await admin("/allocations", here)).allocations.map(({ pool, value, node }) => `${pool} ${value} ${node}`);
  const of = (serial, ip, asn, loopback) => [`mgmt ${ip} ${macOf(serial)}`, `asn ${asn} ${macOf(serial)}`, `loopback ${loopback} ${macOf(serial)}`];
  const expected = [...of("LEAF01", "10.0.0.1/24", "65000", "10.255.0.30"), ...of("LEAF02", "10.0.0.2/24", "65001", "10.255.0.29"), "mgmt 10.0.0.4/24 own01"];
  assert.deepEqual(held.sort(), expected.sort());
  // The folders of the registered nodes are not named by MAC addresses: no switch has them.
  const { json } = await takeover(1, [copy, "--json", "--from", old.url, "--site", "default"], { url: String(here.url) });
  const outcomes = Object.fromEntries(json.nodes.map(({ node, outcome }) => [node, outcome]));
  assert.deepEqual([outcomes[macOf("LEAF01")], outcomes[macOf("LEAF02")], outcomes.STATIC01], ["same", "same", "no-facts"]);
  const boot = `${String(here.url).replace(/\/$/, "")}/t/TOKEN/bootstrap`;
  assert.deepEqual(json.boot, { url: boot, bytes: boot.length - "TOKEN".length + 32 });
  assert.deepEqual(json.settings, { file: old.config, vars: ["[vars]", `SERVER_URL = "auto"  # the URL that was requested; ZTPServer had ${SERVER_URL}`, 'IDENTIFIER = "systemmac"'] });
  assert.deepEqual([json.stored, json.allocations.assigned, json.allocations.unchanged], [0, [], 7]);
});

test("what ztpserver 2.1.0 installs is taken over without a conflict", async () => {
  const { json } = await takeover(0, [join(plugins, ".."), "--json"]);
  assert.deepEqual(json.steps.map(({ key, step }) => [key, step]), [["bootstrap/bootstrap.conf", "add"], ["neighbordb", "add"]]);
  const left = json.left.map(({ what, why }) => `${what}: ${why}`);
  assert.deepEqual(left.slice(0, 4).map((line) => line.replace(/;.*|: allocate.*|: sqlite.*/, "")), [
    "the plugin allocate: it is built in",
    "the plugin mysql_vars: it does not run here, and no definition calls it",
    "the plugin sqlite: it is built in",
    "the plugin test: it does not run here, and no definition calls it",
  ]);
  assert.match(left.slice(4).join("\n"), /^actions\/add_config, [^\n]*bootstrap\/bootstrap, [^\n]*: unchanged files of ZTPServer[^\n]*$/);
});

test("a server with another IDENTIFIER or without the site, an old server that is away, and errors stop before anything is stored", async (t) => {
  const folder = join(scratch(t), "root");
  write(folder, "ztpserver.conf", "[default]\nidentifier = systemmac\nserver_url = http://192.0.2.10:8080\n");
  write(folder, "definitions/leaf", "actions: []\n");
  assert.match((await takeover(1, [folder])).printed, /nothing is stored: the server names nodes by serialnumber, and the ZTPServer by systemmac: set IDENTIFIER = "systemmac"/);
  assert.match((await takeover(2, [folder, "--from", "http://127.0.0.1:9"])).printed, /the ZTPServer at http:\/\/127\.0\.0\.1:9 does not answer/);
  write(folder, "ztpserver.conf", "[default]\nidentifier = serialnumber\n");
  assert.match((await takeover(2, [folder, "--site", "berlin"])).printed, /nothing is stored: [^\n]* failed: the site "berlin" is not configured/);
  // Settings of ZTPServer 1.0.0.
  write(folder, "ztpserver.conf", "[default]\nidentifier = serialnum\n");
  write(folder, "neighbordb", "patterns:\n- {name: leaf, definition: leaf, interfaces: [{any: 'any:any'}]}\n");
  write(folder, "definitions/leaf", "actions: 1\n");
  assert.match((await takeover(1, [folder])).printed, /error\[bad-definition\][^]*nothing is stored/);
  assert.deepEqual(await worker.values(), []);
  write(folder, "definitions/leaf", "actions: []\n");
  assert.deepEqual((await takeover(0, [folder, "--json"])).json.settings.vars, ["[vars]", 'IDENTIFIER = "serialnumber"']);
  assert.equal(await worker.kv.get("definitions/leaf"), "actions: []\n");
});

test("the page names files that cannot be stored", async (t) => {
  const folder = join(scratch(t), "root");
  for (const key of ["definitions/leaf", "resources/esc\u001b[31m", "plugins/rack"]) write(folder, key, "actions: []\n");
  symlinkSync("/none/mgmt", join(folder, "resources", "mgmt"));
  symlinkSync("/none/sqlite", join(folder, "plugins", "sqlite"));
  const done = await takeover(0, [folder]);
  const left = done.printed.split("What did not move, and why:\n")[1].split("\n\n")[0];
  assert.match(left, /- the plugin sqlite: it is built in/);
  assert.match(left, /- resources\/mgmt: this symbolic link leads to "\/none\/mgmt", which does not exist/);
  assert.match(left, /- resources\/esc\\u\{1b\}\[31m: its name is not one that a server reads/);
  const { json } = await takeover(0, [folder, "--json"]);
  assert.equal(json.left.length, 4);
});

test("what would give a wrong or incomplete result stops before anything is stored", async (t) => {
  const folder = join(scratch(t), "root");
  write(folder, "definitions/leaf", "actions: []\n");
  const stops = async (status, message, args = []) => {
    const done = await takeover(status, [folder, ...args]);
    assert.match(done.printed, message);
    assert.doesNotMatch(done.printed, /step 5 of 7/);
    assert.deepEqual(await worker.values(), []);
  };
  // Another folder.
  const above = await takeover(2, [join(folder, "..")]);
  assert.match(above.printed, /has no file of a data_root; give the folder that contains neighbordb/);
  // The page could not be written at the end.
  await stops(2, /cannot write \S+\/none\/page\.md: /, ["--report", join(folder, "none", "page.md")]);
  const page = join(scratch(t), "page.md");

  // What answers is not a ZTPServer.
  let answer;
  const other = http.createServer((_, response) => response.writeHead(answer[0], answer[1]).end(answer[2]));
  await new Promise((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => (other.closeAllConnections(), other.close()));
  const from = ["--from", `http://127.0.0.1:${other.address().port}`, "--report", page];
  for (answer of [
    [200, { "Content-Type": "text/html" }, "<h1>It works!</h1>"],
    [200, { "Content-Type": "application/json" }, "{}"],
    [302, { Location: "http://127.0.0.1:9/" }, ""],
    [404, {}, ""],
    [500, {}, ""],
  ]) {
    await stops(2, new RegExp(`does not answer as a ZTPServer \\(status ${answer[0]}\\); correct --from`), from);
  }
  await stops(2, /is a server like the new one, not a ZTPServer; correct --from/, ["--from", url()]);
  assert.ok(!existsSync(page), "a page without a result");

  // The fact that names a node is not known.
  const elsewhere = scratch(t);
  for (const text of ["[default]\nidentifier = systemmac ; the MAC address\n", "\ufeff[default]\nidentifier = systemmac\n"]) {
    write(elsewhere, "ztpserver.conf", text);
    await stops(1, /ztpserver\.conf does not tell which fact names a node on the ZTPServer/, ["--conf", join(elsewhere, "ztpserver.conf")]);
  }

  // The settings are those of another ZTPServer, or not here: the folders of nodes are named by the other fact.
  const mac = "001c73000001";
  write(folder, `nodes/${mac}/.node`, JSON.stringify({ serialnumber: "JPE1", systemmac: mac, neighbors: {} }));
  await stops(1, /nodes\/001c73000001 is named by systemmac, and no folder by serialnumber, which is the setting or its default: give the ztpserver\.conf/);
  write(elsewhere, "ztpserver.conf", "[default]\nidentifier = systemmac\n");
  await stops(1, /the server names nodes by serialnumber, and the ZTPServer by systemmac/, ["--conf", join(elsewhere, "ztpserver.conf")]);
  rmSync(join(folder, "nodes"), { recursive: true });

  // The values that nodes hold are in a database that is not here.
  write(folder, "definitions/leaf", "actions:\n- action: add_config\n  attributes: {url: files/x, variables: {ip: sqlite('loopback')}}\n");
  write(folder, "files/x", "$ip\n");
  write(folder, "resources/loopback", "10.0.0.1: null\n");
  write(folder, "plugins/sqlite", "DB_URL = '/usr/share/ztpserver/db/none.db'\n");
  await stops(1, /definitions call sqlite, and its database is missing: \/usr\/share\/ztpserver\/db\/none\.db does not exist here; copy it, and give the copy with --database/);
});
