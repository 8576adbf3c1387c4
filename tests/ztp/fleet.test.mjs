// The commands of `ztp` on nodes, pools and the audit log, with the real Worker.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { facts, startWorker } from "../e2e/harness.mjs";
import { TOKEN, build, scratch, write, ztp } from "./run.mjs";

let worker;
before(async () => {
  build();
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN }, bundle: "bundle-clock" });
});
after(() => worker.stop());
beforeEach(async () => {
  await worker.reset();
  await worker.kv.put("neighbordb", "patterns:\n- {name: leaf, definition: leaf, interfaces: [{Ethernet1: 'spine1:Ethernet7'}]}\n");
  await worker.kv.put("definitions/leaf", "name: leaf\nactions:\n- action: add_config\n  attributes: {url: files/base, variables: {ip: allocate('mgmt')}}\n");
  await worker.kv.put("resources/mgmt", "10.0.0.1/24: null\n10.0.0.2/24: null\n");
});

/** Runs a command, which must end with a status. */
async function run(status, ...args) {
  const options = typeof args.at(-1) === "object" ? args.pop() : {};
  const done = await ztp(args, { url: String(worker.url), ...options });
  assert.equal(done.status, status, done.printed);
  return done;
}

const lines = ({ out }) => out.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
const boot = async (serial) => {
  const posted = await worker.request("POST", "/nodes", { body: JSON.stringify(facts(serial)), headers: { "Content-Type": "application/json" } });
  assert.equal(posted.status, 201, posted.text);
  return worker.request("GET", `/nodes/${serial}`);
};

test("login verifies a token with the server, and stores it", async (t) => {
  const stored = { url: "", token: "", home: scratch(t) };
  const login = ["login", "--url", String(worker.url)];
  assert.match((await run(2, ...login, { ...stored, input: "another-token-0123" })).printed, /does not accept this token/);
  assert.match((await run(2, "nodes", stored)).printed, /no server is given/);
  assert.match((await run(0, ...login, { ...stored, input: `${TOKEN}\n` })).printed, /: admin token with the role admin; the token is in /);
  assert.equal((await run(0, "nodes", stored)).printed, "0 nodes\n");
  await run(0, "logout", stored);
  await run(2, "nodes", stored);
});

test("explain tells what a switch would get, and allocates nothing", async () => {
  const neighbor = ["--neighbor", "Ethernet1=spine1:Ethernet7"];
  const explained = (await run(0, "explain", "--serial", "NEW1", ...neighbor, "--json")).json;
  assert.deepEqual([explained.node, explained.known, explained.status, explained.selection.pattern], ["NEW1", false, 201, "leaf"]);
  assert.deepEqual(explained.pools, [{ pool: "mgmt", value: "10.0.0.1/24", held: false }]);
  assert.match((await run(0, "explain", "--serial", "NEW1", ...neighbor)).printed, /^node NEW1\nPOST \/nodes: 201\n[^]*pool mgmt: it would get 10\.0\.0\.1\/24\n[^]*the node receives:\n\{\n {2}"name": "leaf"/);
  assert.match((await run(1, "explain", "--serial", "NEW1")).printed, /refused with 400: /);
  assert.deepEqual((await worker.request("GET", "/admin/pools/mgmt", { headers: { Authorization: `Bearer ${TOKEN}` } })).json.taken, 0);
  await boot("JPE1");
  assert.match((await run(0, "explain", "--id", "JPE1")).printed, /the node is known[^]*pool mgmt: it has 10\.0\.0\.1\/24/);
});

test("check-list gives each value of a pool to one switch of the list only", async () => {
  await worker.kv.put("resources/mgmt", "10.0.0.1/24: null\n10.0.0.2/24: null\n10.0.0.9/24: NEW9\n");
  const list = ["NEW1", "NEW9", "NEW2", "NEW1", "NEW3"].map((serial) => `${serial},DCS,Ethernet1=spine1:Ethernet7\n`).join("");
  const text = (await run(1, "check-list", "-", { input: `serial,model,neighbors\n${list}` })).printed;
  const expected = [["NEW1", "10.0.0.1/24"], ["NEW9", "10.0.0.9/24"], ["NEW2", "10.0.0.2/24"], ["NEW1", "10.0.0.1/24"]];
  for (const [index, [serial, value]] of expected.entries()) assert.match(text.split("\n")[index], new RegExp(`^boots {2}${serial} .*, with mgmt ${value}$`));
  assert.match(text, /\nFAILS {2}NEW3 +the pool mgmt has no value left for it: other switches of the list receive the last ones; add values, or release some\n5 switches: 4 will boot, 1 will not\n$/);

  // Two names each: a switch receives both or none.
  await worker.kv.put("definitions/leaf", "name: leaf\nactions:\n- action: add_config\n  attributes: {url: files/base, variables: {a: \"allocate('mgmt', 'a')\", b: \"allocate('mgmt', 'b')\"}}\n");
  await worker.kv.put("resources/mgmt", "1: null\n2: null\n3: null\n4: null\n");
  await worker.advance(60_000);
  await boot("OLD1");
  const two = lines(await run(1, "check-list", "-", "--json", { input: `serial,model,neighbors\nOLD1,,Ethernet1=spine1:Ethernet7\n${list}` }));
  assert.deepEqual(two.map(({ name, boots }) => [name, boots]), [["OLD1", true], ["NEW1", true], ["NEW9", false], ["NEW2", false], ["NEW1", true], ["NEW3", false]]);
  assert.match(two[0].reason, /with mgmt \(a\) 1, with mgmt \(b\) 2$/);
  assert.match(two[1].reason, /with mgmt \(a\) 3, with mgmt \(b\) 4$/);
});

test("check-list tells which switches will boot, and why not the others", async (t) => {
  const list = "serial,model,neighbors\nNEW1,DCS,Ethernet1=spine1:Ethernet7\nNEW2,DCS,Ethernet1=spine2:Ethernet7\nNEW3,,\n";
  const file = join(scratch(t), "tonight.csv");
  write(join(file, ".."), "tonight.csv", list);
  const text = (await run(1, "check-list", file)).printed;
  assert.match(text, /^boots {2}NEW1 +by the pattern 'leaf', with the definition 'leaf', with mgmt 10\.0\.0\.1\/24\nFAILS {2}NEW2 +.*\nFAILS {2}NEW3 +.*\n3 switches: 1 will boot, 2 will not\n$/);
  const results = lines(await run(1, "check-list", "-", "--json", { input: list }));
  assert.deepEqual(results.map(({ line, name, boots }) => [line, name, boots]), [[2, "NEW1", true], [3, "NEW2", false], [4, "NEW3", false]]);
  assert.equal(results[0].explanation.selection.pattern, "leaf");
  await run(0, "check-list", "-", { input: list.split("\n").slice(0, 2).join("\n") });
  assert.match((await run(2, "check-list", "-", { input: "serial,neighbors\nX,spine1\n" })).printed, /line 2: 'spine1' is not a valid neighbor; write INTERFACE=DEVICE:PORT/);
});

test("nodes lists nodes, and node shows one", async () => {
  await boot("JPE1");
  await worker.kv.put("nodes/RACK2/site", "berlin");
  await worker.kv.put("nodes/RACK2/startup-config", "hostname rack2\n");
  const settled = async () => lines(await run(0, "nodes", "--json")).length;
  for (let waited = 0; (await settled()) < 2; waited += 1) assert.ok(waited < 20);
  const all = lines(await run(0, "nodes", "--json"));
  assert.deepEqual(all.map(({ node, site }) => [node, site]), [["JPE1", null], ["RACK2", "berlin"]]);
  assert.match((await run(0, "nodes", "--site", "berlin")).printed, /^RACK2 +berlin +- +site startup-config\n1 nodes\n$/);
  for (let waited = 0; !/^JPE1 +- +served +[^]*1 nodes\n$/.test((await run(0, "nodes", "--text", "jpe")).printed); waited += 1) assert.ok(waited < 20);
  const shown = (await run(0, "node", "JPE1")).printed;
  assert.match(shown, /^node JPE1, site -\n {2}state +served\n {2}model +DCS-7050TX-64-F\n[^]* {2}Ethernet1 +spine1:Ethernet7\n[^]*record definition +\w{40} \d+ B\n[^]*pool mgmt +10\.0\.0\.1\/24 /);
  assert.equal((await run(0, "node", "JPE1", "--json")).json.facts.serialnumber, "JPE1");
  assert.match((await run(1, "node", "NOBODY")).printed, /error: reading the node NOBODY failed: /);
});

test("assign stores and deletes records of a node, and refuses invalid ones", async (t) => {
  const folder = scratch(t);
  write(folder, "config", "hostname new\n");
  write(folder, "broken", "actions: 7\n");
  const file = (name) => join(folder, name);
  assert.match((await run(0, "assign", "NEW1", "--startup-config", file("config"))).printed, /^NEW1: assigned \(number 1 of the audit log\)\n$/);
  assert.equal((await worker.request("GET", "/nodes/NEW1/startup-config")).text, "hostname new\n");
  const refused = await run(1, "assign", "NEW1", "--definition", file("broken"));
  assert.match(refused.printed, /^ {2}error: line 1: .*\nerror: assigning to NEW1 failed: /);
  assert.match((await run(0, "assign", "NEW1", "--definition", file("broken"), "--force")).printed, /error: line 1: [^]*NEW1: assigned/);
  assert.equal((await run(0, "assign", "NEW1", "--delete", "startup-config", "--delete", "definition", "--json")).json.node, "NEW1");
  assert.equal((await worker.request("GET", "/nodes/NEW1/startup-config")).status, 400);
  assert.match((await run(2, "assign", "NEW1")).printed, /no record is given; give --definition/);
});

test("reprovision, move and forget change a node, also if they are repeated", async () => {
  await boot("JPE1");
  assert.match((await run(0, "reprovision", "JPE1")).printed, /^JPE1: it matches neighbordb at its next boot \(number 1 /);
  assert.match((await run(0, "reprovision", "JPE1")).printed, /nothing is changed/);
  assert.equal((await boot("JPE1")).status, 200);
  // Such as its backup.
  await worker.request("PUT", "/nodes/JPE1/startup-config", { body: "hostname a\n" });
  assert.match((await run(0, "reprovision", "JPE1")).printed, /^JPE1: it stays known by its startup-config .*--delete startup-config` \(number 2 /);
  await run(0, "assign", "JPE1", "--delete", "startup-config");
  assert.equal((await boot("JPE1")).status, 200);
  assert.match((await run(0, "move", "JPE1", "berlin")).printed, /^JPE1 belongs to berlin now/);
  assert.match((await run(0, "move", "JPE1", "berlin")).printed, /belongs to berlin already/);
  assert.match((await run(0, "move", "JPE1", "--no-site")).printed, /belongs to no site now/);
  assert.match((await run(0, "forget", "JPE1", "--pools")).printed, /^JPE1: forgotten .*\n {2}released 10\.0\.0\.1\/24 of mgmt\n$/);
  assert.equal((await run(0, "forget", "JPE1", "--json")).json.audit, null);
});

test("pools shows pools and the values of a node, and releases these", async () => {
  await boot("JPE1");
  assert.equal((await run(0, "pools")).printed, "mgmt\n");
  assert.match((await run(0, "pools", "mgmt")).printed, /^mgmt: 1 of 2 values taken\n {2}10\.0\.0\.1\/24 +JPE1 +\d{4}-/);
  assert.match((await run(0, "pools", "--node", "JPE1")).printed, /^mgmt +10\.0\.0\.1\/24 +\d{4}-/);
  assert.deepEqual((await run(0, "pools", "--node", "JPE1", "--release", "--json")).json.released, [{ pool: "mgmt", value: "10.0.0.1/24" }]);
  assert.equal((await run(0, "pools", "mgmt", "--json")).json.taken, 0);
});

test("a value with a name is shown with it", async () => {
  const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('mgmt', 'uplink1')" } }] });
  await worker.kv.put("nodes/NAMED1/definition", definition);
  assert.match((await run(0, "explain", "--id", "NAMED1")).printed, /pool mgmt \(uplink1\): it would get 10\.0\.0\.1\/24/);
  assert.equal((await worker.request("GET", "/nodes/NAMED1")).status, 200);
  assert.match((await run(0, "pools", "mgmt")).printed, / {2}10\.0\.0\.1\/24 +NAMED1\/uplink1 +\d{4}-/);
  assert.match((await run(0, "pools", "--node", "NAMED1")).printed, /^mgmt \(uplink1\) +10\.0\.0\.1\/24 +\d{4}-/);
  assert.match((await run(0, "node", "NAMED1")).printed, /pool mgmt \(uplink1\) +10\.0\.0\.1\/24/);
  assert.match((await run(0, "forget", "NAMED1", "--pools")).printed, /released 10\.0\.0\.1\/24 of mgmt \(uplink1\)/);
});
