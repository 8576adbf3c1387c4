// Who may use /admin: each route of assets/openapi.yaml, with each credential.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { ADMIN, AMSTERDAM, appearance, nodeToken, startGuarded } from "./credentials.mjs";
import { assertOperatorRefusal } from "./harness.mjs";
import { COOKIE, OPERATORS, makeKey, sessionCookie, startTeam } from "./operators.mjs";

/** The fields of an upload, and its id. */
const UPLOAD = { key: "files/image.swi", size: 5, sha1: "0".repeat(40) };
const UPLOAD_ID = createHash("sha1").update(`${Object.values(UPLOAD).join("\n")}\n`).digest("hex");

/**
 * Each route of operators. `role`: the least one that may call it. `path`: a request that succeeds, with `options` and
 * the status `status`. `elsewhere`: the status for an operator with that role of the site paris, if it is another one:
 * JPE1 belongs to amsterdam. `prepare` makes the request possible again.
 */
const ROUTES = {
  "GET /admin/session": { role: "viewer", path: "/admin/session", status: 200 },
  "DELETE /admin/session": { role: "viewer", path: "/admin/session", status: 204 },
  "GET /admin/audit": { role: "viewer", path: "/admin/audit", status: 200 },
  "POST /admin/audit/{n}/undo": { role: "operator", path: "/admin/audit/999999/undo", status: 404 },
  "GET /admin/content": { role: "viewer", path: "/admin/content", status: 200 },
  "GET /admin/content/{key}": { role: "viewer", path: "/admin/content/nodes/JPE1/startup-config", status: 200, elsewhere: 404 },
  "PUT /admin/content/{key}": { role: "operator", path: "/admin/content/nodes/JPE2/startup-config", options: { body: "hostname other" }, status: 200, elsewhere: 404, prepare: restore },
  "DELETE /admin/content/{key}": { role: "operator", path: "/admin/content/nodes/JPE2/startup-config", status: 200, elsewhere: 404, prepare: storeConfig },
  "POST /admin/uploads": { role: "admin", path: "/admin/uploads", options: { body: JSON.stringify(UPLOAD) }, status: 201, elsewhere: 403, prepare: abortUpload },
  "PUT /admin/uploads/{upload}/{part}": { role: "admin", path: `/admin/uploads/${UPLOAD_ID}/1`, options: { body: "image" }, status: 200, elsewhere: 403, prepare: upload },
  "POST /admin/uploads/{upload}/complete": { role: "admin", path: `/admin/uploads/${UPLOAD_ID}/complete`, status: 400, elsewhere: 403, prepare: upload },
  "DELETE /admin/uploads/{upload}": { role: "admin", path: `/admin/uploads/${UPLOAD_ID}`, status: 200, elsewhere: 403, prepare: upload },
  "GET /admin/nodes/{id}/events": { role: "viewer", path: "/admin/nodes/JPE1/events", status: 200, elsewhere: 404 },
  "GET /admin/sites": { role: "viewer", path: "/admin/sites", status: 200 },
  "GET /admin/events": { role: "viewer", path: "/admin/events?site=amsterdam", status: 200, elsewhere: 404 },
  "GET /admin/nodes": { role: "viewer", path: "/admin/nodes", status: 200 },
  "GET /admin/nodes/{id}": { role: "viewer", path: "/admin/nodes/JPE1", status: 200, elsewhere: 404 },
  "POST /admin/nodes/{id}/assign": { role: "operator", path: "/admin/nodes/JPE1/assign", options: { body: '{"attributes":"a: 1"}' }, status: 200, elsewhere: 404 },
  "POST /admin/nodes/{id}/reprovision": { role: "operator", path: "/admin/nodes/JPE1/reprovision", status: 200, elsewhere: 404 },
  "POST /admin/nodes/{id}/forget": { role: "operator", path: "/admin/nodes/JPE2/forget", status: 200, elsewhere: 404, prepare: restore },
  "POST /admin/check": { role: "operator", path: "/admin/check", status: 200 },
  "GET /admin/check": { role: "viewer", path: "/admin/check", status: 200, prepare: () => admin("POST", "/admin/check") },
  "POST /admin/explain": { role: "viewer", path: "/admin/explain", options: { body: '{"node":"JPE1"}' }, status: 200, elsewhere: 404 },
  "POST /admin/nodes/{id}/move": { role: "operator", path: "/admin/nodes/JPE1/move", options: { body: '{"site":"amsterdam"}' }, status: 200, elsewhere: 404 },
  "GET /admin/allocations": { role: "viewer", path: "/admin/allocations", status: 200 },
  "PUT /admin/allocations": { role: "admin", path: "/admin/allocations", options: { body: '{"allocations": [{"pool": "net", "value": "10.0.0.1", "node": "JPE1"}]}' }, status: 200, elsewhere: 403 },
  "GET /admin/pools": { role: "viewer", path: "/admin/pools", status: 200 },
  "DELETE /admin/pools": { role: "operator", path: "/admin/pools?node=JPE1", status: 200, elsewhere: 404 },
  "GET /admin/pools/{pool}": { role: "viewer", path: "/admin/pools/net", status: 200 },
  "GET /admin/pools/{pool}/{value}": { role: "viewer", path: "/admin/pools/sub/net", status: 200 },
  "PUT /admin/pools/{pool}/{value}": { role: "operator", path: "/admin/pools/net/10.0.0.1?node=JPE1", status: 200, elsewhere: 404 },
  "DELETE /admin/pools/{pool}": { role: "operator", path: "/admin/pools/net?node=JPE1", status: 200, elsewhere: 404, prepare: allocate },
  "DELETE /admin/pools/{pool}/{value}": { role: "operator", path: "/admin/pools/net/10.0.0.1", status: 200, elsewhere: 404, prepare: allocate },
};
/** The one route whose credential is in the body. */
const SIGN_IN = "POST /admin/session";
/** The static files, which are open: see console.test.mjs. */
const OPEN = ["GET /admin", "GET /admin/", "GET /admin/console/{path}"];
const ROLES = ["viewer", "operator", "admin"];
const UNSAFE = ["PUT", "POST", "DELETE"];
const CONTENT = {
  operators: OPERATORS,
  "nodes/JPE1/startup-config": "hostname JPE1",
  "nodes/JPE1/site": "amsterdam",
  "nodes/JPE2/startup-config": "hostname JPE2",
  "nodes/JPE2/site": "amsterdam",
  "resources/net": "10.0.0.1: null\n",
  "resources/sub/net": "10.0.1.1: null\n",
};

let team;
let worker;
/** Every credential that was sent, or a part of it that is secret. */
const secrets = new Set();
/** The credentials that every route receives: keys and signatures take time. */
const known = {};
before(async () => {
  team = await startTeam();
  // With a clock of its own, KV has what objects copy to it before each look at it.
  worker = await startGuarded({ vars: team.vars, bundle: "bundle-clock" });
  for (const [key, value] of Object.entries(CONTENT)) await worker.kv.put(key, value);
});
after(async () => {
  worker.assertNothingLeaked(secrets);
  await worker.stop();
  await team.stop();
});

const bearer = (token) => ({ Authorization: `Bearer ${token}` });
const cookie = (value) => ({ Cookie: `theme=dark; ${COOKIE}=${value}` });
const access = (token) => ({ "Cf-Access-Jwt-Assertion": token });
const admin = (method, path) => worker.request(method, path, { headers: bearer(ADMIN) });

/** Sends a request with the credential `headers`, whose secret parts must not be in the log or in the response. */
async function send(method, path, headers, options = {}) {
  for (const value of [headers.Authorization, headers["Cf-Access-Jwt-Assertion"], headers.Cookie]) {
    const last = value?.split(/[ .=]/).at(-1);
    if (last?.length >= 16) secrets.add(last);
  }
  const response = await worker.request(method, path, { ...options, headers: { ...options.headers, ...headers } });
  for (const secret of secrets) assert.ok(!response.text.includes(secret), response.text);
  return response;
}

/** Stores what was forgotten. */
async function restore() {
  await worker.kv.put("nodes/JPE2/startup-config", "hostname JPE2");
  await worker.kv.put("nodes/JPE2/site", "amsterdam");
}

async function abortUpload() {
  await admin("DELETE", `/admin/uploads/${UPLOAD_ID}`);
}

async function storeConfig() {
  const response = await worker.request("PUT", "/admin/content/nodes/JPE2/startup-config", { headers: bearer(ADMIN), body: "hostname JPE2" });
  assert.ok([200, 201].includes(response.status), response.text);
}

async function upload() {
  await abortUpload();
  const response = await worker.request("POST", "/admin/uploads", { headers: bearer(ADMIN), body: JSON.stringify(UPLOAD) });
  assert.equal(response.json.upload, UPLOAD_ID);
}

async function allocate() {
  assert.equal((await admin("PUT", "/admin/pools/net/10.0.0.1?node=JPE1")).status, 200);
}

/** All that a request could change. */
async function state() {
  const kv = await worker.values();
  const objects = await worker.objects();
  const { entries } = (await admin("GET", "/admin/audit?limit=1")).json;
  const pool = (await admin("GET", "/admin/pools/net")).json;
  return { kv, objects, audit: entries[0]?.n, taken: pool.allocations };
}

/** The routes of operators in the description: `GET /admin/audit`. */
function described() {
  const routes = [];
  let path;
  for (const line of readFileSync(join(root, "assets/openapi.yaml"), "utf8").split("\n")) {
    path = line.match(/^ {2}(\/\S*):$/)?.[1] ?? path;
    const method = line.match(/^ {4}(get|put|post|delete):$/)?.[1];
    if (method && path.startsWith("/admin")) routes.push(`${method.toUpperCase()} ${path}`);
  }
  return routes;
}

/** Credentials that identify nobody: the headers, the start of the path, and the warning in the log. */
function strangers() {
  const now = Math.floor(Date.now() / 1000);
  const [key] = team.keys;
  const good = team.token("admin");
  const [header, payload, signature] = good.split(".");
  const [, other] = team.token("viewer").split(".");
  const hmac = (secret) => (signed) => createHmac("sha256", secret).update(signed).digest();
  const session = sessionCookie(ADMIN);
  const jwt = (options) => access(team.token("admin", options));
  const ACCESS = "the token of Cloudflare Access was rejected:";
  return [
    ["no credential", {}, "", undefined],
    ["a wrong token", bearer("wrong-wrong-wrong-wrong"), "", /Authorization was rejected: it is not the admin token/],
    ["the start of the token", bearer(ADMIN.slice(0, -1)), "", /it is not the admin token/],
    ["the token and more", bearer(`${ADMIN}x`), "", /it is not the admin token/],
    ["an empty token", bearer(""), "", /Authorization was rejected/],
    ["the token of another scheme", { Authorization: `Basic ${ADMIN}` }, "", /its scheme is not Bearer/],
    ["the token of a site", bearer(AMSTERDAM), "", /it is a credential of switches, not the admin token/],
    ["the credential of a node", bearer(nodeToken("amsterdam", AMSTERDAM, "JPE1")), "", /it is a credential of switches/],
    ["the URL of a site", {}, `/t/${AMSTERDAM}`, undefined],
    ["the URL of a site, with the admin token", bearer(ADMIN), `/t/${AMSTERDAM}`, undefined],
    ["the URL of a node", {}, `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1")}`, undefined],
    ["a wrong token beside a valid session", { ...bearer("wrong-wrong-wrong-wrong"), ...cookie(session) }, "", /it is not the admin token/],
    ["a wrong token beside a valid JWT", { ...bearer("wrong-wrong-wrong-wrong"), ...access(good) }, "", /it is not the admin token/],
    ["an expired JWT", jwt({ claims: { exp: now - 61 } }), "", new RegExp(`${ACCESS} it expired \\d+ s ago`)],
    ["a JWT without expiry", jwt({ claims: { exp: undefined } }), "", /no valid time of expiry/],
    ["a JWT that is not valid yet", jwt({ claims: { nbf: now + 3600 } }), "", /it is not valid yet, but in \d+ s/],
    ["a JWT with a forged signature", access(`${header}.${payload}.${signature.slice(0, -6)}AAAAAA`), "", /its signature is wrong/],
    ["a JWT without signature", access(`${header}.${payload}.`), "", /its signature is wrong/],
    ["a JWT with other claims", access(`${header}.${other}.${signature}`), "", /its signature is wrong/],
    ["a JWT of another key with the id of ours", jwt({ key: { ...makeKey(key.kid) } }), "", /its signature is wrong/],
    ["a JWT of an unknown key", jwt({ key: makeKey("key-of-others") }), "", /its key is not one of those at http:\/\/127\.0\.0\.1:\d+\/cdn-cgi\/access\/certs/],
    ["a JWT without a key id", jwt({ header: { kid: undefined } }), "", /no valid key id/],
    ["a JWT with its own key", jwt({ header: { jwk: makeKey("x").jwk, kid: undefined } }), "", /no valid key id/],
    ["a JWT for another audience", jwt({ claims: { aud: ["0".repeat(64)] } }), "", /its audience \(`aud`\) is not the application in ACCESS_AUD/],
    ["a JWT of another issuer", jwt({ claims: { iss: "https://evil.cloudflareaccess.com" } }), "", /its issuer \(`iss`\) is not the team/],
    ["a JWT with alg none", jwt({ header: { alg: "none" }, sign: () => Buffer.alloc(0) }), "", /its algorithm is not RS256/],
    ["a JWT with alg none and a signature", jwt({ header: { alg: "none" } }), "", /its algorithm is not RS256/],
    ["a JWT with HS256 and the public key", jwt({ header: { alg: "HS256" }, sign: hmac(key.pem) }), "", /its algorithm is not RS256/],
    ["a JWT with HS256 and the modulus", jwt({ header: { alg: "HS256" }, sign: hmac(Buffer.from(key.jwk.n, "base64url")) }), "", /its algorithm is not RS256/],
    ["a JWT that claims RS256 and is an HMAC", jwt({ sign: hmac(key.pem) }), "", /its signature is wrong/],
    ["a JWT of RS384", jwt({ header: { alg: "RS384" } }), "", /its algorithm is not RS256/],
    ["a JWT with an extension", jwt({ header: { crit: ["b64"], b64: false } }), "", /an extension/],
    ["a JWT of nobody", jwt({ claims: { common_name: undefined } }), "", /names neither a person/],
    ["a JWT of a person without an entry", access(team.token("nobody", { claims: { email: "eve@example.net", groups: ["Network"] } })), "", /it is valid, but no entry of the document `operators` matches eve@example.net/],
    ["a JWT of a service token named as a person", access(team.token("nobody", { claims: { common_name: "viewer@example.net" } })), "", /no entry of the document/],
    ["a JWT that is too long", jwt({ claims: { padding: "x".repeat(13_000) } }), "", /it has more than 16384 bytes/],
    ["not a JWT", access("wrong-wrong-wrong-wrong"), "", /it is not a JSON Web Token/],
    ["a JWT as bearer", bearer(good), "", /it is not the admin token/],
    ["an expired session", cookie(sessionCookie(ADMIN, now - 1)), "", /the session cookie was rejected: it expired \d+ s ago/],
    ["a session with a later end", cookie(session.replace(/^\d+/, String(now + 100_000))), "", /its signature is wrong: it was changed/],
    ["a session with a changed signature", cookie(`${session.slice(0, -1)}${session.endsWith("0") ? "1" : "0"}`), "", /its signature is wrong/],
    ["a session of another admin token", cookie(sessionCookie("another-admin-token-0123")), "", /or ZTP_ADMIN_TOKEN was/],
    ["the admin token as session", cookie(ADMIN), "", /the session cookie was rejected: it is malformed/],
    ["the session under another name", { Cookie: `ztp-session=${session}` }, "", undefined],
  ];
}

/** Credentials that identify an operator: the role, the sites, the method, and the headers for a request. */
function operators() {
  const own = { Origin: worker.url.origin };
  return [
    { who: "the admin token", role: "admin", headers: bearer(ADMIN), method: "token", name: "admin token" },
    { who: "the admin token from another origin", role: "admin", headers: { ...bearer(ADMIN), Origin: "https://evil.example" }, method: "token", name: "admin token" },
    { who: "a session", role: "admin", headers: { ...cookie(sessionCookie(ADMIN)), ...own }, method: "cookie", name: "admin token" },
    { who: "a viewer", role: "viewer", headers: access(team.token("viewer")), method: "access", name: "viewer@example.net" },
    { who: "an operator", role: "operator", headers: { ...access(team.token("operator")), ...own }, method: "access", name: "ada@example.net" },
    { who: "a service token", role: "admin", headers: access(team.token("admin")), method: "access", name: "abc.access" },
    { who: "an audience among others", role: "admin", headers: access(team.token("admin", { claims: { aud: ["x", team.vars.ACCESS_AUD] } })), method: "access", name: "abc.access" },
    { who: "an operator of another site", role: "operator", sites: ["paris", "rome"], headers: access(team.token("elsewhere")), method: "access", name: "elsewhere@example.net" },
    { who: "an admin of another site", role: "admin", sites: ["paris"], headers: access(team.token("paris")), method: "access", name: "paris@example.net" },
    { who: "a session beside a JWT of nobody", role: "admin", headers: { ...access(team.token("nobody", { claims: { email: "eve@example.net" } })), ...cookie(sessionCookie(ADMIN)), ...own }, method: "cookie", name: "admin token" },
  ];
}

/** Headers that identify an operator, in a request from a page of another origin. */
function foreign() {
  const session = cookie(sessionCookie(ADMIN));
  const jwt = access(team.token("admin"));
  const other = "http://evil.example";
  return [
    ["a session from another origin", { ...session, Origin: other }, /from a page of another origin/],
    ["a session from a page without origin", { ...session, Origin: "null" }, /from a page of another origin/],
    ["a session from another port", { ...session, Origin: `http://${worker.url.hostname}:1` }, /from a page of another origin/],
    ["a session from a longer origin", { ...session, Origin: `${worker.url.origin}.evil.example` }, /from a page of another origin/],
    ["a session without origin", session, /needs the header Origin/],
    ["a JWT from another origin", { ...jwt, Origin: other }, /from a page of another origin/],
    ["a JWT from a page without origin", { ...jwt, Origin: "null" }, /from a page of another origin/],
  ];
}

test("every route of operators is in this table", () => {
  const routes = described();
  assert.ok(routes.length > Object.keys(ROUTES).length, "the description was not read");
  for (const route of routes) {
    assert.ok(route in ROUTES || route === SIGN_IN || OPEN.includes(route), `add ${route}, with its role and a request, to ROUTES in tests/e2e/access_operators.test.mjs`);
  }
  for (const route of Object.keys(ROUTES)) assert.ok(routes.includes(route), `${route} is not a route: remove it from ROUTES in tests/e2e/access_operators.test.mjs`);
});

for (const [name, { role, path, options = {}, status, elsewhere = status, prepare }] of Object.entries(ROUTES)) {
  const [method] = name.split(" ");
  describe(name, () => {
    test("is 404, like an unknown path, without a valid credential", async () => {
      await prepare?.();
      const before = await state();
      const unknown = appearance(await worker.request(method, "/there/is/nothing", options));
      worker.requests();
      for (const [who, headers, prefix, warning] of (known.strangers ??= strangers())) {
        const response = await send(method, `${prefix}${path}`, headers, options);
        assert.deepEqual(appearance(response), unknown, who);
        const line = await worker.line();
        assert.equal(line.operator, undefined, who);
        if (warning) assert.match(line.warning ?? "", warning, who);
        else assert.equal(line.warning, undefined, who);
      }
      assert.deepEqual(await state(), before, "nothing is done");
    });

    test(`needs the role ${role}, and shows an operator its sites only`, async () => {
      for (const { who, role: own, sites, headers, method: how, name: operator } of (known.operators ??= operators())) {
        await prepare?.();
        const enough = ROLES.indexOf(own) >= ROLES.indexOf(role);
        const wanted = enough ? (sites ? elsewhere : status) : 403;
        const before = wanted >= 400 ? await state() : undefined;
        worker.requests();
        const response = await send(method, path, headers, options);
        const line = await worker.line();
        assert.equal(line.operator, operator, who);
        assert.equal(response.status, wanted, `${who}: ${response.text}`);
        assert.match(response.headers["cache-control"], /^no-store(, no-transform)?$/, who);
        if (!enough) {
          assertOperatorRefusal(response, 403, new RegExp(`needs (at least )?the role ${role}, and ${operator} has the role ${own}`));
        } else if (wanted === 404) assertOperatorRefusal(response, 404, /./);
        if (wanted >= 400) assert.deepEqual(await state(), before, who);
        if (name === "GET /admin/session") {
          assert.deepEqual(response.json, { name: operator, role: own, sites: sites ?? null, secrets: own !== "viewer", method: how });
        }
        for (const header of Object.keys(response.headers)) assert.ok(!header.startsWith("access-control-"), header);
      }
    });

    test("accepts a request from a page of another origin only if it changes nothing", async () => {
      await prepare?.();
      const before = await state();
      for (const [who, headers, reason] of foreign()) {
        const response = await send(method, path, headers, options);
        if (UNSAFE.includes(method)) {
          assert.equal(response.status, 403, who);
          assertOperatorRefusal(response, 403, reason);
          assert.deepEqual(await state(), before, who);
        } else assert.equal(response.status, status, who);
      }
    });
  });
}

test("only an operator who may see secrets receives those of a startup-config", async () => {
  const config = "hostname JPE9\nenable secret sha512 $6$salt$hash\n";
  await worker.kv.put("nodes/JPE9/startup-config", config);
  for (const { who, role, headers } of operators().filter(({ sites }) => !sites)) {
    for (const method of ["GET", "HEAD"]) {
      const response = await worker.request(method, "/admin/content/nodes/JPE9/startup-config", { headers });
      const shown = role === "viewer" ? "hostname JPE9\nenable secret ...\n" : config;
      assert.deepEqual([response.status, response.text], [200, method === "GET" ? shown : ""], who);
      assert.equal(response.headers["content-length"], String(shown.length), who);
      assert.equal("etag" in response.headers, role !== "viewer", who);
    }
  }
});

describe("content outside nodes/", () => {
  test("is changed by admins of all sites only", async () => {
    for (const { who, role, sites, headers } of operators()) {
      const response = await worker.request("PUT", "/admin/content/definitions/leaf", { headers, body: "actions: []\n" });
      if (role === "admin" && !sites) assert.ok([200, 201].includes(response.status), `${who}: ${response.text}`);
      else assertOperatorRefusal(response, 403, role === "admin" ? /concerns all sites/ : /needs (at least )?the role/);
    }
    for (const { headers } of operators().filter(({ sites }) => sites)) {
      const { content } = (await worker.request("GET", "/admin/content", { headers })).json;
      assert.ok(content.some(({ key }) => key === "definitions/leaf"));
      assert.deepEqual(content.filter(({ key }) => key.startsWith("nodes/")), []);
    }
  });
});

describe("an unknown path of operators", () => {
  test("is JSON for an operator, and 404 like any other for a stranger", async () => {
    for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      for (const path of ["/admin/nothing", "/admin/nothing/", "/admin/session/x", "/Admin/session"]) {
        const unknown = appearance(await worker.request(method, "/there/is/nothing"));
        assert.deepEqual(appearance(await worker.request(method, path)), unknown, `${method} ${path}`);
        if (path.startsWith("/Admin")) assert.deepEqual(appearance(await admin(method, path)), unknown);
        else assertOperatorRefusal(await admin(method, path), 404, /nothing at this path/);
      }
    }
  });

  test("a wrong method is 405 for an operator only", async () => {
    assert.equal((await worker.request("PATCH", "/admin/session")).status, 404);
    const response = await admin("PATCH", "/admin/session");
    assertOperatorRefusal(response, 405, /use GET, HEAD, POST, DELETE/);
    assert.equal(response.headers.allow, "GET, HEAD, POST, DELETE");
  });
});

describe(SIGN_IN, () => {
  const signIn = (body, headers = {}) => worker.request("POST", "/admin/session", { body, headers });
  const body = (token) => JSON.stringify({ token });

  test("sends a cookie that is valid for twelve hours, for this host, and not for scripts", async () => {
    for (const headers of [{}, { Origin: worker.url.origin }]) {
      const response = await signIn(body(ADMIN), headers);
      assert.equal(response.status, 204);
      assert.equal(response.bytes.length, 0);
      assert.equal(response.headers["cache-control"], "no-store");
      const [set] = response.headers["set-cookie"];
      const [, value] = set.match(/^__Host-ztp-session=([^;]+); Path=\/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict$/);
      const until = Number(value.split(".")[0]);
      assert.ok(Math.abs(until - Date.now() / 1000 - 12 * 3600) < 60, value);
      assert.equal(value, sessionCookie(ADMIN, until));
      const { json } = await send("GET", "/admin/session", cookie(value));
      assert.deepEqual(json, { name: "admin token", role: "admin", sites: null, secrets: true, method: "cookie" });
    }
  });

  test("a session ends with DELETE, which deletes the cookie", async () => {
    const headers = { ...cookie(sessionCookie(ADMIN)), Origin: worker.url.origin };
    const response = await send("DELETE", "/admin/session", headers);
    assert.equal(response.status, 204);
    assert.deepEqual(response.headers["set-cookie"], ["__Host-ztp-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"]);
  });

  test("is 404, like an unknown path, with anything else, and the log says why", async () => {
    const unknown = appearance(await worker.request("POST", "/there/is/nothing", { body: "x" }));
    for (const [text, headers, warning] of [
      [undefined, {}, /not a JSON object with the string `token`/],
      ["", {}, /not a JSON object/],
      ["x", {}, /not a JSON object/],
      ["[]", {}, /not a JSON object/],
      [ADMIN, {}, /not a JSON object/],
      [JSON.stringify({ token: [ADMIN] }), {}, /not a JSON object/],
      [JSON.stringify({ Token: ADMIN }), {}, /not a JSON object/],
      [body(""), {}, /the token: it is not the admin token/],
      [body(`${ADMIN} `), {}, /the token: it is not the admin token/],
      [body(AMSTERDAM), {}, /the token: it is a credential of switches/],
      [body(ADMIN) + " ".repeat(4096), {}, /the body exceeds the limit of 4096 bytes/],
      [Buffer.alloc(2 << 20, "x"), {}, /the body exceeds the limit/],
      [body(ADMIN), { Origin: "https://evil.example" }, /from a page of another origin/],
      [body("wrong-wrong-wrong-wrong"), bearer(ADMIN), /the token: it is not the admin token/],
    ]) {
      worker.requests();
      const response = await signIn(text, headers);
      assert.deepEqual(appearance(response), unknown, String(text).slice(0, 40));
      const [line] = worker.requests();
      assert.match(line.warning, warning);
      assert.equal(line.operator, undefined);
    }
  });
});

describe("without a way to identify operators", () => {
  test("every path of operators is 404, also with credentials that would be valid", async (t) => {
    const closed = await startGuarded({ secrets: { ZTP_ADMIN_TOKEN: "" } });
    t.after(() => closed.stop());
    for (const [name, { path, options }] of Object.entries({ ...ROUTES, [SIGN_IN]: { path: "/admin/session", options: { body: JSON.stringify({ token: ADMIN }) } } })) {
      const [method] = name.split(" ");
      const unknown = appearance(await closed.request(method, "/there/is/nothing", options));
      for (const headers of [{}, bearer(ADMIN), bearer(""), cookie(sessionCookie(ADMIN)), cookie(sessionCookie("")), access(team.token("admin"))]) {
        const response = await closed.request(method, path, { ...options, headers: { ...headers, Origin: closed.url.origin } });
        assert.deepEqual(appearance(response), unknown, `${name} ${JSON.stringify(headers)}`);
      }
    }
    closed.assertNothingLeaked();
  });

  test("with Access alone, there is no admin token and no session", async (t) => {
    const alone = await startGuarded({ secrets: { ZTP_ADMIN_TOKEN: "" }, vars: team.vars });
    t.after(() => alone.stop());
    await alone.kv.put("operators", OPERATORS);
    const ask = (headers) => alone.request("GET", "/admin/session", { headers });
    assert.equal((await ask(access(team.token("viewer")))).json.role, "viewer");
    for (const headers of [bearer(ADMIN), bearer(""), cookie(sessionCookie(""))]) assert.equal((await ask(headers)).status, 404);
    assert.equal((await alone.request("POST", "/admin/session", { body: JSON.stringify({ token: "" }) })).status, 404);
  });
});

describe("the document operators", () => {
  test("is read again within ten seconds; without it, or if it is invalid, nobody is an operator", async (t) => {
    const own = await startGuarded({ vars: team.vars, bundle: "bundle-clock" });
    t.after(() => own.stop());
    let later = 0;
    const ask = async () => {
      await own.advance(10_000);
      later += 10;
      own.requests();
      const response = await own.request("GET", "/admin/session", { headers: access(team.token("viewer", { now: Date.now() / 1000 + later })) });
      return { response, warning: own.requests().find(({ route }) => route)?.warning };
    };
    const rejected = async (reason) => {
      const { response, warning } = await ask();
      assert.equal(response.status, 404);
      assert.match(warning, reason);
    };
    await rejected(/no entry of the document `operators` matches viewer@example.net/);
    await own.kv.put("operators", OPERATORS);
    assert.equal((await ask()).response.json.role, "viewer");
    await own.kv.put("operators", "- email: viewer@example.net\n  role: owner\n");
    await rejected(/the document `operators` is not: line 2, column 9: 'role' must be viewer, operator or admin, not 'owner'/);
    await own.kv.put("operators", Buffer.from([0xff]));
    await rejected(/operators is not UTF-8 text/);
    const response = await own.request("GET", "/admin/session", { headers: bearer(ADMIN) });
    assert.equal(response.status, 200, "the admin token is valid without it");
  });
});
