// The requests of switches of two sites, and what the bench's tests share.

import { setTimeout as sleep } from "node:timers/promises";

export const SITES = { berlin: "berlin-token-0123456789", paris: "paris-token-0123456789" };
export const TOKENS = Object.entries(SITES).map((site) => site.join("=")).join("\n");

export const SECOND = 1000;
/** Milliseconds until a write shows in a place that has not cached its key, at most. */
export const PROPAGATION = 15 * SECOND;
/** Milliseconds until a write shows in every place: one may have cached the former value just before it showed there. */
export const SHOWN = 60 * SECOND + PROPAGATION;
/** Milliseconds for which the object of a node knows better than KV. */
export const STALE_WINDOW = 600 * SECOND;
/** Milliseconds in which a copy has to be in KV where nothing fails. */
const MAX_COPY = 15 * SECOND;

/** A definition that names itself, as YAML. */
export const definition = (name) => `name: ${name}\nactions:\n- action: add_config\n  attributes:\n    url: files/${name}\n`;

/** A neighbordb: switches below spine1 are leafs; those below core1 get the definition `version`. */
export const neighbordb = (version) => `\
patterns:
- name: leaf
  definition: leaf
  interfaces:
  - Ethernet1: spine1:any
- name: pattern-${version}
  definition: version-${version}
  interfaces:
  - Ethernet1: core1:any
`;

export const CONTENT = {
  neighbordb: neighbordb("a"),
  "definitions/leaf": definition("leaf"),
  "definitions/version-a": definition("version-a"),
  "definitions/version-b": definition("version-b"),
};

export const factsOf = (serialnumber, { device = "spine1", ...others } = {}) => ({
  model: "DCS-7050TX-64-F",
  serialnumber,
  systemmac: "00:1c:73:01:02:03",
  version: "4.28.0F",
  neighbors: { Ethernet1: [{ device, port: "Ethernet7" }] },
  ...others,
});

const under = (site, path) => `/t/${SITES[site]}${path}`;

/** POST /nodes. */
export const post = (place, serial, { site = "berlin", ...others } = {}) =>
  place.request("POST", under(site, "/nodes"), { headers: { "Content-Type": "application/json" }, body: JSON.stringify(factsOf(serial, others)) });
/** GET /nodes/{id}, or what is below it. */
export const get = (place, serial, rest = "", site = "berlin") => place.request("GET", under(site, `/nodes/${serial}${rest}`));
/** PUT /nodes/{id}/startup-config. */
export const put = (place, serial, body, site = "berlin") => place.request("PUT", under(site, `/nodes/${serial}/startup-config`), { body });

/** A short text of a response, for messages. */
export const shown = ({ status, text }) => `${status} ${text.trim().slice(0, 160)}`;
/** The name in a definition that was served, or the refusal. */
export const nameOf = (answer) => (answer.status === 200 ? answer.json.name : shown(answer));

/** Waits until `check` resolves to true; false after `limit` milliseconds. */
export async function eventually(check, limit = MAX_COPY) {
  for (const began = Date.now(); Date.now() - began < limit; await sleep(100)) if (await check()) return true;
  return false;
}

/** Calls `run` with the numbers below `count`, so many at once. */
export async function each(count, atOnce, run) {
  let next = 0;
  const worker = async () => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, worker));
}

/** A message about the rounds that failed. */
export const summary = (problems, rounds) => `${problems.length} problems in ${rounds} rounds: ${problems.slice(0, 3).join("; ")}`;
