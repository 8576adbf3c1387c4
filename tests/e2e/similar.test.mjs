// A refused POST /nodes mentions registered nodes with a similar id.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { AMSTERDAM, SECRETS } from "./credentials.mjs";
import { startFaulty } from "./faults.mjs";
import { assertRefusal, facts } from "./harness.mjs";

let open, guarded, byMac;
before(async () => {
  [open, guarded, byMac] = await Promise.all([
    startFaulty({ forgetful: true }),
    startFaulty({ forgetful: true, bindings: SECRETS }),
    startFaulty({ forgetful: true, bindings: { IDENTIFIER: "systemmac" } }),
  ]);
});
after(() => Promise.all([open, guarded, byMac].map((worker) => worker.stop())));
beforeEach(async () => {
  for (const { kv } of [open, guarded, byMac]) {
    for (const { name } of (await kv.list()).keys) await kv.delete(name);
    Object.assign(kv, { fails: () => undefined, operations: [] });
  }
});

const post = (worker, others = {}, base = "") => worker.request("POST", `${base}/nodes`, { body: JSON.stringify(facts("JPE1", others)) });
const neighbordb = (worker) => worker.kv.put("neighbordb", "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - Ethernet1: spine9\n");
/** Registers more nodes than one page of keys contains. */
async function registerMany(worker) {
  for (let count = 0; count < 1200; count += 1) await worker.kv.put(`nodes/AAA${count}/definition`, "actions: []");
}

describe("a refused POST /nodes", () => {
  for (const many of [false, true]) {
    const size = many ? " among more than a page of nodes" : "";

    test(`mentions a registered node whose id differs only in case${size}`, async () => {
      if (many) await registerMany(open);
      await open.kv.put("nodes/jpe1/definition", "actions: []");
      assertRefusal(await post(open), 400, /JPE1 is not known here \(the node jpe1 is registered, and its id differs only in case\), and there is no neighbordb/);
      await neighbordb(open);
      open.kv.operations = [];
      assertRefusal(await post(open), 400, /JPE1 is not known here \(the node jpe1 is registered.*, and no pattern matches it:\n/);
      const { length } = open.kv.operations;
      assert.ok(length <= (many ? 10 : 4), `${length} operations`);
    });

    test(`mentions a registered node whose MAC address is within 4${size}`, async () => {
      if (many) await registerMany(byMac);
      // The system's is 00:1c:73:01:02:03.
      for (const [registered, distance] of [["001c73010207", 4], ["001c730101ff", 4], ["001c73010202", 1]]) {
        await byMac.kv.put(`nodes/${registered}/startup-config`, "hostname x\n");
        assertRefusal(await post(byMac), 400, new RegExp(`the node ${registered} is registered, and its id is ${distance} away from the MAC address`));
        await byMac.kv.delete(`nodes/${registered}/startup-config`);
      }
      for (const registered of ["001c73010208", "001c730101fe"]) {
        await byMac.kv.put(`nodes/${registered}/startup-config`, "hostname x\n");
        assert.doesNotMatch((await post(byMac)).text, /registered/);
      }
    });
  }

  test("mentions a node that is registered by its MAC address instead of its serial number", async () => {
    await open.kv.put("nodes/001c73010203/attributes", "a: 1");
    assertRefusal(await post(open), 400, /the node 001c73010203 is registered, and its id is the MAC address of this one/);
  });

  test("mentions at most three nodes, and none that has only sent its facts", async () => {
    for (const name of ["jpe1", "Jpe1", "jPe1", "jpE1"]) await open.kv.put(`nodes/${name}/definition`, "actions: []");
    assert.equal((await post(open)).text.match(/is registered/g).length, 3);
    for (const name of ["jpe1", "Jpe1", "jPe1", "jpE1"]) {
      await open.kv.delete(`nodes/${name}/definition`);
      await open.kv.put(`nodes/${name}/.node`, "{}");
    }
    assert.doesNotMatch((await post(open)).text, /registered/);
  });

  test("mentions no node of another site", async () => {
    await guarded.kv.put("nodes/jpe1/definition", "actions: []");
    await guarded.kv.put("nodes/jpe1/site", "london");
    const base = `/t/${AMSTERDAM}`;
    const hidden = await post(guarded, {}, base);
    assertRefusal(hidden, 400, /JPE1 is not known here, and there is no neighbordb/);
    await guarded.kv.delete("nodes/jpe1/definition");
    assert.equal((await post(guarded, {}, base)).text, hidden.text);
    for (const site of ["amsterdam", undefined]) {
      await guarded.kv.put("nodes/jpe1/definition", "actions: []");
      if (site) await guarded.kv.put("nodes/jpe1/site", site);
      else await guarded.kv.delete("nodes/jpe1/site");
      assertRefusal(await post(guarded, {}, base), 400, /the node jpe1 is registered/);
    }
  });

  test("mentions no node, and logs a warning, if KV cannot list", async () => {
    await open.kv.put("nodes/jpe1/definition", "actions: []");
    open.kv.fails = ({ operation }) => operation === "list" && 500;
    open.logs();
    assertRefusal(await post(open), 400, /JPE1 is not known here, and there is no neighbordb/);
    assert.match((await open.lines())[0].warning, /listing nodes\/ failed.*similar nodes was skipped/);
  });

  test("an accepted POST lists nothing", async () => {
    await open.kv.put("nodes/JPE1/definition", "actions: []");
    assert.equal((await post(open)).status, 409);
    await open.kv.put("neighbordb", "patterns:\n- name: all\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
    await open.kv.put("definitions/leaf", "actions: []");
    assert.equal((await post(open, { serialnumber: "JPE2" })).status, 201);
    assert.equal(open.kv.count("list"), 0);
  });
});
