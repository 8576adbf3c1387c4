// KV and R2 for the measured Workers, in the protocol that the runtime speaks to them: values and small objects
// in memory, larger files in a folder. They cost as little as a store in this process can. With DELAY_MS, each
// operation takes that many milliseconds longer. On a socket of its own, PUT /kv/<key> and PUT /r2/<key> store a
// body, and DELETE /kv/<prefix> deletes every value whose key begins with it.

const values = new Map();
const objects = new Map();
const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** The service of `kvNamespace` bindings. */
export const kv = {
  async fetch(request, env) {
    if (env.DELAY_MS > 0) await scheduler.wait(env.DELAY_MS);
    if (request.method === "POST") {
      const { keys } = await request.json();
      const text = (key) => (values.has(key) ? decoder.decode(values.get(key)) : null);
      return Response.json(Object.fromEntries(keys.map((key) => [key, text(key)])));
    }
    // https://host/<key>?urlencoded=true
    const start = request.url.indexOf("/", 8) + 1;
    const key = decodeURIComponent(request.url.slice(start).split("?", 1)[0]);
    if (request.method === "PUT") values.set(key, await request.arrayBuffer());
    return values.has(key) ? new Response(values.get(key)) : new Response(null, { status: 404 });
  },
};

/** The service of `r2Bucket` bindings. */
export const r2 = {
  async fetch(request, env, context) {
    const { method, object: key } = JSON.parse(request.headers.get("cf-r2-request"));
    if (env.DELAY_MS > 0) await scheduler.wait(env.DELAY_MS);
    const found = objects.get(key);
    if (found) return respond(found.head, method === "head" ? found.head : found.whole);
    const file = await env.FOLDER.fetch(`http://folder/${key}`, { method: method === "head" ? "HEAD" : "GET" });
    const size = Number(file.headers.get("Content-Length"));
    const head = describe(key, size, Date.parse(file.headers.get("Last-Modified")));
    if (method === "head") return respond(head, head);
    // Passed through: never in memory as a whole.
    const { readable, writable } = new FixedLengthStream(head.byteLength + size);
    const send = async () => {
      const writer = writable.getWriter();
      await writer.write(head);
      writer.releaseLock();
      await file.body.pipeTo(writable);
    };
    context.waitUntil(send());
    return respond(head, readable);
  },
};

export default {
  async fetch(request) {
    const [, store, ...segments] = new URL(request.url).pathname.split("/");
    const key = segments.join("/");
    const body = new Uint8Array(await request.arrayBuffer());
    if (request.method === "DELETE") {
      for (const name of values.keys()) if (name.startsWith(key)) values.delete(name);
    } else if (store === "kv") {
      values.set(key, body);
    } else {
      const head = describe(key, body.byteLength, Date.now());
      const whole = new Uint8Array(head.byteLength + body.byteLength);
      whole.set(head);
      whole.set(body, head.byteLength);
      objects.set(key, { head, whole });
    }
    return new Response();
  },
};

/** An object as a binding reads it: its metadata `head`, then its body. */
function respond(head, body) {
  return new Response(body, { headers: { "cf-r2-metadata-size": String(head.byteLength) } });
}

function describe(name, size, uploaded) {
  const [version, etag] = [`${name} ${size} ${uploaded}`, "0123456789abcdef0123456789abcdef"];
  return encoder.encode(JSON.stringify({ name, version, size, etag, uploaded, httpFields: {}, customFields: [], checksums: {} }));
}
