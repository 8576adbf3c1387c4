// The JavaScript half of runtime.rs. Each step between wasm and JavaScript costs about what a lookup
// in memory does, and a text costs a copy and a check on top: what belongs together is one step here.

import { __worker_init_state as instanceState, settle } from "./index.js";

/** How much of a stream is held at once, in bytes. */
const HELD_AT_ONCE = 1 << 20;

/**
 * Answers that are being worked on, by the number of their task. Another map takes the place of this
 * one with each wasm instance.
 */
let pending = new Map();
/** Which wasm instance works on them. */
let instance = 0;
/** What `new Response` takes besides a body, by number. */
const heads = [];

/** The promise of the answer that a task will give. */
export function promiseAnswer(task, context) {
  const work = { context, keptOn: false, promise: undefined, resolve: undefined };
  work.promise = new Promise((resolve) => {
    work.resolve = resolve;
  });
  pending.set(task, work);
  return work.promise;
}

/** Has a task carried out to its end, even if its client hangs up. */
export function keepOn(task) {
  const work = pending.get(task);
  if (work.keptOn) return;
  work.keptOn = true;
  work.context.waitUntil(work.promise);
}

/** Gives the answer of a task. */
export function giveAnswer(task, response) {
  take(pending, task).resolve(response);
}

/**
 * The number of the wasm instance, which is another one if the last was lost. It has to be asked before
 * anything is given to wasm: only this puts a new instance in the place of a lost one, and arguments
 * would be put into the memory of the old.
 */
export function currentInstance() {
  const { instanceId } = instanceState();
  if (instanceId !== instance) {
    instance = instanceId;
    pending = new Map();
  }
  return instance;
}

/** What a request is told that a panic ended. The panic itself is in the log, where it happened. */
export function apology(error) {
  console.error(`a request was given up: ${error.cause ?? error}`);
  return new Response("the server failed in the middle of this request; ask again in a moment\n", {
    status: 500,
    headers: {
      "Content-Type": "text/html; charset=UTF-8",
      "X-Content-Type-Options": "nosniff",
      "Content-Security-Policy": "default-src 'none'",
      "Cache-Control": "no-store",
      "Retry-After": "5",
    },
  });
}

/** Tells wasm what a promise is settled with, under the number by which a task waits for it. */
export function whenSettled(promise, number, task) {
  const works = pending;
  promise.then(
    (value) => settled(works, task, number, true, value),
    (cause) => settled(works, task, number, false, cause),
  );
}

function settled(works, task, number, fulfilled, value) {
  let reason = "the instance that worked on it was lost";
  currentInstance();
  if (works === pending) {
    try {
      settle(number, fulfilled, value);
      return;
    } catch (error) {
      reason = error;
    }
  }
  // Each request is told so here, where the runtime lets it answer.
  take(works, task)?.resolve(apology(reason));
}

function take(works, task) {
  const work = works.get(task);
  works.delete(task);
  return work;
}

/** Keeps what `new Response` takes besides a body: `head` is its status and its headers, a line each. */
export function prepareHead(number, head) {
  const [status, ...lines] = head.split("\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(": ");
    headers.set(line.slice(0, colon), line.slice(colon + 2));
  }
  heads[number] = { status: Number(status), headers };
}

/** A response with the head of that number. The body is copied; `location`, if there is one, is its own. */
export function respond(head, location, bytes) {
  return respondWith(head, location, bytes.slice());
}

/** The same with a body that JavaScript has: bytes, a stream, or null. */
export function respondWith(head, location, body) {
  const init = heads[head];
  // Every response of such a head has one; the headers of the response itself would be one more object.
  if (location !== undefined) init.headers.set("Location", location);
  return new Response(body, init);
}

/** Waits for so many milliseconds. */
export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** SHA-1 of a buffer, without a copy of it in wasm. */
export function sha1Of(buffer) {
  return crypto.subtle.digest("SHA-1", buffer);
}

/** Whether a buffer has nothing but ASCII white space: blank, tab, line feed, vertical tab, form feed, return. */
export function isBlank(buffer) {
  return new Uint8Array(buffer).every((byte) => byte === 32 || (byte >= 9 && byte <= 13));
}

/** Whether two buffers have the same bytes. */
export function isSame(one, other) {
  return one.byteLength === other.byteLength && crypto.subtle.timingSafeEqual(one, other);
}

/** Bytes that wasm has, to be kept here. */
export function hold(bytes) {
  return bytes.slice();
}

export function log(line) {
  console.log(line);
}

export function warn(line) {
  console.warn(line);
}

export function error(line) {
  console.error(line);
}

/** The headers that make a request conditional or partial; undefined if it is neither. */
export function conditions({ headers }) {
  const ifNoneMatch = headers.get("If-None-Match");
  const range = headers.get("Range");
  return ifNoneMatch === null && range === null ? undefined : [ifNoneMatch, range, headers.get("If-Range")];
}

/** All bytes of a request's body; null if there are more than `limit`, once they have all gone by. */
export function bodyUpTo(request, limit) {
  const announced = request.headers.get("Content-Length");
  if (announced === null) return readUpTo(request.body, limit);
  return Number(announced) <= limit ? request.arrayBuffer() : discard(request.body);
}

/** The same of a body that does not say how long it is. */
async function readUpTo(body, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.byteLength;
    if (length <= limit) chunks.push(chunk);
    else chunks.length = 0;
  }
  return length <= limit ? new Blob(chunks).arrayBuffer() : null;
}

/** Takes a body off the wire and keeps nothing of it: one buffer goes back and forth. */
export async function discard(body) {
  if (body === null) return null;
  const reader = body.getReader({ mode: "byob" });
  let buffer = new Uint8Array(HELD_AT_ONCE);
  for (;;) {
    const { value, done } = await reader.read(buffer);
    if (done) return null;
    buffer = new Uint8Array(value.buffer);
  }
}

/** Text at an index, if there is one. */
export function textAt(texts, index) {
  return texts[index] ?? undefined;
}

/** Whether there is a text at an index, empty or not. */
export function hasAt(texts, index) {
  return typeof texts[index] === "string";
}

/** The bytes under a key. */
export function kvGet(namespace, key) {
  return namespace.get(key, "arrayBuffer");
}

/** Whether there is a value under a key. Its bytes stay where they are. */
export async function kvHas(namespace, key) {
  const body = await namespace.get(key, "stream");
  await body?.cancel();
  return body !== null;
}

/** The texts under several keys, a line each, in their order, in one operation. */
export function kvGetAll(namespace, keys) {
  const names = keys.split("\n");
  return namespace.get(names).then((found) => names.map((name) => found.get(name)));
}

/** A page of the names that begin with `prefix`, as JSON. */
export async function kvList(namespace, prefix, cursor) {
  const page = await namespace.list({ prefix, cursor });
  return JSON.stringify({ names: page.keys.map(({ name }) => name), cursor: page.list_complete ? null : page.cursor });
}

/** Stores bytes of wasm's memory under a key. */
export function kvPut(namespace, key, bytes) {
  return kvPutHeld(namespace, key, bytes.slice());
}

/** The same of bytes that JavaScript has. */
export function kvPutHeld(namespace, key, bytes) {
  return namespace.put(key, bytes);
}

export function r2Get(bucket, key) {
  return bucket.get(key);
}

export function r2Head(bucket, key) {
  return bucket.head(key);
}

/** A part of the object of that ETag: without a body if it is another one by now. */
export function r2GetPart(bucket, key, etag, offset, length) {
  return bucket.get(key, { onlyIf: { etagMatches: etag }, range: { offset, length } });
}

/** Size, version, ETag and Last-Modified of an object, a line each. */
export function r2Describe({ size, version, httpEtag, uploaded }) {
  return `${size}\n${version}\n${httpEtag}\n${uploaded.toUTCString()}`;
}

/** What its uploader said of an object's content, as JSON, if anything. Hashes are in hexadecimal. */
export function r2Digests({ checksums, customMetadata }) {
  const { sha1, sha256 } = checksums;
  const said = sha1 ?? sha256 ?? customMetadata?.sha1;
  return said ? JSON.stringify({ checksums, metadata: customMetadata }) : undefined;
}

export function bodyOf(object) {
  return object.body ?? undefined;
}

/** All bytes of an object. */
export function bytesOf(object) {
  return object.arrayBuffer();
}

/**
 * SHA-1 of a stream, natively: the bytes go from the store to the digest without entering wasm.
 *
 * `pipeTo` would do it in one call, but makes an object of every 4 KiB, which is most of the CPU that
 * hashing takes and fills the heap faster than it is collected. Here one buffer goes back and forth.
 */
export async function sha1(stream) {
  const digest = new crypto.DigestStream("SHA-1");
  const writer = digest.getWriter();
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new Uint8Array(HELD_AT_ONCE);
  for (;;) {
    const { value, done } = await reader.readAtLeast(HELD_AT_ONCE, buffer);
    if (value?.byteLength > 0) {
      await writer.write(value);
      // The buffer was handed over with the read, and comes back with its bytes.
      buffer = new Uint8Array(value.buffer);
    }
    if (done) break;
  }
  await writer.close();
  return digest.digest;
}
