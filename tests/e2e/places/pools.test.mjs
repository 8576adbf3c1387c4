// The file of a pool in many places: an edit applies when the place of the pool's object shows it, and from then on
// a removed value is given to no node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startPlaces } from "./bench.mjs";
import { PROPAGATION, SECOND, SHOWN, STALE_WINDOW, TOKENS, get, shown } from "./requests.mjs";

const ADMIN = "an-admin-token-of-enough-length";
const KEY = "resources/berlin/net";
const file = (...values) => values.map((value) => `10.0.0.${value}: null\n`).join("");
const FORMER = file(1, 2, 3, 4, 5);

let bench;
before(async () => {
  bench = await startPlaces({ places: 2, bindings: { ZTP_TOKENS: TOKENS, ZTP_ADMIN_TOKEN: ADMIN }, kv: { propagation: PROPAGATION } });
  const definition = JSON.stringify({ actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] });
  const nodes = Array.from({ length: 10 }, (_, at) => [`nodes/N${at}/definition`, definition]);
  await bench.kv.putAll({ ...Object.fromEntries(nodes), [KEY]: FORMER });
  await bench.advance(SHOWN);
});
after(() => bench?.stop());

let asked = 0;
/** The value of a new node, which a place requests. */
async function value(place) {
  const response = await get(place, `N${asked++}`);
  return response.status === 200 ? response.json.actions[0].attributes.ip : shown(response);
}

test("a removed value is given to no node, also if the object moves to a place that has cached the former file", async () => {
  const [here, there] = bench.places;
  assert.equal(await value(here), "10.0.0.1");
  await bench.advance(40 * SECOND);
  assert.equal(await value(there), "10.0.0.2");
  await bench.kv.put(KEY, file(7, 8, 9));
  // The object has cached the former file for a minute; the place asked last, for 40 seconds longer.
  await bench.advance(30 * SECOND);
  assert.equal(await value(here), "10.0.0.7");
  await bench.objects.moveTo(there);
  assert.equal(await bench.objects.shown(KEY), FORMER);
  assert.equal(await value(there), "10.0.0.8");
  await bench.kill();
  assert.equal(await bench.objects.shown(KEY), FORMER);
  assert.equal(await value(there), "10.0.0.9");
  await bench.advance(SHOWN);
  assert.match(await value(here), /^400 .*no value is free: 5 are taken/);
  // An operator has put the former file back.
  await bench.advance(STALE_WINDOW);
  await bench.kv.put(KEY, FORMER);
  await bench.advance(SHOWN);
  assert.equal(await value(here), "10.0.0.3");
});

test("a node has the same values for its names in every place, also after the object is lost", async () => {
  const [here, there] = bench.places;
  const attributes = { uplink1: "allocate('p2p', 'uplink1')", uplink2: "allocate('p2p', 'uplink2')", plain: "allocate('p2p')" };
  const definition = JSON.stringify({ actions: [{ action: "a", attributes }] });
  await bench.kv.putAll({ "nodes/NAMED/definition": definition, "resources/p2p": "192.0.2.0-192.0.2.9: null\n192.0.2.1: NAMED/uplink2\n" });
  await bench.advance(SHOWN);
  const values = async (place) => {
    const response = await get(place, "NAMED");
    assert.equal(response.status, 200, shown(response));
    return response.json.actions[0].attributes;
  };
  const expected = { uplink1: "192.0.2.0", uplink2: "192.0.2.1", plain: "192.0.2.2" };
  assert.deepEqual(await Promise.all([values(here), values(there)]), [expected, expected]);
  await bench.objects.moveTo(there);
  assert.deepEqual(await values(here), expected);
  await bench.kill();
  assert.deepEqual(await values(there), expected);
});

/** The number of rows that were written, when the objects of nodes and sites have stored and reported their events. */
async function rowsAtRest() {
  let rows = [];
  for (let waits = 0; waits < 30; waits += 1) {
    await bench.advance(SHOWN);
    await sleep(1_000);
    rows = [(await bench.figures()).rowsWritten, ...rows];
    if (rows.length >= 3 && rows[0] === rows[2]) break;
  }
  return rows[0];
}

test("no row of a database is written while the file does not change", async () => {
  const read = () => bench.places[0].request("GET", "/admin/pools/berlin/net", { headers: { Authorization: `Bearer ${ADMIN}` } });
  const response = await read();
  assert.equal(response.status, 200, shown(response));
  const rowsWritten = await rowsAtRest();
  for (let round = 0; round < 10; round += 1) {
    await bench.advance(SHOWN);
    assert.equal((await read()).json.size, 5);
  }
  assert.equal((await bench.figures()).rowsWritten, rowsWritten);
  await bench.kv.put(KEY, file(1));
  await bench.advance(SHOWN);
  assert.equal((await read()).json.size, 1);
  assert.ok((await bench.figures()).rowsWritten > rowsWritten, "the new contents are stored");
});
