// A test server on loopback with the part of Cloudflare's REST API for KV and R2, and of R2's S3 interface, that
// `ztp` uses. It checks every credential and signature (AWS Signature Version 4 in the query, computed from its
// documentation). Pages are short, and requests can fail.

import { createHash, createHmac } from "node:crypto";
import http from "node:http";

export const ACCOUNT = "0123456789abcdef0123456789abcdef";
export const TOKEN = "token-of-a-test";
export const KEY_ID = "key-of-a-test";
export const SECRET = "secret-of-a-test";
const NAMESPACE = "namespace-of-a-test";
const BUCKET = "bucket-of-a-test";
const PAGE = 3;

/** Starts the server. `values` and `objects` are the stored content, `requests` all requests in order. */
export async function startCloudflare() {
  const state = {
    values: new Map(),
    objects: new Map(),
    uploads: new Map(),
    requests: [],
    /** Responses to the next requests that match: {match, status, headers}. */
    failures: [],
    /** Keys of values whose first write is rejected. */
    refusedValues: new Set(),
    /** Patterns of requests that are carried out, and whose response is lost: each is used once. */
    lostResponses: [],
    /** A rate limit as in Cloudflare's API: `{requests, seconds, scale}`. After this number of requests,
     * all are rejected for `seconds`; `early` counts the rejected ones. */
    limit: undefined,
    /** Called after a part is stored. */
    onPart: () => {},
    /** Whether to keep the bytes of objects, or only sizes and hashes. */
    keep: true,
  };
  const server = http.createServer((request, response) => {
    respond(state, request).then(
      ({ status = 200, headers = {}, body = "" }) => {
        const lost = state.lostResponses.findIndex((match) => match.test(`${request.method} ${request.url}`));
        if (lost >= 0) {
          state.lostResponses.splice(lost, 1);
          return request.socket.destroy();
        }
        response.writeHead(status, headers);
        response.end(request.method === "HEAD" ? undefined : body);
      },
      (error) => {
        response.writeHead(500);
        response.end(String(error.stack));
      },
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    ...state,
    state,
    env: {
      CLOUDFLARE_API_BASE_URL: `${url}/client/v4`,
      CLOUDFLARE_API_TOKEN: TOKEN,
      AWS_ACCESS_KEY_ID: "",
      AWS_SECRET_ACCESS_KEY: "",
      AWS_SESSION_TOKEN: "",
    },
    s3: { AWS_ACCESS_KEY_ID: KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET, AWS_ENDPOINT_URL_S3: `${url}/s3` },
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

async function respond(state, request) {
  const url = new URL(request.url, "http://localhost");
  state.requests.push(`${request.method} ${url.pathname}${url.searchParams.has("partNumber") ? `?${url.searchParams.get("partNumber")}` : ""}`);
  const failure = state.failures.findIndex(({ match }) => match.test(`${request.method} ${url.pathname}`));
  if (failure >= 0) {
    const [{ status, headers = {}, body = "this request fails by a rule of the test" }] = state.failures.splice(failure, 1);
    await read(request, () => {});
    return { status, headers, body };
  }
  if (state.limit && limited(state.limit)) {
    await read(request, () => {});
    const { headers, ...response } = json(429, null, [{ code: 971, message: "Please wait and consider throttling your request speed" }]);
    return { ...response, headers: { ...headers, "Retry-After": String(state.limit.seconds) } };
  }
  if (url.pathname.startsWith("/s3/")) return s3(state, request, url);
  if (request.headers.authorization !== `Bearer ${TOKEN}`) return json(403, null, [{ code: 10000, message: "Authentication error" }]);
  return rest(state, request, url);
}

/** Counts a request. Returns whether the rate limit rejects it. */
function limited(limit) {
  const now = performance.now();
  if (limit.until > now) {
    limit.early = (limit.early ?? 0) + 1;
    return true;
  }
  limit.count = (limit.count ?? 0) + 1;
  if (limit.count <= limit.requests) return false;
  limit.count = 0;
  limit.blocks = (limit.blocks ?? 0) + 1;
  limit.until = now + limit.seconds * 1000 * limit.scale;
  return true;
}

async function rest(state, request, url) {
  const path = url.pathname.slice("/client/v4".length);
  if (path === "/accounts") return json(200, [{ id: ACCOUNT, name: "test" }]);
  const own = path.startsWith(`/accounts/${ACCOUNT}/`) ? path.slice(`/accounts/${ACCOUNT}`.length) : "";
  if (own === "/workers/scripts/ztp-edge/settings") {
    const bindings = [
      { type: "kv_namespace", name: "ZTP_DATA", namespace_id: NAMESPACE },
      { type: "r2_bucket", name: "ZTP_FILES", bucket_name: BUCKET },
      { type: "plain_text", name: "SERVER_URL", text: "auto" },
    ];
    return json(200, { bindings });
  }
  const kv = `/storage/kv/namespaces/${NAMESPACE}`;
  if (own.startsWith(`${kv}/`)) return values(state, request, url, own.slice(kv.length));
  const r2 = `/r2/buckets/${BUCKET}/objects`;
  if (own === r2 || own.startsWith(`${r2}/`)) return objects(state, request, url, own.slice(r2.length));
  return json(404, null, [{ code: 7003, message: `no route for ${path}` }]);
}

async function values(state, request, url, path) {
  const body = await bytes(request);
  if (path === "/keys") {
    const { page, cursor } = paged([...state.values.keys()].sort(), url);
    const result = page.map((name) => ({ name, metadata: state.values.get(name).metadata }));
    return json(200, result, [], { count: page.length, cursor });
  }
  if (path === "/bulk/get") {
    const { keys } = JSON.parse(body);
    if (keys.length > 100) return json(400, null, [{ code: 10000, message: "too many keys" }]);
    const found = keys.map((key) => [key, state.values.has(key) ? state.values.get(key).value.toString("utf8") : null]);
    return json(200, { values: Object.fromEntries(found) });
  }
  if (path === "/bulk/delete") {
    JSON.parse(body).forEach((key) => state.values.delete(key));
    return json(200, { successful_key_count: 1, unsuccessful_keys: [] });
  }
  if (path === "/bulk" && request.method === "PUT") {
    const unsuccessful = [];
    for (const { key, value, base64, metadata } of JSON.parse(body)) {
      if (state.refusedValues.delete(key)) unsuccessful.push(key);
      else state.values.set(key, { value: Buffer.from(value, base64 ? "base64" : "utf8"), metadata });
    }
    return json(200, { successful_key_count: 1, unsuccessful_keys: unsuccessful });
  }
  const stored = state.values.get(decodeURIComponent(path.slice("/values/".length)));
  return stored ? { body: stored.value } : json(404, null, [{ code: 10009, message: "key not found" }]);
}

async function objects(state, request, url, path) {
  if (path === "") {
    const { page, cursor } = paged([...state.objects.keys()].sort(), url);
    const result = page.map((key) => ({ key, ...described(state.objects.get(key)) }));
    return json(200, result, [], { cursor, is_truncated: cursor !== "", per_page: page.length });
  }
  const key = path.slice(1).split("/").map(decodeURIComponent).join("/");
  if (request.method === "PUT") {
    // The API accepts only the metadata of HTTP.
    state.objects.set(key, { ...single(await bytes(request), {}), disposition: request.headers["content-disposition"] });
    return json(200, { key });
  }
  if (request.method === "DELETE") {
    return state.objects.delete(key) ? json(200, { key }) : json(404, null, [{ code: 10007, message: "object not found" }]);
  }
  const object = state.objects.get(key);
  return object ? { body: object.content } : json(404, null, [{ code: 10007, message: "object not found" }]);
}

function described({ size, etag, metadata, disposition }) {
  return { size, etag, custom_metadata: metadata, http_metadata: { contentDisposition: disposition }, last_modified: new Date(0).toISOString() };
}

function paged(all, url) {
  const start = Number(url.searchParams.get("cursor") || 0);
  const page = all.slice(start, start + PAGE);
  return { page, cursor: start + PAGE < all.length ? String(start + PAGE) : "" };
}

async function s3(state, request, url) {
  const problem = signatureProblem(request, url);
  if (problem) {
    await read(request, () => {});
    return xml(403, `<Error><Code>SignatureDoesNotMatch</Code><Message>${problem}</Message></Error>`);
  }
  const prefix = `/s3/${BUCKET}`;
  const key = url.pathname.slice(prefix.length + 1).split("/").map(decodeURIComponent).join("/");
  const query = url.searchParams;
  const upload = state.uploads.get(query.get("uploadId"));
  const metadata = Object.fromEntries(
    Object.entries(request.headers)
      .filter(([name]) => name.startsWith("x-amz-meta-"))
      .map(([name, value]) => [name.slice("x-amz-meta-".length), value]),
  );
  const noUpload = () => xml(404, "<Error><Code>NoSuchUpload</Code></Error>");

  if (query.get("list-type") === "2") {
    const start = Number(query.get("continuation-token") || 0);
    const all = [...state.objects.keys()].sort();
    const page = all.slice(start, start + PAGE);
    const more = start + PAGE < all.length;
    const contents = page.map((name) => {
      const { size, etag } = state.objects.get(name);
      return `<Contents><Key>${encodeURIComponent(name)}</Key><Size>${size}</Size><ETag>&quot;${etag}&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`;
    });
    const next = more ? `<NextContinuationToken>${start + PAGE}</NextContinuationToken>` : "";
    return xml(200, `<ListBucketResult xmlns="${S3_NAMESPACE}"><IsTruncated>${more}</IsTruncated><EncodingType>url</EncodingType>${contents.join("")}${next}</ListBucketResult>`);
  }
  if (request.method === "POST" && query.has("uploads")) {
    const id = `upload-${state.uploads.size + 1}`;
    state.uploads.set(id, { key, metadata, parts: new Map() });
    return xml(200, `<InitiateMultipartUploadResult xmlns="${S3_NAMESPACE}"><Bucket>${BUCKET}</Bucket><Key>x</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }
  if (query.has("uploadId")) {
    if (!upload || upload.key !== key) return noUpload();
    if (request.method === "PUT") {
      const part = await hashed(request, state.keep);
      upload.parts.set(Number(query.get("partNumber")), part);
      state.onPart(upload.parts.size);
      return { headers: { ETag: `"${part.etag}"` } };
    }
    if (request.method === "DELETE") {
      state.uploads.delete(query.get("uploadId"));
      return { status: 204 };
    }
    const numbers = [...upload.parts.keys()].sort((a, b) => a - b);
    if (request.method === "GET") {
      const after = Number(query.get("part-number-marker") || 0);
      const page = numbers.filter((number) => number > after).slice(0, PAGE);
      const more = page.length > 0 && page.at(-1) !== numbers.at(-1);
      const parts = page.map((number) => {
        const { etag, size } = upload.parts.get(number);
        return `<Part><PartNumber>${number}</PartNumber><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Part>`;
      });
      const next = more ? `<NextPartNumberMarker>${page.at(-1)}</NextPartNumberMarker>` : "";
      return xml(200, `<ListPartsResult xmlns="${S3_NAMESPACE}"><Bucket>${BUCKET}</Bucket><Key>x</Key><UploadId>x</UploadId><MaxParts>${PAGE}</MaxParts><IsTruncated>${more}</IsTruncated>${next}${parts.join("")}</ListPartsResult>`);
    }
    // Completion must list the parts in order, each with its ETag.
    const named = [...(await bytes(request)).toString().matchAll(/<Part>.*?<\/Part>/gs)].map(([part]) => ({
      number: Number(/<PartNumber>(\d+)</.exec(part)[1]),
      etag: /<ETag>(?:&quot;|")?([0-9a-f]+)/.exec(part)[1],
    }));
    const matches = named.length === numbers.length && named.every(({ number, etag }, index) => number === numbers[index] && upload.parts.get(number).etag === etag);
    if (!matches) return xml(200, "<Error><Code>InvalidPart</Code></Error>");
    const parts = numbers.map((number) => upload.parts.get(number));
    state.objects.set(key, {
      size: parts.reduce((sum, part) => sum + part.size, 0),
      etag: `${createHash("md5").update(parts.map((part) => part.etag).join("")).digest("hex")}-${parts.length}`,
      metadata: upload.metadata,
      parts,
      content: state.keep ? Buffer.concat(parts.map((part) => part.content)) : undefined,
    });
    state.uploads.delete(query.get("uploadId"));
    return xml(200, `<CompleteMultipartUploadResult xmlns="${S3_NAMESPACE}"><ETag>"x"</ETag></CompleteMultipartUploadResult>`);
  }
  if (request.method === "PUT") {
    const object = single(await bytes(request), metadata);
    state.objects.set(key, object);
    return { headers: { ETag: `"${object.etag}"` } };
  }
  const object = state.objects.get(key);
  if (!object) return xml(404, "<Error><Code>NoSuchKey</Code></Error>");
  const metadataHeaders = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
  if (object.disposition) metadataHeaders.push(["Content-Disposition", object.disposition]);
  return { headers: { ETag: `"${object.etag}"`, ...Object.fromEntries(metadataHeaders) }, body: object.content };
}

const S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** The problem with the signature in a URL; undefined if it is valid. */
function signatureProblem(request, url) {
  const query = [...url.searchParams].filter(([name]) => name !== "X-Amz-Signature");
  const get = (name) => url.searchParams.get(name) ?? "";
  const [id, date, region, service, end] = get("X-Amz-Credential").split("/");
  if (id !== KEY_ID) return "unknown access key";
  if (region !== "auto" || service !== "s3" || end !== "aws4_request") return "wrong scope";
  const signed = get("X-Amz-SignedHeaders").split(";");
  const unsigned = Object.keys(request.headers).find((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (unsigned) return `${unsigned} is not signed`;
  const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const canonical = [
    request.method,
    url.pathname.split("/").map((part) => encode(decodeURIComponent(part))).join("/"),
    query.map(([name, value]) => `${encode(name)}=${encode(value)}`).sort().join("&"),
    ...signed.map((name) => `${name}:${request.headers[name].trim()}`),
    "",
    signed.join(";"),
    "UNSIGNED-PAYLOAD",
  ].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", get("X-Amz-Date"), [date, region, service, end].join("/"), createHash("sha256").update(canonical).digest("hex")].join("\n");
  const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
  const key = [date, region, service, end].reduce(hmac, `AWS4${SECRET}`);
  return hmac(key, toSign).toString("hex") === get("X-Amz-Signature") ? undefined : "the signature is wrong";
}

function single(content, metadata) {
  return { content, size: content.length, etag: createHash("md5").update(content).digest("hex"), metadata };
}

async function hashed(request, keep) {
  const md5 = createHash("md5");
  const chunks = [];
  let size = 0;
  await read(request, (chunk) => {
    md5.update(chunk);
    size += chunk.length;
    if (keep) chunks.push(chunk);
  });
  return { size, etag: md5.digest("hex"), content: keep ? Buffer.concat(chunks) : undefined };
}

async function bytes(request) {
  const chunks = [];
  await read(request, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks);
}

async function read(request, take) {
  for await (const chunk of request) take(chunk);
}

function json(status, result, errors = [], result_info = undefined) {
  const body = JSON.stringify({ success: errors.length === 0, errors, messages: [], result, result_info });
  return { status, headers: { "Content-Type": "application/json" }, body };
}

function xml(status, body) {
  return { status, headers: { "Content-Type": "application/xml" }, body: `<?xml version="1.0" encoding="UTF-8"?>${body}` };
}
