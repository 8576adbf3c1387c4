// Operators for tests: an Access team with a local server of its keys, and the credentials of its people.

import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import http from "node:http";

export const AUDIENCE = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";

/** A document `operators` for the people below. */
export const OPERATORS = `\
- email: Viewer@example.net
  role: viewer
- group: network
  role: operator
  secrets: true
- service_token: abc.access
  role: admin
- email: paris@example.net
  role: admin
  sites: [paris]
- email: elsewhere@example.net
  role: operator
  sites: [paris, rome]
`;
/** The claims of each. */
export const PEOPLE = {
  viewer: { email: "viewer@example.net", custom: { groups: ["network"] } },
  operator: { email: "ada@example.net", custom: { groups: ["all", "network"] } },
  admin: { common_name: "abc.access", sub: "" },
  paris: { email: "paris@example.net" },
  elsewhere: { email: "elsewhere@example.net", groups: ["network-of-another-name"] },
};

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A key of RS256, with an id. */
export function makeKey(kid) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = publicKey.export({ type: "spki", format: "pem" });
  return { kid, privateKey, pem, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg: "RS256", use: "sig" } };
}

/** A JSON Web Token; `sign` makes its signature from what is signed. */
export function tokenOf(header, claims, sign) {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${sign(signed).toString("base64url")}`;
}

/** The signature of RS256. */
export const rs256 = (key) => (signed) => createSign("RSA-SHA256").update(signed).sign(key.privateKey);

/**
 * Starts a server with the keys of a team. `keys` may be replaced; `respond` may be set, to answer otherwise. `reads`
 * counts the requests.
 */
export async function startTeam() {
  const team = { keys: [makeKey("key-1")], respond: undefined, reads: 0 };
  const server = http.createServer((request, response) => {
    team.reads += 1;
    if (team.respond) return team.respond(response);
    if (request.url !== "/cdn-cgi/access/certs") return response.writeHead(404).end();
    const keys = team.keys.map(({ jwk }) => jwk);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ keys, public_cert: {}, public_certs: [] }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return Object.assign(team, {
    url,
    vars: { ACCESS_TEAM_DOMAIN: url, ACCESS_AUD: AUDIENCE },
    /** A valid token; `changed` claims and header fields replace those of a valid one. `now` in seconds. */
    token(person, { now = Date.now() / 1000, key = team.keys[0], claims = {}, header = {}, sign = rs256(key) } = {}) {
      const valid = { iss: url, aud: [AUDIENCE], iat: Math.floor(now), nbf: Math.floor(now), exp: Math.floor(now) + 3600, type: "app", ...PEOPLE[person] };
      return tokenOf({ alg: "RS256", kid: key.kid, typ: "JWT", ...header }, { ...valid, ...claims }, sign);
    },
    stop: () => new Promise((resolve) => server.close(resolve)),
  });
}

export const COOKIE = "__Host-ztp-session";

/** The session cookie for an admin token, valid until a time in seconds, computed from its description. */
export function sessionCookie(adminToken, until = Math.floor(Date.now() / 1000) + 3600) {
  const key = createHmac("sha256", adminToken).update("ztp-edge session key").digest();
  return `${until}.${createHmac("sha256", key).update(`valid until ${until}`).digest("hex")}`;
}
