// One case on both servers, and what they answered and stored differently.

import { readJson, same } from "./json.mjs";

/**
 * Plays a case: lays its content, sends its requests one after the other, looks at what is stored
 * of nodes at the end, and leaves both servers empty.
 *
 * Resolves to a list with one entry for each request and one for what is stored, each with the
 * `findings`: what differs, as `{field, reference, worker}`.
 */
export async function play(servers, { content = {}, requests }) {
  await both(servers, (server) => server.lay(content));
  const results = [];
  for (const request of requests) {
    const { method, path, ...options } = request;
    const answers = await both(servers, (server) => server.request(method, path, options));
    const headers = options.headers ? ` ${JSON.stringify(options.headers)}` : "";
    results.push({ what: `${method} ${path}${headers}`, request, ...answers, findings: compareAnswers(answers, method) });
  }
  results.push({ what: "what is stored", findings: await compareStored(servers) });
  await both(servers, (server) => server.clear());
  return results;
}

/** The same done with each server at once. */
export async function both({ reference, worker }, act) {
  const [one, other] = await Promise.all([act(reference), act(worker)]);
  return { reference: one, worker: other };
}

/** The fields in which two answers differ. */
function compareAnswers({ reference, worker }, method) {
  const findings = [];
  const compare = (field, one, other) => {
    if (!same(one, other)) findings.push({ field, reference: one, worker: other });
  };
  compare("status", reference.status, worker.status);
  compare("type", reference.headers["content-type"], worker.headers["content-type"]);
  compare("location", location(reference), location(worker));
  compare("body", body(reference), body(worker));
  compare("range", reference.headers["content-range"], worker.headers["content-range"]);
  // The local proxy of wrangler takes the length off HTML, which nothing in front of a deployed Worker does.
  if (reference.headers["content-length"] !== undefined && mediaType(worker) !== "text/html") {
    // JSON may be spaced otherwise: what counts is that the number is there and right.
    const right = method === "HEAD" ? reference.headers["content-length"] : String(worker.bytes.length);
    compare("length", right, worker.headers["content-length"]);
  }
  return findings;
}

/** Location as text: the reference sends UTF-8, which HTTP has as Latin-1. */
function location({ headers }) {
  return headers.location === undefined ? undefined : Buffer.from(headers.location, "latin1").toString("utf8");
}

/** What is compared of a body: JSON as values, anything else byte for byte. */
function body(answer) {
  const isJson = mediaType(answer) === "application/json";
  return (isJson ? readJson(answer.text) : undefined) ?? answer.bytes.toString("latin1");
}

export function mediaType(answer) {
  return answer.headers["content-type"]?.split(";")[0].trim();
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

/** What a record of a node holds: YAML and JSON as values, anything else byte for byte. */
async function readRecord(key, bytes, readYaml) {
  const name = key.split("/").at(-1);
  if (["definition", "pattern", "attributes"].includes(name)) return readYaml(bytes.toString("utf8"));
  return (name === ".node" && readJson(bytes.toString("utf8"))) || bytes.toString("latin1");
}
