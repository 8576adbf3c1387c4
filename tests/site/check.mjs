// The checks at the end: every switch has booted, with its own configuration and nobody else's.

import { ADDRESS, expectedConfig, expectedDefinition, expectedFiles, hasAddress, isItsAddress, POOL, SITE } from "./content.mjs";
import { digest } from "./simulated.mjs";

/**
 * The problems of a site, a line each; none if all is well. `listing` is the list of the pool; if
 * KV `isStale`, a switch that starts again may boot by the facts of its first start.
 */
export async function problemsOf(switches, { kv, listing, seed, isStale }) {
  const problems = [];
  const holders = new Map();
  for (const one of switches) {
    const report = (problem) => problems.push(`${one.serial} (${one.role}${one.isProcess ? ", a process" : ""}): ${problem}`);
    if (one.problem) report(`not booted: ${one.problem}`);
    const config = one.flash.get("startup-config");
    if (config === undefined) {
      if (!one.problem) report("booted without a startup-config");
    } else {
      const address = checkConfig(one, config, switches, report);
      if (address) {
        if (!isItsAddress(one, address)) report(`has ${address}, which is not a value of its own: its reservation is ${one.reserved ?? "none"}`);
        if (holders.has(address)) report(`has ${address}, as has ${holders.get(address)}`);
        holders.set(address, one.serial);
      }
    }
    if (!one.problem) checkFlash(one, seed, report);
    await checkRecords(one, kv, report, isStale && one.wasCut);
  }
  checkPool(switches, holders, listing, (problem) => problems.push(`pool ${POOL}: ${problem}`));
  const known = new Set(switches.map(({ serial }) => serial));
  for (const { name } of (await kv.list({ prefix: "nodes/" })).keys) {
    if (!known.has(name.split("/")[1])) problems.push(`${name} is stored: no switch of the site has that id`);
  }
  return problems;
}

/** Reports a configuration that is not the expected one; returns the address of one that is. */
function checkConfig(one, config, switches, report) {
  const expected = expectedConfig(one);
  const address = addressIn(config, expected);
  if (address !== undefined) return address;
  const other = switches.find((other) => other !== one && addressIn(config, expectedConfig(other)) !== undefined);
  const [start] = expected.split(ADDRESS);
  if (other) report(`has the configuration of ${other.role === "stranger" ? "a switch that fits the last pattern alone" : other.serial} (${other.role})`);
  else if (config.length < expected.length && config.startsWith(start.slice(0, config.length))) report(`has half of its configuration: ${shown(config)}`);
  else report(`has a wrong configuration: ${shown(config)}`);
  return undefined;
}

/** The address in a configuration, "" if the expected one has none; undefined if it is another one. */
function addressIn(config, expected) {
  const [start, end] = expected.split(ADDRESS);
  if (end === undefined) return config === expected ? "" : undefined;
  if (!config.startsWith(start) || !config.endsWith(end)) return undefined;
  const address = config.slice(start.length, config.length - end.length);
  return /^\S+$/.test(address) ? address : undefined;
}

const shown = (text) => `${text.length} characters, ${JSON.stringify(text.slice(0, 60))} ... ${JSON.stringify(text.slice(-40))}`;

function checkFlash(one, seed, report) {
  const expected = expectedFiles(one, seed);
  for (const [name, sha1] of Object.entries(expected)) {
    const kept = one.flash.get(name);
    if (kept === undefined) report(`flash has no ${name}`);
    else if (digest(kept) !== sha1) report(`${name} on flash is not the file that is served`);
  }
  // A power cut after the startup-config is in place leaves no client to tidy up.
  if (one.isLateCut) return;
  for (const name of one.flash.keys()) {
    // The client keeps the files of an interrupted boot under other names, for debugging.
    const isKept = one.wasCut && name.endsWith(".ztp");
    if (name !== "startup-config" && !(name in expected) && !isKept) report(`${name} was left on flash`);
  }
}

/** Reports records of a node that are missing, half or another node's. */
async function checkRecords(one, kv, report, seesOldFacts) {
  const read = (name) => kv.get(`nodes/${one.serial}/${name}`);
  const facts = await read(".node");
  if (facts === null) return report("its facts are not stored");
  const { serialnumber, systemmac, neighbors } = JSON.parse(facts);
  const readings = seesOldFacts ? one.lldp : one.lldp.slice(-1);
  const seen = readings.map((reading) => canonical(Object.fromEntries(Object.entries(reading.neighbors).map(([port, peer]) => [port, [peer]]))));
  if (serialnumber !== one.serial || systemmac.replace(/\W/g, "") !== one.systemmac.replace(/\W/g, "")) report(`its facts are those of ${serialnumber}, ${systemmac}`);
  if (!seen.includes(canonical(neighbors))) report(`the neighbors in its facts are ${canonical(neighbors)}, not ${seen.at(-1)}`);

  const definition = await read("definition");
  if (definition !== (expectedDefinition(one) ?? null)) report(`its definition is ${definition === null ? "not stored" : `another one: ${shown(definition)}`}`);
  const pattern = await read("pattern");
  const name = { leaf: "leaf", spine: "spine", access: "access in the offices", border: `border ${one.serial}`, stranger: "everything else" }[one.role];
  if (pattern?.match(/^name: "?(.*?)"?$/m)?.[1] !== name) report(`its pattern is ${pattern === null ? "not stored" : shown(pattern)}`);
  if (one.backups && (await read("startup-config")) !== one.backups.at(-1)) report(`the server does not keep the startup-config that it stored last${one.backupProblem ? ` (${one.backupProblem})` : ""}`);
  const site = await read("site");
  if (site?.trim() !== SITE) report(`it belongs to the site ${site}`);
}

/** Neighbors as a text, the same for every order and for both names of the remote port. */
function canonical(neighbors) {
  const peers = (list) => list.map(({ device, port, remote_interface: other }) => `${device}:${port ?? other}`).sort();
  return Object.keys(neighbors).sort().map((port) => `${port}=${peers(neighbors[port])}`).join(" ");
}

function checkPool(switches, holders, { allocations }, report) {
  const byValue = new Map();
  const byNode = new Map();
  for (const { value, node } of allocations) {
    if (byValue.has(value)) report(`${value} was given to ${byValue.get(value)} and to ${node}`);
    if (byNode.has(node)) report(`${node} was given ${byNode.get(node)} and ${value}`);
    byValue.set(value, node);
    byNode.set(node, value);
  }
  for (const [address, serial] of holders) {
    if (byValue.get(address) !== serial) report(`${serial} configures ${address}, which the pool gave to ${byValue.get(address) ?? "nobody"}`);
  }
  for (const one of switches) if (!hasAddress(one) && byNode.has(one.serial)) report(`${one.serial} (${one.role}) was given ${byNode.get(one.serial)}, and asks for none`);
}
