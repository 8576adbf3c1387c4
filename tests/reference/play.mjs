// Runs one case on both servers, and returns the differences in responses and stored records.

import { readJson, same } from "./json.mjs";

/**
 * Runs a case: stores its content, sends its requests one after the other, compares the stored
 * records of nodes, and empties both servers.
 *
 * Resolves to a list with one entry for each request and one for the stored records, each with
 * `findings`: the differences, as `{field, reference, worker}`.
 */
export async function play(servers, { content = {}, requests }) {
  await both(servers, (server) => server.lay(content));
  const results = [];
  for (const request of requests) {
    const { method, path, ...options } = request;
    const responses = await both(servers, (server) => server.request(method, path, options));
    const headers = options.headers ? ` ${JSON.stringify(options.headers)}` : "";
    results.push({ name: `${method} ${path}${headers}`, request, ...responses, findings: compareResponses(responses, method) });
  }
  results.push({ name: "stored records", findings: await compareStored(servers) });
  await both(servers, (server) => server.clear());
  return results;
}

/** Calls `act` with both servers in parallel. */
export async function both({ reference, worker }, act) {
  const [one, other] = await Promise.all([act(reference), act(worker)]);
  return { reference: one, worker: other };
}

/** The fields in which two responses differ. */
function compareResponses({ reference, worker }, method) {
  const findings = [];
  const compare = (field, one, other) => {
    if (!same(one, other)) findings.push({ field, reference: one, worker: other });
  };
  compare("status", reference.status, worker.status);
  compare("type", reference.headers["content-type"], worker.headers["content-type"]);
  compare("location", location(reference), location(worker));
  compare("body", body(reference), body(worker));
  compare("range", reference.headers["content-range"], worker.headers["content-range"]);
  // wrangler's local proxy removes the length of HTML, which no proxy of a deployed Worker does.
  if (reference.headers["content-length"] !== undefined && mediaType(worker) !== "text/html") {
    // JSON may have other white space: the length must be present and right.
    const right = method === "HEAD" ? reference.headers["content-length"] : String(worker.bytes.length);
    compare("length", right, worker.headers["content-length"]);
  }
  return findings;
}

/** Location as text: the reference sends UTF-8, which Node.js decodes as Latin-1. */
function location({ headers }) {
  return headers.location === undefined ? undefined : Buffer.from(headers.location, "latin1").toString("utf8");
}

/** The comparable form of a body: JSON as values, anything else byte for byte. */
function body(response) {
  const isJson = mediaType(response) === "application/json";
  return (isJson ? readJson(response.text) : undefined) ?? response.bytes.toString("latin1");
}

export function mediaType(response) {
  return response.headers["content-type"]?.split(";")[0].trim();
}

/** The records that are stored differently. */
async function compareStored(servers) {
  const { reference, worker } = await both(servers, (server) => server.stored());
  const findings = [];
  for (const key of [...new Set([...Object.keys(reference), ...Object.keys(worker)])].sort()) {
    if (reference[key] && worker[key]?.equals(reference[key])) continue;
    const records = [reference[key], worker[key]].map((bytes) => bytes && readRecord(key, bytes, servers.reference.readYaml));
    const [one, other] = await Promise.all(records);
    if (!same(one, other)) findings.push({ field: key, reference: one, worker: other });
  }
  return findings;
}

/** The comparable form of a record: YAML and JSON as values, anything else byte for byte. */
async function readRecord(key, bytes, readYaml) {
  const name = key.split("/").at(-1);
  if (["definition", "pattern", "attributes"].includes(name)) return readYaml(bytes.toString("utf8"));
  return (name === ".node" && readJson(bytes.toString("utf8"))) || bytes.toString("latin1");
}
