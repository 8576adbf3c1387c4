// The credentials for the tests of access control, computed from their description:
// {site}.{id}.{HMAC-SHA256 of the identifier setting and the id, with the site's token as key}.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { requestsOf, startWorker } from "./harness.mjs";

export const AMSTERDAM = "amsterdam-token-0123456789";
/** Amsterdam's former token, still valid during a rotation. */
export const OLD = "amsterdam-token-of-last-year";
export const LONDON = "London_London_London-1";
export const ADMIN = "an-admin-token-of-enough-length";
export const SECRETS = {
  ZTP_TOKENS: `amsterdam=${AMSTERDAM}\n# until everything has booted again\namsterdam=${OLD}\nlondon=${LONDON}\n`,
  ZTP_ADMIN_TOKEN: ADMIN,
};

/** The credential of one node. */
export function nodeToken(site, token, id, identifier = "serialnumber") {
  const shown = /^[A-Za-z0-9_-]+$/.test(id) ? id : `~${Buffer.from(id).toString("hex")}`;
  return `${site}.${shown}.${mac(token, id, identifier)}`;
}

/** The last part of a node's credential. */
export function mac(token, id, identifier = "serialnumber") {
  return createHmac("sha256", token).update(`ztp-edge node token\0${identifier}\0${id}`).digest("hex");
}

/**
 * A Worker with the sites above. It keeps every log line; `assertNothingLeaked` asserts that no line
 * contains a secret, or the last part of a node's credential that was used.
 */
export async function startGuarded({ secrets = {}, ...options } = {}) {
  const worker = await startWorker({ secrets: { ...SECRETS, ...secrets }, ...options });
  const lines = [];
  const logs = () => {
    const fresh = worker.logs();
    lines.push(...fresh);
    return fresh;
  };
  const used = new Set([AMSTERDAM, OLD, LONDON, ADMIN]);
  return {
    ...worker,
    get url() {
      return worker.url;
    },
    get kv() {
      return worker.kv;
    },
    get r2() {
      return worker.r2;
    },
    /** Sends a request below /t/{credential}. */
    under(credential, method, path, options) {
      const last = credential.split(".").at(-1);
      if (last.length >= 16) used.add(last);
      return worker.request(method, `/t/${credential}${path}`, options);
    },
    logs,
    /** The log lines of requests since the last call, parsed. */
    requests: () => requestsOf(logs()),
    /** The next log line of a request, parsed. It may arrive after the response. */
    async line() {
      for (let waited = 0; waited < 5000; waited += 10) {
        const [line] = requestsOf(logs());
        if (line) return line;
        await sleep(10);
      }
      throw new Error("no request was logged");
    },
    /** `others`: more secrets that were used. */
    assertNothingLeaked(others = []) {
      lines.push(...worker.logs());
      assert.ok(lines.length > 0);
      for (const line of lines) for (const secret of [...used, ...others]) assert.ok(!line.includes(secret), line);
    },
  };
}

/** Status, headers and body of a response, without the date. */
export function appearance({ status, headers, bytes }) {
  const { date, ...others } = headers;
  return { status, headers: others, body: bytes.toString() };
}
