// The promises of the bench to the tests of places, with a Worker that shows it: one clock, alarms that follow it and
// outlast a kill, and places that share objects.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startPlaces } from "./bench.mjs";
import { SECOND, eventually } from "./requests.mjs";

const WORKER = `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";

class Bell extends DurableObject {
  async fetch(request) {
    const [, key, delay] = new URL(request.url).pathname.split("/");
    if (key) {
      await this.ctx.storage.put("key", key);
      await this.ctx.storage.setAlarm(Date.now() + Number(delay));
    }
    return Response.json({ now: Date.now(), alarm: await this.ctx.storage.getAlarm() });
  }
  async alarm() {
    await this.env.ZTP_DATA.put(await this.ctx.storage.get("key"), String(Date.now()));
  }
}
export class ResourcePool extends Bell {}
export class Node extends Bell {}
export class Site extends Bell {}

export default class extends WorkerEntrypoint {
  async fetch(request) {
    if (new URL(request.url).pathname === "/time") return new Response(String(Date.now()));
    return this.env.ZTP_POOLS.get(this.env.ZTP_POOLS.idFromName("bell")).fetch(request);
  }
}
`;

const folder = mkdtempSync(join(tmpdir(), "ztp-places-bench-"));
let bench;
before(async () => {
  writeFileSync(join(folder, "index.js"), WORKER);
  bench = await startPlaces({ places: 2, bundle: folder });
});
after(async () => {
  await bench?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const isNear = (time, other) => Math.abs(time - other) < 2 * SECOND;
/** Sets the alarm of the object in a place: it writes `key` to KV. */
const ring = async (place, key, delay) => (await bench.places[place].request("GET", `/${key}/${delay}`)).json;

test("all places, the objects and KV show one time, which a test moves", async () => {
  for (const moved of [0, 3600 * SECOND]) {
    await bench.advance(moved);
    for (const place of bench.places) {
      assert.ok(isNear(Number((await place.request("GET", "/time")).text), bench.now()), place.name);
      assert.ok(isNear((await place.request("GET", "/")).json.now, bench.now()), "the object");
    }
  }
  assert.ok(bench.now() - Date.now() > 3599 * SECOND);
});

test("an alarm follows the clock", async () => {
  const { now, alarm } = await ring(0, "moved", 600 * SECOND);
  assert.ok(isNear(alarm, now + 600 * SECOND), `${alarm - now}`);
  await bench.advance(590 * SECOND);
  assert.equal(await bench.kv.get("moved"), null);
  await bench.advance(11 * SECOND);
  assert.ok(await eventually(async () => (await bench.kv.get("moved")) !== null, 5 * SECOND), "it has not rung");
  assert.ok(isNear(Number(await bench.kv.get("moved")), bench.now()));
});

test("an alarm, and what an object has stored, outlast a kill of the runtime", async () => {
  await ring(1, "killed", 1500);
  await bench.kill();
  assert.ok(isNear(Number((await bench.places[1].request("GET", "/time")).text), bench.now()), "the clock stays moved");
  assert.ok(await eventually(async () => (await bench.kv.get("killed")) !== null, 10 * SECOND), "it has not rung");
});

test("what an object writes shows first in the place of the objects; an operator's write, in every place after the propagation", async () => {
  await ring(0, "shown", 0);
  assert.ok(await eventually(async () => (await bench.objects.shown("shown")) !== null));
  await bench.rules({ propagation: 60 * SECOND });
  await bench.kv.put("other", "value");
  assert.equal(await bench.kv.get("other"), "value");
  await bench.advance(60 * SECOND);
  for (const place of bench.places) assert.equal(await place.shown("other"), "value");
});

test("figures count requests, object calls, alarms and keys of KV", async () => {
  const before = await bench.figures();
  await ring(0, "figures", 0);
  assert.ok(await eventually(async () => (await bench.kv.get("figures")) !== null));
  const after = await bench.figures();
  const spent = (name) => after[name] - before[name];
  assert.deepEqual([spent("requests"), spent("objectRequests"), spent("alarms"), after.kv.writes - before.kv.writes], [1, 1, 1, 1]);
});
