// The memory that the bodies of requests share in an instance: MAX_BODIES_BYTES, without the runtime.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { makeRoom, readBody, release } from "../../src/stream.js";

const KIB = 1 << 10;
const [, mebibytes] = readFileSync(join(root, "src", "stream.rs"), "utf8").match(/MAX_BODIES_BYTES: usize = (\d+) << 20;/);
const MAX = Number(mebibytes) << 20;
/** The bytes that every body may have beside the room: its first read. */
const FREE = 16 * KIB;

/** The runtime's clock, which passes at once; counts the pauses. */
function clock(t, pause = () => {}) {
  let pauses = 0;
  globalThis.scheduler = { wait: async () => pause(++pauses) };
  t.after(() => delete globalThis.scheduler);
  return () => pauses;
}

/** A body of so many bytes, read as the runtime's streams are. */
function body(size) {
  let left = size;
  const readAtLeast = async (wanted, buffer) => {
    const length = Math.min(wanted, left);
    left -= length;
    return { value: new Uint8Array(buffer.buffer.transfer(), 0, length), done: length < wanted };
  };
  return { getReader: () => ({ readAtLeast }) };
}

/** A room that other bodies have taken, but for so many bytes. */
const roomWith = (left) => ({ ...makeRoom(MAX), held: MAX - left });

test("the documentation has the limit", () => {
  const page = readFileSync(join(root, "docs", "limits.md"), "utf8");
  assert.match(page, new RegExp(`at most ${mebibytes} MiB together\\s+\\(\`MAX_BODIES_BYTES\`\\)`));
});

test("a body for which there is room is read, and one byte less is too little", async (t) => {
  const pauses = clock(t);
  // It is read in 16 KiB and 32 KiB.
  const size = 40 * KIB;
  const room = roomWith(32 * KIB);
  const bytes = await readBody(body(size), MAX, room);
  assert.equal(bytes.byteLength, size);
  assert.equal(room.held, MAX - 32 * KIB + size - FREE, "only what the body has is held");
  assert.equal(pauses(), 0);
  release(bytes, room);
  assert.equal(room.held, MAX - 32 * KIB);

  const less = roomWith(32 * KIB - 1);
  assert.equal(await readBody(body(size), MAX, less), undefined);
  assert.equal(less.held, MAX - 32 * KIB + 1, "a refused body holds nothing");
  assert.equal(pauses(), 50, "it waits before it is refused: 50 times 100 ms");
});

test("a body waits until there is room", async (t) => {
  const room = roomWith(0);
  const pauses = clock(t, (count) => {
    if (count === 3) room.held -= 32 * KIB;
  });
  assert.equal((await readBody(body(40 * KIB), MAX, room)).byteLength, 40 * KIB);
  assert.equal(pauses(), 3);
});

test("a body within 16 KiB never waits", async (t) => {
  const pauses = clock(t);
  // The last read has to find the end of the body.
  const bytes = await readBody(body(FREE - 1), MAX, roomWith(0));
  assert.equal(bytes.byteLength, FREE - 1);
  assert.equal(pauses(), 0);
  assert.equal(await readBody(body(FREE + 1), MAX, roomWith(0)), undefined);
});

test("bodies together take the limit, and no byte more", async (t) => {
  clock(t);
  const room = makeRoom(MAX);
  const bodies = [];
  while (bodies.length * (2 << 20) <= MAX) {
    const bytes = await readBody(body(2 << 20), MAX, room);
    if (bytes === undefined) break;
    bodies.push(bytes);
    assert.ok(room.held <= MAX);
  }
  assert.ok(bodies.length >= 11, `${bodies.length} bodies of 2 MiB`);
  for (const bytes of bodies) release(bytes, room);
  assert.equal(room.held, 0);
});
