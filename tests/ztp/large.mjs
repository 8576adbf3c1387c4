// A large data_root through `ztp push` and `ztp pull`: 5,000 keys, and an image of 1 GiB. Each push is killed at random
// moments, and run again: only the rest is sent. The memory of `ztp` stays below 64 MiB.
//
//   npm run test:ztp [-- --keys 5000 --mib 1024 --kills 10]

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { parseArgs } from "node:util";
import { startWorker } from "../e2e/harness.mjs";
import { TOKEN, build, hashes, killed, proxy, scratch, sparse, write, ztp } from "./run.mjs";

const { values } = parseArgs({ options: { keys: { type: "string", default: "5000" }, mib: { type: "string", default: "1024" }, kills: { type: "string", default: "10" } } });
const [keys, mib, kills] = [values.keys, values.mib, values.kills].map(Number);
const MAX_MEMORY = 64 << 20;

let worker;
before(async () => {
  build();
  worker = await startWorker({ secrets: { ZTP_ADMIN_TOKEN: TOKEN } });
});
after(() => worker.stop());
beforeEach(() => worker.reset());

test(`${keys} keys`, async (t) => {
  const folder = join(scratch(t), "root");
  const nodes = Math.floor(keys / 5);
  write(folder, "neighbordb", "patterns: []\n");
  for (let n = 0; n < nodes; n += 1) {
    write(folder, `definitions/leaf${n}`, `name: leaf${n}\nactions: []\n`);
    write(folder, `files/configs/${n}`, `hostname sw${n}\n`.repeat(1 + (n % 100)));
    write(folder, `nodes/SN${n}/definition`, `name: leaf${n}\nactions: []\n`);
    write(folder, `nodes/SN${n}/attributes`, `hostname: sw${n}\n`);
    if (n > 0) write(folder, `nodes/SN${n}/startup-config`, `hostname sw${n}\n`);
  }
  const through = await proxy(t, () => worker.url);
  await roundTrip(t, folder, through, () => through.requests.length, 5 * nodes);
});

test(`an image of ${mib} MiB`, async (t) => {
  const folder = join(scratch(t), "root");
  write(folder, "neighbordb", "patterns: []\n");
  sparse(join(folder, "files/EOS.swi"), mib << 20);
  const through = await proxy(t, () => worker.url);
  await roundTrip(t, folder, through, () => through.bytes, mib << 20);
});

/** Pushes with kills, pushes again, pulls, and compares. `progress` of `total` is what a push sends. */
async function roundTrip(t, folder, through, progress, total) {
  const home = scratch(t);
  const options = { url: through.url, home };
  const began = performance.now();
  const pushed = await killed(["push", folder, "--json"], options, through, { kills, progress, total });
  assert.ok(pushed.memory < MAX_MEMORY, `${pushed.memory} bytes of memory`);
  assert.deepEqual(through.again, [], "what was stored is not sent again");
  t.diagnostic(`push: ${seconds(began)}, ${pushed.kills} kills, ${through.bytes} bytes sent, ${mebibytes(pushed.memory)} of memory`);

  through.requests.length = 0;
  const again = await ztp(["push", folder, "--json"], options);
  assert.equal(again.status, 0, again.printed);
  assert.deepEqual([again.json.stored, again.json.deleted], [0, 0]);
  assert.deepEqual(through.requests.filter((request) => !request.startsWith("GET ")), [], "a second push sends nothing");

  const copy = join(scratch(t), "copy");
  const start = performance.now();
  const pulled = await killed(["pull", copy], options, through, { kills: 0, progress, total });
  assert.ok(pulled.memory < MAX_MEMORY, `${pulled.memory} bytes of memory`);
  t.diagnostic(`pull: ${seconds(start)}, ${mebibytes(pulled.memory)} of memory`);
  assert.deepEqual(hashes(copy), hashes(folder));
}

function seconds(began) {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

function mebibytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
