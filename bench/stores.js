// KV and R2 for the measured Workers, in the protocol that the runtime speaks to them: values and small objects
// in memory, larger files in a folder. They cost as little as a store in this process can. With DELAY_MS, each
// operation takes that many milliseconds longer. On a socket of its own, PUT /kv/<key> and PUT /r2/<key> store a
// body, and DELETE deletes everything in that store whose key begins with the rest of the path. With RECORD, GET returns the
// operations of the measured Worker since the last GET.

const values = new Map();
const objects = new Map();
const decoder = new TextDecoder();
const operations = [];

/** The service of `kvNamespace` bindings. */
export const kv = {
  async fetch(request, env) {
    if (env.DELAY_MS > 0) await scheduler.wait(env.DELAY_MS);
    if (request.method === "POST") {
      const { keys } = await request.json();
      if (env.RECORD) operations.push(`KV GET ${keys.join(" ")}`);
      const found = keys.map((key) => [key, values.has(key) ? decoder.decode(values.get(key)) : null]);
      return Response.json(Object.fromEntries(found));
    }
    // https://host/<key>?urlencoded=true
    const start = request.url.indexOf("/", 8) + 1;
    const key = decodeURIComponent(request.url.slice(start).split("?", 1)[0]);
    if (env.RECORD) operations.push(`KV ${request.method} ${key}`);
    if (request.method === "PUT") values.set(key, await request.arrayBuffer());
    const value = request.method === "PUT" ? null : values.get(key);
    return new Response(value, { status: value === undefined ? 404 : 200 });
  },
};

/** The service of `r2Bucket` bindings: an object is its metadata `head`, then its body. */
export const r2 = {
  async fetch(request, env, context) {
    if (env.DELAY_MS > 0) await scheduler.wait(env.DELAY_MS);
    if (request.method === "PUT") return put(request, env);
    const { method, object: key } = JSON.parse(request.headers.get("cf-r2-request"));
    if (env.RECORD) operations.push(`R2 ${method.toUpperCase()} ${key}`);
    const respond = (head, body) => new Response(body, { headers: { "cf-r2-metadata-size": `${head.byteLength}` } });
    const found = objects.get(key);
    if (found) return respond(found.head, method === "head" ? found.head : found.whole);
    const file = await env.FOLDER.fetch(`http://folder/${key}`, { method: method === "head" ? "HEAD" : "GET" });
    const size = Number(file.headers.get("Content-Length"));
    const head = describe(key, size, Date.parse(file.headers.get("Last-Modified")));
    if (method === "head") return respond(head, head);
    // Passed through: never in memory as a whole.
    const { readable, writable } = new FixedLengthStream(head.byteLength + size);
    const writer = writable.getWriter();
    const sent = writer.write(head).then(() => {
      writer.releaseLock();
      return file.body.pipeTo(writable);
    });
    context.waitUntil(sent);
    return respond(head, readable);
  },
};

/** A put begins with its description; then the value follows. */
async function put(request, env) {
  const bytes = new Uint8Array(await request.arrayBuffer());
  const size = Number(request.headers.get("cf-r2-metadata-size"));
  const { object: key } = JSON.parse(decoder.decode(bytes.subarray(0, size)));
  if (env.RECORD) operations.push(`R2 PUT ${key}`);
  const head = await store(key, bytes.subarray(size));
  return new Response(head, { headers: { "cf-r2-metadata-size": `${head.byteLength}` } });
}

async function store(key, body) {
  const head = describe(key, body.byteLength, Date.now());
  objects.set(key, { head, whole: await new Blob([head, body]).arrayBuffer() });
  return head;
}

function describe(name, size, uploaded) {
  const [version, etag] = [`${name} ${size} ${uploaded}`, "0123456789abcdef0123456789abcdef"];
  const head = { name, version, size, etag, uploaded, httpFields: {}, customFields: [], checksums: {} };
  return new TextEncoder().encode(JSON.stringify(head));
}

export default {
  async fetch(request) {
    if (request.method === "GET") return Response.json(operations.splice(0));
    const [, where, key] = /^\/(\w+)\/(.*)$/.exec(new URL(request.url).pathname);
    const body = new Uint8Array(await request.arrayBuffer());
    if (request.method === "DELETE") {
      const stored = where === "kv" ? values : objects;
      for (const name of stored.keys()) if (name.startsWith(key)) stored.delete(name);
    } else if (where === "kv") {
      values.set(key, body);
    } else {
      await store(key, body);
    }
    return new Response();
  },
};
