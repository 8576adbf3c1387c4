// KV and R2 for the measured Workers, in the protocol that the runtime speaks to them: documents and
// small objects in memory, larger ones in a folder. It costs as little as a store in this process can, so
// that what is measured is the Worker, and keeps everything in memory, as ztpserver's files are.
//
// On the socket of its own, PUT /kv/<key> and PUT /r2/<key> store a body, and DELETE /kv/<prefix> forgets
// every document whose key begins so: what has piled up costs time whenever memory is collected.

const values = new Map();
const objects = new Map();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What `kvNamespace` bindings ask. */
export const kv = {
  async fetch(request) {
    if (request.method === "POST") return Response.json(readAll(await request.json()));
    const key = keyOf(request.url);
    if (request.method === "PUT") {
      values.set(key, await request.arrayBuffer());
      return new Response();
    }
    const value = values.get(key);
    return value === undefined ? new Response(null, { status: 404 }) : new Response(value);
  },
};

/** What `r2Bucket` bindings ask. */
export const r2 = {
  async fetch(request, env, context) {
    const { method, object } = JSON.parse(request.headers.get("cf-r2-request"));
    const found = objects.get(object);
    if (found) return method === "head" ? answer(found.metadata, found.head) : answer(found.metadata, found.whole);
    return file(method, object, env, context);
  },
};

export default {
  async fetch(request) {
    const [, store, ...segments] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    const key = segments.join("/");
    if (request.method === "DELETE") {
      for (const name of values.keys()) if (name.startsWith(key)) values.delete(name);
      return new Response();
    }
    const body = await request.arrayBuffer();
    if (store === "r2") objects.set(key, remember(key, body));
    else values.set(key, body);
    return new Response(null, { status: 201 });
  },
};

/** A bulk read: `{ keys }` into an object of texts. */
function readAll({ keys }) {
  const found = {};
  for (const key of keys) {
    const value = values.get(key);
    found[key] = value === undefined ? null : decoder.decode(value);
  }
  return found;
}

/** The key of `https://host/key?urlencoded=true`. */
function keyOf(url) {
  const start = url.indexOf("/", 8) + 1;
  const end = url.indexOf("?", start);
  return decodeURIComponent(url.slice(start, end < 0 ? undefined : end));
}

/** An object as a binding reads it: its metadata, and behind that its body. */
function remember(key, body) {
  const head = describe(key, body.byteLength, Date.now());
  const whole = new Uint8Array(head.byteLength + body.byteLength);
  whole.set(head);
  whole.set(new Uint8Array(body), head.byteLength);
  return { metadata: head.byteLength, head, whole };
}

function describe(name, size, uploaded) {
  const version = `${name} ${size} ${uploaded}`;
  const etag = "0123456789abcdef0123456789abcdef";
  return encoder.encode(JSON.stringify({ name, version, size, etag, uploaded, httpFields: {}, customFields: [], checksums: {} }));
}

/** A file of the folder: passed through, never in memory as a whole. */
async function file(method, key, env, context) {
  const found = await env.FOLDER.fetch(`http://folder/${key}`, { method: method === "head" ? "HEAD" : "GET" });
  if (found.status !== 200) return missing();
  const size = Number(found.headers.get("Content-Length"));
  const head = describe(key, size, Date.parse(found.headers.get("Last-Modified")));
  if (method === "head") return answer(head.byteLength, head);
  const { readable, writable } = new FixedLengthStream(head.byteLength + size);
  context.waitUntil(send(head, found.body, writable));
  return answer(head.byteLength, readable);
}

async function send(head, body, writable) {
  const writer = writable.getWriter();
  await writer.write(head);
  writer.releaseLock();
  await body.pipeTo(writable);
}

function answer(metadata, body) {
  return new Response(body, { headers: { "cf-r2-metadata-size": String(metadata) } });
}

function missing() {
  const error = JSON.stringify({ version: 1, v4code: 10007, message: "The specified key does not exist." });
  return new Response(null, { status: 404, headers: { "cf-r2-error": error } });
}
