// Many sites boot in many places at once, in simulated time, while operators edit neighbordb and nodes, switches back
// up their configurations, foreign sites ask for nodes that are not theirs, KV operations fail, and the runtime is
// killed. Requests of one boot reach different places. The switches are those of tests/site: simulated, with the
// retry rules of assets/bootstrap.
//
// In the end every switch has booted with its own configuration; no foreign record was read or written, and no value
// of the pool was given twice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { generator } from "../../security/random.mjs";
import { GaveUp, Life, send } from "../../site/exchange.mjs";
import { boot } from "../../site/simulated.mjs";
import { startPlaces } from "./bench.mjs";
import { bill, used } from "./prices.mjs";
import { PROPAGATION, SECOND, SHOWN, STALE_WINDOW, each, eventually } from "./requests.mjs";
import { IS_FULL, scaled } from "./scale.mjs";

const [SITES, SWITCHES, PLACES] = process.env.ZTP_PLACES_SIZE?.split("x").map(Number) ?? scaled([300, 30, 20], [10, 8, 4]);
/** How many sites boot at a time: what this machine can simulate. */
const AT_ONCE = scaled(10, 5);
/** How many times as fast as in the test time passes. */
const RATE = 10;
const SEED = 1;
/** One KV operation in so many fails. */
const FAILS_OF = 500;
/** One request in so many reaches another place than the site's. */
const ROAMS_OF = 4;
/**
 * One switch in so many: boots again from its backup; is claimed by a foreign site; has its definition replaced; moves
 * to another site (0: none).
 */
const [REBOOTS_OF, CLAIMED_OF, EDITED_OF, MOVED_OF] = [10, 3, 15, scaled(300, 0)];
/** Seconds between two edits of neighbordb. */
const EDIT_INTERVAL = 40;
/** Attempts of a request that answers 503 or nothing, and the seconds between two of them. */
const [ATTEMPTS, PAUSE] = [30, 5];
/** Milliseconds in which all copies must be in KV at the end. */
const MAX_COPY = 60_000;
const ADMIN = "an-admin-token-of-enough-length";
const POOL = "mgmt";

const definition = (name) => `name: ${name}
attributes:
  made_by: ${name}
actions:
- action: add_config
  attributes:
    url: files/base.template
    variables:
      hostname: $hostname
      ipaddress: allocate('${POOL}')
      made_by: $made_by
`;
const TEMPLATE = "hostname $hostname\ninterface Management1\n   ip address $ipaddress\n! $made_by\n";
const neighbordb = (version) => `patterns:\n- name: pattern-${version}\n  definition: version-${version}\n  interfaces:\n  - Ethernet1: spine1:any\n`;

const random = generator(SEED);
const sites = Array.from({ length: SITES }, (_, at) => ({ name: `site${at}`, token: `site${at}-token-0123456789`, place: at % PLACES }));
const switches = sites.flatMap((site, at) =>
  Array.from({ length: SWITCHES }, (_, number) => {
    const position = at * SWITCHES + number;
    const neighbors = { Ethernet1: { device: "spine1", port: `Ethernet${1 + number}` } };
    return {
      serial: `SITE${at}N${number}`,
      systemmac: `00:1c:73:${[position >> 16, (position >> 8) & 255, position & 255].map((byte) => byte.toString(16).padStart(2, "0")).join(":")}`,
      model: "DCS-7050TX-64-R",
      version: "4.31.1F",
      site,
      hostname: `${site.name}-${number}`,
      lldp: [{ after: 0, neighbors, connected: ["Ethernet1"] }],
      random: random.below(1 << 30),
      reboots: position % REBOOTS_OF === 3,
      isClaimed: position % CLAIMED_OF === 1,
      isEdited: position % EDITED_OF === 5,
      // Early enough: a move takes longer than the boot of a site.
      moves: position % MOVED_OF === 7 && at < SITES / 2,
      flash: new Map(),
      configs: [],
    };
  }),
);

let bench;
before(async () => {
  const tokens = sites.map(({ name, token }) => `${name}=${token}`).join("\n");
  bench = await startPlaces({ places: PLACES, bindings: { ZTP_TOKENS: tokens, ZTP_ADMIN_TOKEN: ADMIN }, rate: RATE, kv: { seed: SEED, propagation: PROPAGATION, read: 2, write: 5 } });
  const attributes = switches.map(({ serial, hostname }) => [`nodes/${serial}/attributes`, `hostname: ${hostname}\n`]);
  await bench.kv.putAll({
    ...Object.fromEntries(attributes),
    neighbordb: neighbordb("a"),
    "definitions/version-a": definition("version-a"),
    "definitions/version-b": definition("version-b"),
    [`resources/${POOL}`]: "10.20.0.1-10.20.99.250/16: null\n",
  });
  await (await bench.r2()).put("files/base.template", TEMPLATE);
  await bench.advance(SHOWN);
  await bench.rules({ oneIn: FAILS_OF });
});
after(() => bench?.stop());

const problems = [];
const report = (one) => (error) => void problems.push(`${one.serial}: ${error.message}`);
/** The checks after the boot of a site. */
const later = [];
const figures = { boots: 0, retries: 0, refusals: 0, foreign: 0, longest: 0, slowest: 0 };
const reasons = new Map();

/** The life of a switch: its requests reach the place of its site, and now and then another one. */
function lifeOf(one, chance) {
  return new Life({
    scale: 1 / RATE,
    route(url) {
      const routed = new URL(url);
      routed.port = placeOf(one.site, chance).url.port;
      return routed.href;
    },
  });
}

const placeOf = (site, chance) => bench.places[chance.below(ROAMS_OF) === 0 ? chance.below(PLACES) : site.place];

/** Boots a switch. `isNear` is how its configuration must be. */
async function bootOnce(one, chance) {
  const began = performance.now();
  const site = {
    bootstrapUrl: `${bench.places[one.site.place].url.origin}/t/${one.site.token}/bootstrap`,
    retried(_, problem) {
      figures.retries += 1;
      const reason = problem.replace(/SITE\d+N\d+/g, "N").trim().slice(0, 120);
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      // ZTPServer's own client gives up here.
      if (/answered 400/.test(problem)) problems.push(`${one.serial}: ${problem.trim()}`);
    },
    refused: () => void problems.push(`${one.serial}: POST nodes was refused`),
  };
  one.flash.delete("startup-config");
  try {
    await boot(one, one.flash, lifeOf(one, chance), site);
    figures.boots += 1;
  } catch (error) {
    if (!(error instanceof GaveUp)) throw error;
    problems.push(`${one.serial}: not booted: ${error.message}`);
  }
  figures.longest = Math.max(figures.longest, ((performance.now() - began) / 1000) * RATE);
  return one.flash.get("startup-config");
}

/** One request below the token of a site, in any place; it is sent again while the answer is 503. */
async function ask(site, life, chance, method, path, body) {
  for (let attempt = 1; ; attempt += 1) {
    let problem;
    try {
      const began = performance.now();
      const headers = body === undefined ? {} : { "Content-Type": "application/json" };
      const answer = await send(`${bench.places[chance.below(PLACES)].url.origin}/t/${site.token}${path}`, { method, body, headers, timeout: 30, life });
      figures.slowest = Math.max(figures.slowest, performance.now() - began);
      if (answer.status !== 503) return answer;
      if (!/^\d+$/.test(answer.headers["retry-after"] ?? "")) problems.push(`${method} ${path}: 503 without Retry-After`);
      problem = `503 ${answer.text}`;
    } catch (error) {
      problem = error.message;
    }
    if (attempt === ATTEMPTS) throw new Error(`${method} ${path}: ${problem}`);
    await life.sleep(PAUSE);
  }
}

/** A switch from its power-on to its backup, with all that happens to it. */
async function live(one) {
  const chance = generator(one.random);
  // A foreign site and the backup reach any place.
  const life = new Life({ scale: 1 / RATE });
  const path = `/nodes/${one.serial}`;
  one.configs.push(await bootOnce(one, chance));
  if (one.isClaimed) await intrude(one, life, chance);
  // These take longer than the boot of a site, and run beside it.
  if (one.moves) return void later.push(move(one).catch(report(one)));
  if (one.isEdited) return void later.push(replace(one, life, chance).catch(report(one)));
  const config = one.configs[0];
  if (config === undefined) return;
  for (const body of one.reboots ? [config, `${config}! changed\n`, config] : [config]) {
    const { status, text } = await ask(one.site, life, chance, "PUT", `${path}/startup-config`, body);
    if (status !== 201) problems.push(`${one.serial}: PUT startup-config: ${status} ${text}`);
  }
  one.backup = config;
  const { status, text } = await ask(one.site, life, chance, "GET", `${path}/startup-config`);
  if (status !== 200 || text !== config) problems.push(`${one.serial}: GET startup-config after PUT: ${status} ${text.slice(0, 100)}`);
  if (one.reboots && (await bootOnce(one, chance)) !== config) problems.push(`${one.serial}: it did not boot from its backup`);
}

/** An operator replaces the definition of a node. */
async function replace(one, life, chance) {
  const path = `/nodes/${one.serial}`;
  await bench.kv.put(`${path.slice(1)}/definition`, definition("edited"));
  one.isReplaced = true;
  await life.sleep(SHOWN / SECOND);
  const { status, text } = await ask(one.site, life, chance, "GET", path);
  if (status !== 200 || JSON.parse(text).name !== "edited") problems.push(`${one.serial}: the operator's definition is not served: ${status} ${text.slice(0, 100)}`);
}

/** Another site asks for a node, and claims it: everything is refused. */
async function intrude(one, life, chance) {
  const other = sites[(sites.indexOf(one.site) + 1 + chance.below(SITES - 1)) % SITES];
  const facts = { serialnumber: one.serial, systemmac: "00:00:00:00:00:01", model: "foreign", version: "foreign", neighbors: { Ethernet1: [{ device: "spine1", port: "Ethernet1" }] } };
  const path = `/nodes/${one.serial}`;
  const requests = [["POST", "/nodes", JSON.stringify(facts)], ["GET", path], ["GET", `${path}/startup-config`], ["PUT", `${path}/startup-config`, "hostname foreign\n"]];
  for (const [method, asked, body] of requests) {
    const { status, text } = await ask(other, life, chance, method, asked, body);
    figures.foreign += 1;
    if (status !== 400 && status !== 403) problems.push(`${other.name} got ${status} to ${method} ${asked}: ${text.slice(0, 80)}`);
  }
}

/** An operator forgets a node, and it boots at another site. */
async function move(one) {
  const chance = generator(one.random + 1);
  const keys = await bench.kv.list(`nodes/${one.serial}/`);
  await bench.kv.putAll(Object.fromEntries(keys.map((key) => [key, key.endsWith("/attributes") ? `hostname: ${one.hostname}\n` : null])));
  await new Life({ scale: 1 / RATE }).sleep((STALE_WINDOW + SHOWN) / SECOND);
  one.site = sites[(sites.indexOf(one.site) + 1) % SITES];
  one.configs.push(await bootOnce(one, chance));
}

/** Edits neighbordb until `life` is over: its one pattern gives one definition, then the other. */
async function edit(life) {
  for (let number = 1; !life.isOver; number += 1) {
    await bench.kv.put("neighbordb", neighbordb("ab"[number % 2]));
    await life.sleep(EDIT_INTERVAL);
  }
}

const VERSION = /version-([ab])/;
/** Why the records of a switch are not as they must be; undefined if they are. */
function problemOf(one, [facts, pattern, stored, site, config]) {
  if (site?.trim() !== one.site.name) return `${one.serial} belongs to ${site?.trim()}, not to ${one.site.name}`;
  const { serialnumber, systemmac } = JSON.parse(facts ?? "{}");
  if (serialnumber !== one.serial || systemmac.replace(/\W/g, "") !== one.systemmac.replace(/\W/g, "")) return `${one.serial}: its facts are ${facts}`;
  const versions = [/pattern-([ab])/.exec(pattern ?? "")?.[1], VERSION.exec(stored ?? "")?.[1]];
  if (one.isReplaced ? stored !== definition("edited") : !versions[0] || versions[0] !== versions[1]) return `${one.serial}: its pattern is ${pattern?.split("\n")[0]}, its definition ${stored?.split("\n")[0]}`;
  if ((config ?? undefined) !== one.backup) return `${one.serial}: its startup-config is ${config?.slice(0, 60)}`;
  return undefined;
}

test(`${SITES} sites with ${SWITCHES} switches each boot in ${PLACES} places at once`, { timeout: 600_000 }, async () => {
  const began = performance.now();
  const editing = new Life({ scale: 1 / RATE });
  const edits = edit(editing).catch((error) => assert.ok(error.isPowerCut, error));
  let [counts, killed] = [undefined, false];
  await each(SITES, AT_ONCE, async (at) => {
    if (at >= SITES / 2 && !killed) {
      killed = true;
      counts = await bench.figures();
      await bench.kill();
    }
    const own = switches.slice(at * SWITCHES, (at + 1) * SWITCHES);
    await Promise.all(own.map((one) => live(one).catch(report(one))));
  });
  await Promise.all(later);
  const seconds = (performance.now() - began) / 1000;
  editing.cut();
  await edits;

  // Records: those of each switch, and none of another one.
  let wrong;
  const isCopied = async () => {
    const names = [".node", "pattern", "definition", "site", "startup-config"];
    const stored = await bench.kv.getAll(switches.flatMap(({ serial }) => names.map((name) => `nodes/${serial}/${name}`)));
    wrong = switches.map((one, at) => problemOf(one, stored.slice(at * names.length, (at + 1) * names.length))).filter(Boolean);
    return wrong.length === 0;
  };
  await eventually(isCopied, problems.length > 0 ? 2000 : MAX_COPY);
  problems.push(...wrong);
  const known = new Set(switches.map(({ serial }) => serial));
  for (const key of await bench.kv.list("nodes/")) if (!known.has(key.split("/")[1])) problems.push(`${key} is stored`);

  // Configurations, and the values of the pool.
  await bench.rules({ oneIn: 0 });
  const listing = await bench.places[0].request("GET", `/admin/pools/${POOL}`, { headers: { Authorization: `Bearer ${ADMIN}` } });
  const holders = new Map(listing.json.allocations.map(({ value, node }) => [node, value]));
  if (new Set(holders.values()).size !== listing.json.allocations.length) problems.push("the pool lists a value twice");
  for (const one of switches) {
    for (const config of one.configs.filter((config) => config !== undefined)) {
      const [, hostname, address, name] = /^hostname (\S+)\ninterface Management1\n {3}ip address (\S+)\n! (\S+)\n$/.exec(config) ?? [];
      if (hostname !== one.hostname || !VERSION.test(name ?? "")) problems.push(`${one.serial}: it has the configuration of ${hostname}, made by ${name}`);
      if (holders.get(one.serial) !== address) problems.push(`${one.serial}: it configures ${address}; the pool gave it ${holders.get(one.serial)}`);
    }
  }
  const lines = bench.logs().map(({ message }) => message).filter((message) => message.startsWith('{"method"')).map((message) => JSON.parse(message));
  for (const { status, method, route, reason } of lines) if (status >= 500 && status !== 503) problems.push(`${method} ${route}: ${status} ${reason}`);

  const last = await bench.figures();
  for (const [name, count] of Object.entries(counts ?? {})) if (name !== "kv") last[name] += count;
  console.log(`sites: ${figures.boots} boots of ${switches.length} switches in ${seconds.toFixed(0)} s (${(seconds * RATE).toFixed(0)} s simulated)`);
  console.log(`  longest boot ${figures.longest.toFixed(0)} s simulated; slowest answer to a backup or a foreign site ${figures.slowest.toFixed(0)} ms`);
  console.log(`  ${figures.retries} retries of clients, ${figures.foreign} foreign requests, ${last.kv.faults} failures of KV, ${last.kv.rejected} writes rejected with 429`);
  for (const line of bill(used(last), figures.boots)) console.log(line);
  if (IS_FULL || problems.length > 0) for (const [reason, count] of [...reasons].sort((one, other) => other[1] - one[1]).slice(0, 8)) console.log(`  retried ${count} times: ${reason}`);
  const kinds = new Map();
  for (const problem of problems) {
    const kind = problem.replace(/(SITE\d+N\d+|site\d+)/g, "N").slice(0, 90);
    kinds.set(kind, [...(kinds.get(kind) ?? []), problem]);
  }
  assert.equal(problems.length, 0, `${problems.length} problems:\n${[...kinds.values()].slice(0, 20).map((list) => `${list.length} times: ${list[0]}`).join("\n")}`);
  assert.equal(figures.boots, switches.length + switches.filter(({ reboots, isEdited, moves: isMoved }) => isMoved || (reboots && !isEdited)).length);
});
