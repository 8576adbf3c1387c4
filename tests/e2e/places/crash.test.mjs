// The runtime is killed with SIGKILL while switches write: every record that was acknowledged is in KV within a
// minute after the restart, and is served at once.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { generator } from "../../security/random.mjs";
import { startPlaces } from "./bench.mjs";
import { CONTENT, PROPAGATION, SHOWN, TOKENS, eventually, get, post, put, shown } from "./requests.mjs";
import { scaled } from "./scale.mjs";

const ROUNDS = scaled(100, 3);
const WRITERS = 10;
/** Milliseconds from the first request of a round to the kill, at most. */
const MAX_LIFE = 1500;
/** Milliseconds from the restart until KV has the records. */
const MAX_COPY = 60_000;
const SEED = 1;

let bench;
before(async () => {
  bench = await startPlaces({ places: 3, bindings: { ZTP_TOKENS: TOKENS }, kv: { write: 10, propagation: PROPAGATION } });
  await bench.kv.putAll(CONTENT);
  await bench.advance(SHOWN);
});
after(() => bench?.stop());

/**
 * Registers a node, and stores one startup-config after the other, until the runtime is killed. `log` lists what was
 * sent: `{ record, value, isAcknowledged }`.
 */
async function write(node, places, random, log, life) {
  const send = async (record, value, request) => {
    const entry = { record, value, isAcknowledged: false };
    log.push(entry);
    let answer;
    try {
      answer = await request();
    } catch {
      // The runtime was killed.
      return false;
    }
    entry.isAcknowledged = answer.status === 201 || answer.status === 409;
    assert.ok(entry.isAcknowledged || answer.status === 503, `${node}: ${shown(answer)}`);
    return true;
  };
  const place = () => places[random.below(places.length)];
  for (let number = 0; !life.isOver; number += 1) {
    const isPost = number === 0 || random.chance(0.2);
    const value = `${node} ${number}`;
    const request = isPost ? () => post(place(), node, { version: value }) : () => put(place(), node, `hostname ${value}\n`);
    if (!(await send(isPost ? "version" : "startup-config", value, request))) return;
    await sleep(random.below(60));
  }
}

/** The number of the newest write of a record that was acknowledged, in its log; -1 if none was. */
const acknowledged = (log, record) => log.findLastIndex((entry) => entry.record === record && entry.isAcknowledged);

/** Why the records that are stored are not those that were acknowledged; undefined if they are. */
function problemOf(node, log, { facts, definition, pattern, site, config }) {
  const isNewest = (record, value) => {
    const at = acknowledged(log, record);
    return at < 0 || log.slice(at).some((entry) => entry.record === record && entry.value === value);
  };
  if (acknowledged(log, "version") >= 0) {
    if (!facts || !definition || !pattern || site?.trim() !== "berlin") return `${node} has no ${Object.entries({ facts, definition, pattern, site }).find(([, text]) => !text)?.[0]}`;
    if (!isNewest("version", JSON.parse(facts).version)) return `${node}: its facts are those of ${JSON.parse(facts).version}, not of ${log[acknowledged(log, "version")].value}`;
  }
  if (!isNewest("startup-config", config?.trim().replace("hostname ", ""))) return `${node}: its startup-config is ${config?.trim()}, not ${log[acknowledged(log, "startup-config")].value}`;
  return undefined;
}

test("what was acknowledged before the runtime was killed is in KV within a minute", { timeout: 900_000 }, async () => {
  const random = generator(SEED);
  let longest = 0;
  let writes = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const logs = new Map(Array.from({ length: WRITERS }, (_, at) => [`CRASH${round}N${at}`, []]));
    const life = { isOver: false };
    const writing = Promise.all([...logs].map(([node, log]) => write(node, bench.places, generator(random.below(1 << 30)), log, life)));
    await sleep(random.below(MAX_LIFE));
    life.isOver = true;
    await bench.kill();
    await writing;
    const began = Date.now();
    const served = await Promise.all([...logs].map(async ([node, log]) => {
      if (acknowledged(log, "startup-config") < 0) return undefined;
      const answer = await get(bench.places[random.below(bench.places.length)], node, "/startup-config");
      return answer.status === 200 ? problemOf(node, log.filter(({ record }) => record === "startup-config"), { config: answer.text }) : `${node}: GET startup-config: ${shown(answer)}`;
    }));
    assert.deepEqual(served.filter(Boolean), [], `round ${round}: a place does not serve what was acknowledged`);
    let problems;
    const names = { facts: ".node", definition: "definition", pattern: "pattern", site: "site", config: "startup-config" };
    const isCopied = async () => {
      const stored = await Promise.all([...logs.keys()].map((node) => bench.kv.getAll(Object.values(names).map((name) => `nodes/${node}/${name}`))));
      problems = [...logs].map(([node, log], at) => problemOf(node, log, Object.fromEntries(Object.keys(names).map((name, index) => [name, stored[at][index]])))).filter(Boolean);
      return problems.length === 0;
    };
    await eventually(isCopied, MAX_COPY);
    assert.deepEqual(problems, [], `round ${round}: KV has not what was acknowledged`);
    longest = Math.max(longest, Date.now() - began);
    writes += [...logs.values()].flat().filter(({ isAcknowledged }) => isAcknowledged).length;
  }
  console.log(`crash: ${ROUNDS} kills, ${writes} acknowledged writes, all in KV within ${longest} ms of the restart`);
  assert.ok(writes > ROUNDS, "too few writes to prove anything");
});
