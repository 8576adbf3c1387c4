// Byte streams, read natively in large steps.
//
// A stream that is read from Rust, or piped, yields chunks of a few KiB, and each becomes several objects:
// hashing an image that way takes six times the CPU, and fills the heap of an isolate faster than it is
// collected. Here the runtime and this loop share one buffer.

/** Bytes per read. */
const STEP = 1 << 20;
/** Bytes of the first read of a body: most bodies are smaller. */
const FIRST_STEP = 1 << 16;

/** [size, SHA-1 as an ArrayBuffer] of all bytes of a stream. */
export async function sha1(stream) {
  const digest = new crypto.DigestStream("SHA-1");
  const writer = digest.getWriter();
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new Uint8Array(STEP);
  let size = 0;
  for (;;) {
    const { value, done } = await reader.readAtLeast(STEP, buffer);
    if (value?.byteLength > 0) {
      size += value.byteLength;
      await writer.write(value);
      // The read detached the buffer; `value` has its memory.
      buffer = new Uint8Array(value.buffer);
    }
    if (done) break;
  }
  await writer.close();
  return [size, await digest.digest];
}

/**
 * All bytes of a stream as one Uint8Array; null if there are more than `limit`. The rest is read and
 * dropped then: a client that is still sending would see a broken connection instead of the response.
 */
export async function readUpTo(stream, limit) {
  const reader = stream.getReader({ mode: "byob" });
  let blocks = [];
  let size = 0;
  let step = FIRST_STEP;
  let buffer = new Uint8Array(step);
  for (;;) {
    const { value, done } = await reader.readAtLeast(step, buffer);
    size += value?.byteLength ?? 0;
    if (size > limit) {
      blocks = [];
      buffer = new Uint8Array(value?.buffer ?? step);
      step = buffer.byteLength;
    } else {
      if (value?.byteLength > 0) blocks.push(value);
      step = Math.min(2 * step, STEP);
      if (!done) buffer = new Uint8Array(step);
    }
    if (done) break;
  }
  if (size > limit) return null;
  if (blocks.length === 1) return blocks[0];
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const block of blocks) {
    bytes.set(block, offset);
    offset += block.byteLength;
  }
  return bytes;
}
