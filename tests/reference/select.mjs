// The pattern that each server selects for a random pair, and the differences that explain other results.

import { differences } from "./differences.mjs";
import { same } from "./json.mjs";
import { both } from "./play.mjs";

const DEFINITION = "actions: []\nname: leaf\n";
const CAUSES = differences.filter((difference) => difference.without);
const ON_GET = differences.filter((difference) => difference.onGet);

/** Stores the content that all pairs share. */
export const prepare = (servers) => both(servers, (server) => server.lay({ "definitions/leaf": DEFINITION, "config-handlers/save": "#!/bin/sh\n" }));

let lastId = 1000;

/**
 * Sends the requests of a pair with a new id. Resolves to the results of both servers, and to the ids of the
 * differences that explain different results; `undefined` if no difference does.
 */
export async function compareSelection(servers, pair) {
  const decided = await decide(servers, pair);
  if (same(decided.reference, decided.worker)) return { decided, because: [] };
  const { get: _, ...one } = decided.reference;
  const { get: __, ...other } = decided.worker;
  if (same(one, other)) {
    const pattern = pair.neighbordb.patterns.find(({ name }) => String(name) === decided.worker.pattern);
    const onGet = ON_GET.filter((difference) => pattern && difference.onGet(pattern));
    return { decided, because: onGet.length > 0 ? onGet.map(({ id }) => id) : undefined };
  }
  return { decided, because: await causes(servers, pair) };
}

/** The smallest set of causes without which both servers select the same pattern. */
async function causes(servers, pair) {
  const agree = async (removed) => {
    const rest = removed.reduce((rest, cause) => cause.without(rest), pair);
    const { reference, worker } = await decide(servers, rest, { withGet: false });
    return same(reference, worker);
  };
  let needed = CAUSES.filter((cause) => !same(cause.without(pair), pair));
  if (!(await agree(needed))) return undefined;
  for (const cause of needed) {
    const fewer = needed.filter((other) => other !== cause);
    if (fewer.length > 0 && (await agree(fewer))) needed = fewer;
  }
  return needed.map(({ id }) => id);
}

/** The responses to a POST and to the next GET, and the name of the stored pattern. */
async function decide(servers, { neighbordb, facts }, { withGet = true } = {}) {
  lastId += 1;
  const id = String(lastId);
  const patterns = neighbordb.patterns.map((pattern) => {
    const node = { self: id, "self number": lastId, other: "other" }[pattern.node] ?? pattern.node;
    return node === undefined ? pattern : { ...pattern, node };
  });
  // JSON is YAML.
  const content = { neighbordb: JSON.stringify({ ...neighbordb, patterns }) };
  const body = JSON.stringify({ ...facts, serialnumber: id });
  return both(servers, async (server) => {
    await server.lay(content);
    const posted = await server.request("POST", "/nodes", { body });
    const stored = await server.read(`nodes/${id}/pattern`);
    const pattern = stored && (await servers.reference.readYaml(stored.toString("utf8"))).value.name;
    const decided = { post: posted.status, pattern: pattern && String(pattern) };
    if (!withGet) return decided;
    const got = await server.request("GET", `/nodes/${id}`);
    return { ...decided, get: got.status };
  });
}
