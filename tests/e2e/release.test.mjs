// A Worker that replaces release 0.1, on the storage of that release: it has no objects of nodes yet. Every
// request has the same response, and KV has the same values after it, without a step of migration.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { startOn } from "./persistent.mjs";
import { SETTINGS, ask, changesOf, loadSnapshot, readPools, readStores } from "./release.mjs";

const folder = mkdtempSync(join(tmpdir(), "ztp-edge-release-"));
let snapshot;
let pools;
before(async () => {
  snapshot = await loadSnapshot(folder);
  pools = readPools(folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the Worker until the end of a test, at the latest. */
async function start(t) {
  const worker = await startOn(folder, SETTINGS);
  t.after(() => worker.kill());
  return worker;
}

/**
 * A response as it is compared: of the reason of an error, what is before the first colon; the rest may be worded anew.
 * Changes by operators have the number of their entry in the audit log since.
 */
function comparable({ text, ...others }) {
  return { ...others, text: others.status >= 400 ? text.split(":")[0] : text.replace(/,"audit":\d+\}$/, "}") };
}

/** Sends the requests of recorded responses, in order, and asserts that each has the same response. */
async function assertSame(worker, recorded) {
  const differences = [];
  for (const { site, path, method, body, ...expected } of recorded) {
    const found = await ask(worker.url, { site, path, method, body });
    try {
      assert.deepEqual(comparable(found), comparable(expected));
    } catch (error) {
      differences.push(`${method ?? "GET"} ${path} of ${site ?? "an operator"}: ${error.message}`);
    }
  }
  assert.deepEqual(differences, []);
}

test("every read has the same response, and changes nothing that is stored", { timeout: 60_000 }, async (t) => {
  const worker = await start(t);
  await assertSame(worker, snapshot.reads);
  await worker.kill();
  const { kv, r2 } = await readStores(folder);
  assert.deepEqual(changesOf(snapshot.kv, kv), {});
  assert.deepEqual(r2, snapshot.r2);
  for (const [id, statements] of Object.entries(readPools(folder))) {
    assert.deepEqual(pools[id].filter((statement) => !statements.includes(statement)), [], "the pools keep their allocations");
  }
});

test("every write has the same response and stores the same values, and a node has one owner", { timeout: 60_000 }, async (t) => {
  let worker = await start(t);
  await assertSame(worker, snapshot.writes);
  let changes;
  // The objects copy their records to KV: after the response, and again after a start.
  for (let tries = 0; tries < 5; tries += 1) {
    await sleep(3000);
    await worker.kill();
    changes = changesOf(snapshot.kv, (await readStores(folder)).kv);
    if (JSON.stringify(changes) === JSON.stringify(snapshot.changes)) return;
    worker = await start(t);
  }
  assert.deepEqual(changes, snapshot.changes);
});
