// An R2 bucket in this process whose operations can fail. It speaks the protocol of the runtime's binding,
// and implements the operations of the Worker: head, get with a range and `etagMatches`, put and delete.

import { createHash } from "node:crypto";

const NO_SUCH_KEY = { status: 404, code: 10007, message: "The specified key does not exist." };
const INTERNAL = { status: 500, code: 10001, message: "We encountered an internal error. Please try again." };
const OUTSIDE = { status: 416, code: 10039, message: "The requested range is not satisfiable." };
const NOT_HERE = { status: 501, code: 10001, message: "This bucket implements head, get, put and delete only." };

export class FaultyR2 {
  /** How `{ operation, key }` fails: undefined, `before` the response, or `after`: its body is cut off. */
  fails = () => undefined;

  #objects = new Map();

  put(key, bytes) {
    const etag = createHash("md5").update(bytes).digest("hex");
    this.#objects.set(key, { bytes, etag, uploaded: Date.now() });
  }

  /** Responds to one request of the binding. */
  async serve(request, response) {
    if (request.method === "PUT") return this.#write(request, response);
    request.resume();
    const asked = JSON.parse(request.headers["mf-header-cf-r2-request"] ?? request.headers["cf-r2-request"] ?? "{}");
    const { method, object: key } = asked;
    if (method !== "get" && method !== "head") return refuse(response, NOT_HERE);
    const failure = this.fails({ operation: method, key });
    if (failure === "before") return refuse(response, INTERNAL);
    const found = this.#objects.get(key);
    if (!found) return refuse(response, NO_SUCH_KEY);
    const range = rangeOf(asked.range, found.bytes.length);
    if (range && (range.length <= 0 || range.offset >= found.bytes.length)) return refuse(response, OUTSIDE);
    const isOther = asked.onlyIf?.etagMatches && !asked.onlyIf.etagMatches.some(({ value }) => value === found.etag);
    const head = describe(key, found, range);
    const { offset, length } = range ?? { offset: 0, length: found.bytes.length };
    const body = method === "head" || isOther ? Buffer.alloc(0) : found.bytes.subarray(offset, offset + length);
    const headers = { "MF-Forwarded-Response": "1", "cf-r2-metadata-size": head.length, "Content-Length": head.length + body.length };
    response.writeHead(200, headers);
    response.write(head);
    if (failure !== "after") return response.end(body);
    // Half of the body, then the end of the connection.
    return response.write(body.subarray(0, body.length / 2), () => response.destroy());
  }

  /** The metadata of a write precede the value. */
  async #write(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const size = Number(request.headers["mf-header-cf-r2-metadata-size"] ?? request.headers["cf-r2-metadata-size"]);
    const { method, object, objects } = JSON.parse(body.subarray(0, size));
    if (method !== "put" && method !== "delete") return refuse(response, NOT_HERE);
    const keys = objects ?? [object];
    const failure = this.fails({ operation: method, key: keys[0] });
    if (failure === "before") return refuse(response, INTERNAL);
    if (method === "put") this.put(object, body.subarray(size));
    else for (const key of keys) this.#objects.delete(key);
    if (failure === "after") return response.destroy();
    const head = method === "put" ? describe(object, this.#objects.get(object)) : Buffer.alloc(0);
    response.writeHead(200, { "MF-Forwarded-Response": "1", "cf-r2-metadata-size": head.length, "Content-Length": head.length });
    return response.end(head);
  }
}

/** `{ offset, length }` of the requested part, or undefined if that is all. */
function rangeOf(range, size) {
  if (!range) return undefined;
  if (range.suffix !== undefined) return { offset: Math.max(size - range.suffix, 0), length: Math.min(range.suffix, size) };
  const offset = Number(range.offset ?? 0);
  return { offset, length: Math.min(Number(range.length ?? size), size - offset) };
}

function describe(name, { bytes, etag, uploaded }, range) {
  const version = createHash("md5").update(`${name} ${etag} ${uploaded}`).digest("hex");
  const described = { name, version, size: bytes.length, etag, uploaded, httpFields: {}, customFields: [], checksums: {} };
  if (range) described.range = { offset: String(range.offset), length: String(range.length) };
  return Buffer.from(JSON.stringify(described));
}

function refuse(response, { status, code, message }) {
  response.writeHead(status, { "MF-Forwarded-Response": "1", "cf-r2-error": JSON.stringify({ version: 1, v4code: code, message }) });
  response.end();
}
