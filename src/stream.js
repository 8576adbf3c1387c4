// Byte streams, read natively in large steps.
//
// A stream that is read from Rust, or piped, yields chunks of a few KiB, and each becomes several objects:
// hashing an image that way takes six times the CPU, and fills the heap of an isolate faster than it is
// collected. Here the runtime and this loop share one buffer.

/** Bytes per read. */
const STEP = 1 << 20;
/** Bytes of the first read of a body: most bodies are smaller. */
const FIRST_STEP = 1 << 14;
/** How often a body asks for room before it is refused, and how long it pauses in between, in milliseconds. */
const ROOM_ATTEMPTS = 50;
const ROOM_PAUSE = 100;

/** [size, SHA-1 as an ArrayBuffer] of all bytes of a stream. */
export async function sha1(stream) {
  const reader = stream.getReader({ mode: "byob" });
  let { value, done } = await reader.readAtLeast(FIRST_STEP, new Uint8Array(FIRST_STEP));
  if (isLast(value, done, FIRST_STEP)) {
    const all = value ?? new Uint8Array();
    return [all.byteLength, await crypto.subtle.digest("SHA-1", all)];
  }
  const digest = new crypto.DigestStream("SHA-1");
  const writer = digest.getWriter();
  let size = 0;
  let buffer = new Uint8Array(STEP);
  for (let step = FIRST_STEP; ; step = STEP) {
    if (value?.byteLength > 0) {
      size += value.byteLength;
      await writer.write(value);
    }
    if (isLast(value, done, step)) {
      if (value) free(value);
      break;
    }
    // A read detaches its buffer; `value` has its memory.
    if (step === STEP) buffer = new Uint8Array(value.buffer);
    ({ value, done } = await reader.readAtLeast(STEP, buffer));
  }
  await writer.close();
  return [size, await digest.digest];
}

/** The bytes of a stream as one of a known length, which R2 requires. A failure of `stream` fails the result. */
export async function ofLength(stream, size) {
  const { readable, writable } = new FixedLengthStream(size);
  stream.pipeTo(writable).catch(() => {});
  return readable;
}

/**
 * A stream of a known length as another one, and a promise of whether the reader received all of it. The runtime moves the
 * bytes.
 */
export function observed(stream, size) {
  const { readable, writable } = new FixedLengthStream(size);
  const complete = stream.pipeTo(writable).then(
    () => true,
    () => false,
  );
  return [readable, complete];
}

/** Whether a stream has ended: only its last read returns fewer bytes than it must. */
function isLast(value, done, step) {
  return done || value.byteLength < step;
}

/**
 * All bytes of a stream as one Uint8Array; null if there are more than `limit`. The rest is read and
 * dropped then: a client that is still sending would see a broken connection instead of the response.
 */
export async function readUpTo(stream, limit) {
  return collect(stream, limit, () => true);
}

/**
 * The memory that bodies share: `held` bytes beyond the first FIRST_STEP of each, until they are released.
 * Each wasm instance has its own: one that is replaced after a panic releases nothing.
 */
export function makeRoom(max) {
  return { held: 0, max };
}

/**
 * Like readUpTo, for the body of a request. It waits while there is no room for it, and is undefined if that
 * lasts. A body within FIRST_STEP never waits, so that switches boot while others upload.
 */
export async function readBody(stream, limit, room) {
  let own = 0;
  let bytes;
  const resize = (size) => {
    const wanted = counted(size);
    if (wanted > own && room.held + wanted - own > room.max) return false;
    room.held += wanted - own;
    own = wanted;
    return true;
  };
  try {
    bytes = await collect(stream, limit, resize);
    return bytes;
  } finally {
    resize(bytes?.byteLength ?? 0);
  }
}

/** Takes a body out of memory. */
export function release(bytes, room) {
  room.held -= counted(bytes.byteLength);
  free(bytes);
}

function counted(size) {
  return Math.max(0, size - FIRST_STEP);
}

/** `resize` gets the bytes that this stream needs in memory, and returns whether there is room. */
async function collect(stream, limit, resize) {
  const reader = stream.getReader({ mode: "byob" });
  const blocks = [];
  let complete;
  try {
    complete = await readBlocks(reader, blocks, limit, resize);
    if (complete) return join(blocks);
  } finally {
    blocks.forEach(free);
  }
  resize(0);
  await drain(reader);
  return complete;
}

/** Whether all was read; null if there is more than `limit`, undefined if there is no room for it. */
async function readBlocks(reader, blocks, limit, resize) {
  let size = 0;
  let allocated = 0;
  for (let step = FIRST_STEP; ; step = Math.min(2 * step, STEP)) {
    allocated += step;
    if (!resize(allocated) && !(await waitForRoom(resize, allocated))) return undefined;
    const { value, done } = await reader.readAtLeast(step, new Uint8Array(step));
    if (value?.byteLength > 0) blocks.push(value);
    size += value?.byteLength ?? 0;
    if (size > limit) return null;
    if (isLast(value, done, step)) return true;
  }
}

async function waitForRoom(resize, size) {
  for (let attempt = 0; attempt < ROOM_ATTEMPTS; attempt += 1) {
    await scheduler.wait(ROOM_PAUSE);
    if (resize(size)) return true;
  }
  return false;
}

function join(blocks) {
  if (blocks.length === 1) return blocks.pop();
  const bytes = new Uint8Array(blocks.reduce((size, block) => size + block.byteLength, 0));
  let offset = 0;
  for (const block of blocks) {
    bytes.set(block, offset);
    offset += block.byteLength;
  }
  return bytes;
}

/** Frees memory at once. As garbage it would stay until the next collection, several times as much as is in use. */
function free(block) {
  block.buffer.transfer(0);
}

async function drain(reader) {
  let buffer = new Uint8Array(FIRST_STEP);
  for (;;) {
    const { value, done } = await reader.readAtLeast(FIRST_STEP, buffer);
    if (isLast(value, done, FIRST_STEP)) return;
    buffer = new Uint8Array(value.buffer);
  }
}
