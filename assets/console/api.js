// The API below /admin. See assets/openapi.yaml.

import { learnClock } from "./words.js";

/** `…/admin`, also if the server has a path prefix. */
const BASE = location.pathname.replace(/\/$/, "");

/** A response that is not a success. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** The caller is not an operator (any more): every path is 404, as an unknown one. */
export class SignedOut extends Error {
  constructor() {
    super("The session has ended. Sign in again.");
  }
}

/** The server did not answer. */
export class Unreachable extends Error {}

/** A segment of a path. */
export const segment = encodeURIComponent;
/** The path of a key, whose slashes stay. */
export const keyPath = (key) => key.split("/").map(segment).join("/");

/** A query of those parameters that have a value. The server reads a plus sign as itself, and not as a blank. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length > 0 ? `?${String(new URLSearchParams(given)).replaceAll("+", "%20")}` : "";
}

async function send(method, path, { body, headers } = {}) {
  let response;
  try {
    response = await fetch(BASE + path, { method, body, headers, cache: "no-store", credentials: "same-origin", redirect: "error" });
  } catch (error) {
    throw new Unreachable(error.message);
  }
  learnClock(response.headers.get("Date"));
  if (response.ok || response.status === 304) return response;
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  if (response.status === 404 && !isJson) throw new SignedOut();
  let parsed = {};
  if (isJson) parsed = await response.json();
  else if (method !== "HEAD") parsed = { error: plain(await response.text()) };
  throw new ApiError(response.status, parsed);
}

/** The text of an error that is HTML: it has no tags, and only these escapes. */
function plain(html) {
  return html.trim().replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}

export async function get(path) {
  return (await send("GET", path)).json();
}

export async function change(method, path, body) {
  const response = await send(method, path, body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  return response.status === 204 ? null : response.json();
}

/** A value of the content: its bytes, these as text, and its ETag; null if there is none. */
export async function content(key) {
  try {
    const response = await send("GET", `/content/${keyPath(key)}`);
    const bytes = await response.arrayBuffer();
    // A text has no byte order mark, and other characters in place of bytes that are not UTF-8.
    return { bytes, text: new TextDecoder().decode(bytes), etag: response.headers.get("ETag") };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Stores or deletes (null) a value, if it is still the one with this ETag; `*` in place of it: if there is none. */
export function storeIf(key, bytes, etag) {
  const headers = etag === "*" ? { "If-None-Match": "*" } : { "If-Match": etag };
  const path = `/content/${keyPath(key)}?via=console`;
  return send(bytes === null ? "DELETE" : "PUT", bytes === null ? path.split("?")[0] : path, { body: bytes ?? undefined, headers });
}

/** Opens a session; false if the token is wrong. */
export async function signIn(token) {
  try {
    await send("POST", "/session", { body: JSON.stringify({ token }) });
    return true;
  } catch (error) {
    if (error instanceof SignedOut) return false;
    throw error;
  }
}

/** Who the caller is; null if it is not an operator. */
export async function session() {
  try {
    return await get("/session");
  } catch (error) {
    if (error instanceof SignedOut) return null;
    throw error;
  }
}

export const signOut = () => send("DELETE", "/session");

/** Reads a path that has an ETag; null if nothing has changed since the last read. */
export function reader() {
  let etag;
  let last;
  return async (path) => {
    const conditional = etag && last === path ? { "If-None-Match": etag } : {};
    const response = await send("GET", path, { headers: conditional });
    if (response.status === 304) return null;
    etag = response.headers.get("ETag");
    last = path;
    return response.json();
  };
}

/** The events of a site since the last call; none the first time. */
export function feed(site) {
  const read = reader();
  let last;
  return async () => {
    const events = [];
    for (;;) {
      const page = await read(`/events${query(last === undefined ? { site, limit: 1 } : { site, after: last })}`);
      if (page === null) return events;
      const isFirst = last === undefined;
      last = page.last;
      if (isFirst) return events;
      events.push(...page.events);
      if (!page.more) return events;
    }
  };
}
