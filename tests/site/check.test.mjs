// The checks of the site find each thing that must not be: a site that is as it should be is changed in one place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { problemsOf } from "./check.mjs";
import { ADDRESS, expectedConfig, expectedDefinition, expectedFiles, hasAddress } from "./content.mjs";
import { makeSwitches } from "./switches.mjs";

const SEED = 1;

/** A site whose switches have all booted: `{ switches, records, allocations }`. */
function bootedSite() {
  const switches = makeSwitches(30, 3, SEED);
  const records = new Map();
  const allocations = [];
  for (const one of switches) {
    if (hasAddress(one)) allocations.push({ value: one.reserved ?? `10.20.0.${10 + allocations.length}/22`, node: one.serial });
    const config = expectedConfig(one).replace(ADDRESS, allocations.at(-1)?.value);
    one.backups = [config];
    one.flash = new Map([["startup-config", config]]);
    for (const [name, sha1] of Object.entries(expectedFiles(one, SEED))) one.flash.set(name, { sha1 });
    const store = (name, text) => text && records.set(`nodes/${one.serial}/${name}`, text);
    const neighbors = Object.entries(one.lldp.at(-1).neighbors).map(([port, peer]) => [port, [peer]]);
    store(".node", JSON.stringify({ serialnumber: one.serial, systemmac: one.systemmac, neighbors: Object.fromEntries(neighbors) }));
    store("definition", expectedDefinition(one));
    store("site", "berlin");
    store("startup-config", config);
    const patterns = { leaf: "leaf", spine: "spine", access: "access in the offices", border: `border ${one.serial}`, stranger: "everything else" };
    store("pattern", patterns[one.role] && `name: "${patterns[one.role]}"\n`);
  }
  return { switches, records, allocations };
}

function problems({ switches, records, allocations }) {
  const kv = {
    get: async (key) => records.get(key) ?? null,
    list: async () => ({ keys: [...records.keys()].map((name) => ({ name })) }),
  };
  return problemsOf(switches, { kv, listing: { allocations }, seed: SEED, isStale: false });
}

test("a site that is up has no problem", async () => {
  assert.deepEqual(await problems(bootedSite()), []);
});

const config = (one) => one.flash.get("startup-config");
const setConfig = (one, text) => one.flash.set("startup-config", text);
const addressOf = (one, { allocations }) => allocations.find(({ node }) => node === one.serial).value;

for (const [name, expected, change] of [
  ["a switch that has not booted", /not booted: it gave up/, ({ leaf }) => (leaf.problem = "it gave up")],
  ["a boot without a startup-config", /without a startup-config/, ({ leaf }) => leaf.flash.delete("startup-config")],
  ["the configuration of another switch", /has the configuration of JPE/, ({ leaf, other }) => setConfig(leaf, config(other))],
  ["half a configuration", /has half of its configuration/, ({ leaf }) => setConfig(leaf, config(leaf).slice(0, 90))],
  ["a wrong configuration", /has a wrong configuration/, ({ leaf }) => setConfig(leaf, config(leaf).replace("peer", "pear"))],
  ["a name without its value", /has a wrong configuration/, ({ leaf }) => setConfig(leaf, config(leaf).replace(leaf.router, "$router"))],
  ["an address outside of the pool", /not a value of its own/, ({ leaf }, site) => setConfig(leaf, config(leaf).replace(addressOf(leaf, site), "10.9.9.9/22"))],
  ["an address that another switch has, too", /has 10\S+, as has JPE/, ({ leaf, other }, site) => setConfig(leaf, config(leaf).replace(addressOf(leaf, site), addressOf(other, site)))],
  ["a value that was given twice", /was given to JPE\d+ and to JPE/, ({ leaf, other }, site) => site.allocations.push({ value: addressOf(leaf, site), node: other.serial })],
  ["a node with two values", /was given \S+ and 10.20.3.1/, ({ leaf }, site) => site.allocations.push({ value: "10.20.3.1/22", node: leaf.serial })],
  ["a value that was lost", /gave to nobody/, ({ leaf }, site) => site.allocations.splice(site.allocations.findIndex(({ node }) => node === leaf.serial), 1)],
  ["a file that is not the one served", /lamp.py on flash is not the file/, ({ leaf }) => leaf.flash.set("lamp.py", { sha1: "0" })],
  ["a file that is missing", /flash has no lamp.py/, ({ leaf }) => leaf.flash.delete("lamp.py")],
  ["a file that was left on flash", /startup-config.part was left on flash/, ({ leaf }) => leaf.flash.set("startup-config.part", "hostname")],
  ["the facts of another node", /its facts are those of JPE/, ({ leaf, other }, site) => site.records.set(`nodes/${leaf.serial}/.node`, site.records.get(`nodes/${other.serial}/.node`))],
  ["facts that are missing", /its facts are not stored/, ({ leaf }, site) => site.records.delete(`nodes/${leaf.serial}/.node`)],
  ["another definition", /its definition is another one/, ({ leaf }, site) => site.records.set(`nodes/${leaf.serial}/definition`, "name: quarantine\n")],
  ["another pattern", /its pattern is/, ({ leaf }, site) => site.records.set(`nodes/${leaf.serial}/pattern`, 'name: "spine"\n')],
  ["the record of a node that does not exist", /no switch of the site has that id/, (_, site) => site.records.set("nodes/JPE2/site", "berlin")],
  ["a backup that was lost", /does not keep the startup-config/, ({ leaf }, site) => site.records.set(`nodes/${leaf.serial}/startup-config`, "hostname old\n")],
]) {
  test(`the checks find ${name}`, async () => {
    const site = bootedSite();
    const [leaf, other] = site.switches.filter(({ role }) => role === "leaf");
    change({ leaf, other }, site);
    const found = await problems(site);
    assert.ok(found.some((problem) => expected.test(problem)), found.join("\n"));
  });
}
