// The KV service between the places and one KV, as Cloudflare documents KV. It runs in a workerd of its own, as the
// bindings of the places find Cloudflare's: killing the runtime of the Worker does not touch it.
//
// - Each place has a cache. It keeps what a read found for the `cacheTtl` of the read, 60 s by default, also that
//   there was nothing. Each key of a bulk read is cached on its own.
// - A write shows at once in the place that made it. Another place shows it when its cached entry expires; without
//   one, after a delay of its own, up to `propagation` milliseconds.
// - A key takes one write per second: another one is answered 429.
// - One operation in `oneIn` fails with 500, chosen by `seed`: before it is done, or after.
// - A place may be cut off from the service: it `fails`, or it `hangs`.
//
// `/?place=NAME` is the URL of a binding. POST /control is the bench's own: an operator's reads and writes, which
// no cache hides and no rule rejects, the clock, the rules and the figures.
//
// Sources: developers.cloudflare.com/kv/concepts/how-kv-works, /kv/platform/limits, /kv/api/read-key-value-pairs.

import { now, setClock } from "./clock.mjs";
import { Faults, hash } from "./faults.mjs";

const DEFAULT_TTL = 60_000;
const LEAST_TTL = 30_000;
const WRITE_INTERVAL = 1000;
const MAX_BULK_BYTES = 25 << 20;
const FOREVER = 3_600_000;
/** The place of operators: it has no cache. */
const OUTSIDE = "outside";

const decoder = new TextDecoder();
const places = new Map();
/** The values that not every place shows yet, by key, oldest first: `{ value, at, place, number }`. */
const versions = new Map();
/** When a key was last written. */
const written = new Map();
let writes = 0;
/** The contents of the store, as far as they were read or written: nobody else writes to it. */
const latest = new Map();
let rules = { seed: 1, propagation: 0, oneIn: 0, read: 0, write: 0 };
let faults = new Faults(1);

/** A place: its cache, its figures, and whether it is cut off. */
function placeOf(name) {
  if (!places.has(name)) places.set(name, { name, cache: new Map(), down: undefined, figures: newFigures() });
  return places.get(name);
}

/** Keys read, also by bulk reads and also missing ones, as they are billed; and what else was asked. */
const newFigures = () => ({ operations: 0, reads: 0, cached: 0, writes: 0, deletes: 0, lists: 0, rejected: 0, faults: 0 });

/** The milliseconds until a write shows in another place that has not cached its key. */
function delayIn(place, key, version) {
  if (place === version.place || place === OUTSIDE || rules.propagation === 0) return 0;
  return hash(`${rules.seed} ${key} ${version.number} ${place}`) % rules.propagation;
}

/** The value that a place shows of a key that it has not cached, as far as this service remembers: undefined if it does not. */
function remembered(place, key) {
  const known = versions.get(key);
  if (!known) return undefined;
  const time = now();
  return known.findLast((version) => version.at + delayIn(place, key, version) <= time)?.value;
}

/** The stored value of a key: bytes or null. */
async function stored(key, store) {
  if (!latest.has(key)) {
    const value = await store.get(key, "arrayBuffer");
    // A write may have come in between.
    if (!latest.has(key)) latest.set(key, value);
  }
  return latest.get(key);
}

/** Reads what a place shows of a key, with or without its cache. */
async function read(place, key, store, { ttl = DEFAULT_TTL, keep = true } = {}) {
  const cached = () => {
    const entry = place.cache.get(key);
    return entry && entry.until > now() ? entry : undefined;
  };
  const found = place.name === OUTSIDE ? undefined : cached();
  if (found) {
    place.figures.cached += keep ? 1 : 0;
    return found.value;
  }
  if (keep && rules.read > 0) await scheduler.wait(rules.read * (0.5 + Math.random()));
  await stored(key, store);
  if (cached()) return cached().value;
  let value = remembered(place.name, key);
  if (value === undefined) value = latest.get(key);
  if (keep && place.name !== OUTSIDE) place.cache.set(key, { value, until: now() + Math.max(ttl, LEAST_TTL) });
  return value;
}

/** Writes a value, or deletes it with `null`. Returns whether the key took it. */
async function write(place, key, value, store, { limited = true } = {}) {
  const isLimited = () => limited && now() - (written.get(key) ?? 0) < WRITE_INTERVAL;
  if (isLimited()) return false;
  // The former value, which other places may still show.
  const before = await stored(key, store);
  if (isLimited()) return false;
  const at = now();
  written.set(key, at);
  if (!versions.has(key)) versions.set(key, [{ value: before, at: 0, place: OUTSIDE, number: 0 }]);
  const version = { value, at, place: place.name, number: ++writes };
  versions.get(key).push(version);
  latest.set(key, value);
  if (place.name !== OUTSIDE) place.cache.set(key, { value, until: at + DEFAULT_TTL });
  // The newest value is stored, in whatever order concurrent writes end.
  for (let done; done !== latest.get(key); ) {
    done = latest.get(key);
    if (done === null) await store.delete(key);
    else await store.put(key, done);
  }
  forget(key);
  return true;
}

/** Forgets the former values that no place shows any more; all of them, if every place shows the stored one. */
function forget(key) {
  const known = versions.get(key);
  if (!known) return;
  const shown = known.findLastIndex((version) => now() - version.at >= rules.propagation);
  if (shown === known.length - 1) versions.delete(key);
  else if (shown > 0) known.splice(0, shown);
}

const respond = (status, body = null) => new Response(body, { status, headers: { "MF-Forwarded-Response": "1" } });

/** One operation of a binding. */
async function serve(place, request, url, store) {
  const { figures } = place;
  figures.operations += 1;
  if (place.down === "hangs") await scheduler.wait(FOREVER);
  if (place.down) return respond(500, "this place is cut off from KV");
  const key = decodeURIComponent(url.pathname.slice(1));
  const ttl = Number(url.searchParams.get("cache_ttl") ?? DEFAULT_TTL / 1000) * 1000;
  const { method } = request;
  const failure = rules.oneIn > 0 ? faults.next(`kv ${place.name}`, method, key) : undefined;
  if (failure) figures.faults += 1;
  if (method === "PUT" || method === "DELETE") {
    const value = method === "PUT" ? await request.arrayBuffer() : null;
    figures[method === "PUT" ? "writes" : "deletes"] += 1;
    if (rules.write > 0) await scheduler.wait(rules.write * (0.5 + Math.random()));
    if (failure === "before") return respond(500, "this operation is to fail");
    if (!(await write(place, key, value, store))) {
      figures.rejected += 1;
      return respond(429, "too many writes of one key");
    }
    return failure ? respond(500, "the result of this operation is lost") : respond(200);
  }
  if (failure) return respond(500, "this operation is to fail");
  if (method === "POST") {
    const { keys } = await request.json();
    figures.reads += keys.length;
    const values = await Promise.all(keys.map((key) => read(place, key, store, { ttl })));
    if (values.reduce((sum, value) => sum + (value?.byteLength ?? 0), 0) > MAX_BULK_BYTES) return respond(413, "Total size of request exceeds the limit of 25MB");
    return respond(200, JSON.stringify(Object.fromEntries(keys.map((key, at) => [key, values[at] && decoder.decode(values[at])]))));
  }
  if (key === "") {
    figures.lists += 1;
    const [limit, prefix, cursor] = ["key_count_limit", "prefix", "cursor"].map((name) => url.searchParams.get(name) ?? undefined);
    return respond(200, JSON.stringify(await store.list({ prefix, cursor, limit: limit && Number(limit) })));
  }
  figures.reads += 1;
  const value = await read(place, key, store, { ttl });
  return value === null ? respond(404) : respond(200, value);
}

const CONTROLS = {
  get: ({ key }, store) => read(placeOf(OUTSIDE), key, store, { keep: false }).then((value) => value && decoder.decode(value)),
  getAll: ({ keys }, store) => Promise.all(keys.map((key) => CONTROLS.get({ key }, store))),
  /** The value that a read in a place would find now; it caches nothing. */
  shown: ({ place, key }, store) => read(placeOf(place), key, store, { keep: false }).then((value) => value && decoder.decode(value)),
  async put({ values }, store) {
    const encoder = new TextEncoder();
    await Promise.all(Object.entries(values).map(([key, text]) => write(placeOf(OUTSIDE), key, text === null ? null : encoder.encode(text).buffer, store, { limited: false })));
  },
  async list({ prefix }, store) {
    const names = [];
    for (let cursor; ; ) {
      const page = await store.list({ prefix, cursor });
      names.push(...page.keys.map(({ name }) => name));
      if (page.list_complete) return names;
      ({ cursor } = page);
    }
  },
  clock: ({ clock }) => void setClock(clock),
  rules({ rules: changed }) {
    if (changed.seed !== undefined || changed.oneIn !== undefined) faults = new Faults(changed.seed ?? rules.seed, changed.oneIn ?? rules.oneIn);
    rules = { ...rules, ...changed };
  },
  down: ({ place, how }) => void (placeOf(place).down = how),
  /** A place sees what another one has cached. */
  move: ({ place, to }) => void (placeOf(place).cache = new Map(placeOf(to).cache)),
  figures: () => Object.fromEntries([...places].map(([name, { figures }]) => [name, figures])),
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/control") {
      const asked = await request.json();
      return Response.json((await CONTROLS[asked.control](asked, env.STORE)) ?? null);
    }
    // The URL of the operation is in a header: the proxy of the binding sends it to the URL of the service.
    return serve(placeOf(url.searchParams.get("place")), request, new URL(request.headers.get("mf-url") ?? request.url), env.STORE);
  },
};
