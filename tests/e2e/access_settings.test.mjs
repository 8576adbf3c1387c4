// The settings that change access control.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { ADMIN, AMSTERDAM, SECRETS, nodeToken, startGuarded } from "./credentials.mjs";
import { assertRefusal, facts, startWorker, waitFor } from "./harness.mjs";

const own = nodeToken("amsterdam", AMSTERDAM, "JPE1");
const post = (others) => ({ body: JSON.stringify(facts("JPE1", others)) });

/** Starts a Worker for one test. At its end, the log must not contain a secret. */
async function guarded(t, options) {
  const worker = await startGuarded(options);
  t.after(async () => {
    worker.assertNothingLeaked();
    await worker.stop();
  });
  return worker;
}

test("the credential follows the path of SERVER_URL in every URL", async (t) => {
  const SERVER_URL = "https://example.net:8443/site/ztp/";
  const worker = await guarded(t, { vars: { SERVER_URL } });
  await worker.kv.put("nodes/JPE1/startup-config", "x");
  const base = "https://example.net:8443/site/ztp/t";
  for (const prefix of ["", "/site/ztp"]) {
    for (const credential of [AMSTERDAM, own]) {
      const ask = (method, path, options) => worker.request(method, `${prefix}/t/${credential}${path}`, options);
      assert.ok((await ask("GET", "/bootstrap")).text.includes(`"${base}/${credential}"`));
      assert.equal((await ask("POST", "/nodes", post())).headers.location, `${base}/${credential}/nodes/JPE1`);
      const { json } = await ask("GET", "/nodes/JPE1");
      assert.equal(json.actions[0].attributes.url, `${base}/${credential}/nodes/JPE1/startup-config`);
    }
    const bound = await worker.request("GET", `${prefix}/t/${AMSTERDAM}/bootstrap`, { headers: { "X-Arista-Serial": "JPE1" } });
    assert.ok(bound.text.includes(`"${base}/${own}"`));
  }
  for (const path of ["/site/ztp/bootstrap", `/t/${AMSTERDAM}/site/ztp/bootstrap`, `/site/ztp/site/ztp/t/${AMSTERDAM}/bootstrap`, `/site/ztpt/${AMSTERDAM}/bootstrap`, `/site/zt%70/t/${AMSTERDAM}/bootstrap`, `/site/ztp//t/${AMSTERDAM}/bootstrap`]) {
    assertRefusal(await worker.request("GET", path), 404, /nothing at this path/);
  }
});

describe("IDENTIFIER=systemmac", () => {
  test("binds a node by its MAC address in every spelling", async (t) => {
    const worker = await guarded(t, { vars: { IDENTIFIER: "systemmac" } });
    const bound = nodeToken("amsterdam", AMSTERDAM, "001c73010203", "systemmac");
    for (const written of ["00:1c:73:01:02:03", "001C.7301.0203", "00-1C-73-01-02-03", "001c73010203"]) {
      const { text } = await worker.under(AMSTERDAM, "GET", "/bootstrap", { headers: { "X-Arista-SystemMAC": written, "X-Arista-Serial": "JPE1" } });
      assert.ok(text.includes(`/t/${bound}"`), written);
    }
    for (const headers of [{ "X-Arista-Serial": "JPE1" }, { "X-Arista-SystemMAC": "::" }, { "X-Arista-SystemMAC": "a/b" }]) {
      assert.ok((await worker.under(AMSTERDAM, "GET", "/bootstrap", { headers })).text.includes(`/t/${AMSTERDAM}"`));
    }
    assert.equal((await worker.under(bound, "POST", "/nodes", post({ config: "hostname x" }))).status, 201);
    for (const written of ["001c73010203", "00:1C:73:01:02:03", "00%3a1c.7301-0203"]) {
      assert.equal((await worker.under(bound, "GET", `/nodes/${written}`)).status, 200, written);
      assert.equal((await worker.under(bound, "GET", `/meta/nodes/${written}/startup-config`)).status, 200, written);
    }
    assertRefusal(await worker.under(bound, "GET", "/nodes/001c73010204"), 403, /made for another node/);
    // A token is valid for one setting, and for an id only in its canonical spelling.
    for (const other of [own, nodeToken("amsterdam", AMSTERDAM, "001c73010203"), nodeToken("amsterdam", AMSTERDAM, "JPE1", "systemmac")]) {
      assert.ok([403, 404].includes((await worker.under(other, "GET", "/nodes/001c73010203")).status), other);
    }
  });
});

test("with REQUIRE_NODE_TOKEN, the token of a site gives no access to records of nodes", async (t) => {
  const worker = await guarded(t, { vars: { REQUIRE_NODE_TOKEN: "True" } });
  await worker.kv.put("nodes/JPE1/startup-config", "x");
  for (const [method, path, options, bound] of [
    ["POST", "/nodes", post(), 409],
    ["GET", "/nodes/JPE1", {}, 200],
    ["GET", "/nodes/JPE1/startup-config", {}, 200],
    ["PUT", "/nodes/JPE1/startup-config", { body: "y" }, 201],
    ["GET", "/meta/nodes/JPE1/startup-config", {}, 200],
  ]) {
    assertRefusal(await worker.under(AMSTERDAM, method, path, options), 403, /REQUIRE_NODE_TOKEN/);
    assert.equal((await worker.under(own, method, path, options)).status, bound, `${method} ${path}`);
  }
  for (const path of ["/bootstrap", "/bootstrap/config", "/actions/add_config", "/meta/actions/add_config", "/openapi.yaml"]) {
    assert.equal((await worker.under(AMSTERDAM, "GET", path)).status, 200, path);
  }
});

test("with REQUIRE_NODE_TOKEN, vEOS without a serial number is served: its id is its MAC address, as in the client", async (t) => {
  const worker = await guarded(t, { vars: { REQUIRE_NODE_TOKEN: "True" } });
  await worker.kv.put("nodes/001c73010203/startup-config", "x");
  const headers = { "X-Arista-Serial": "", "X-Arista-SystemMAC": "00:1C:73:01:02:03" };
  const script = (await worker.under(AMSTERDAM, "GET", "/bootstrap", { headers })).text;
  const [, credential] = script.match(/\/t\/([^"]+)"/);
  // The header of a client without a serial number.
  const body = JSON.stringify(facts("001c73010203", { systemmac: "00:1C:73:01:02:03" }));
  assert.equal((await worker.under(credential, "POST", "/nodes", { body })).status, 409);
  assert.equal((await worker.under(credential, "GET", "/nodes/001c73010203")).status, 200);
});

describe("READ_ONLY", () => {
  for (const [name, secrets, prefix, site] of [
    ["with sites", {}, `/t/${AMSTERDAM}`, "amsterdam"],
    ["under the URL of a node", {}, `/t/${own}`, "amsterdam"],
    ["without sites", { ZTP_TOKENS: "" }, "", undefined],
  ]) {
    test(`refuses and logs every request that would write, ${name}`, async (t) => {
      const worker = await startWorker({ secrets: { ZTP_TOKENS: `amsterdam=${AMSTERDAM}`, ZTP_ADMIN_TOKEN: ADMIN, ...secrets }, vars: { READ_ONLY: "True" } });
      t.after(() => worker.stop());
      const ask = (method, path, options) => worker.request(method, `${prefix}${path}`, options);
      await worker.kv.put("definitions/leaf", JSON.stringify({ name: "leaf", actions: [] }));
      await worker.kv.put("neighbordb", "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
      await worker.kv.put("nodes/JPE7/startup-config", "x");
      const before = (await worker.kv.list()).keys.map(({ name }) => name);
      for (const [method, path, options] of [
        ["POST", "/nodes", post()],
        ["PUT", "/nodes/JPE1/startup-config", { body: "x" }],
        ["POST", "/nodes/JPE1/events", { body: JSON.stringify({ boot: "abcdef01", seq: 1, at: 0, event: "boot-started" }) }],
        ...(prefix.includes("JPE1") ? [["POST", "/nodes", post({ config: "x" })]] : [["PUT", "/nodes/JPE7/startup-config", { body: "y" }], ["PUT", "/nodes/JPE7/startup-config", { body: "x" }]]),
      ]) {
        assertRefusal(await ask(method, path, options), 403, /READ_ONLY is set/);
      }
      assert.deepEqual((await worker.kv.list()).keys.map(({ name }) => name), before);

      // Stored content is served, and so is a POST that would not write.
      await worker.kv.put("nodes/JPE1/startup-config", "x");
      const kept = { neighbors: { Ethernet2: [], Ethernet1: [{ port: "Ethernet7", device: "spine1" }] }, serialnumber: "JPE1", systemmac: "001c73010203", version: "4.28.0F", model: "DCS-7050TX-64-F" };
      const neighbors = { Ethernet1: [{ device: "spine1", port: "Ethernet7" }], Ethernet2: [] };
      const stored = async () => Promise.all((await worker.kv.list({ prefix: "nodes/" })).keys.map(async ({ name }) => [name, await worker.kv.get(name)]));
      const asked = async (facts) => {
        const before = await stored();
        worker.logs();
        assert.equal((await ask("POST", "/nodes", post(facts))).status, 409);
        assert.deepEqual(await stored(), before);
        return worker.requests()[0].warning;
      };
      // A known node receives its 409. Its changed facts are not stored; the log has a warning.
      assert.match(await asked({ neighbors }), /facts.*are not stored \(READ_ONLY is set\)/);
      await worker.kv.put("nodes/JPE1/.node", JSON.stringify(kept));
      assert.equal(await asked({ neighbors }), undefined);
      if (site) await worker.kv.put("nodes/JPE1/site", site);
      assert.equal(await asked({ neighbors }), undefined);
      assert.match(await asked({ neighbors, version: "4.29.0F" }), /facts.*are not stored/);
      for (const path of ["/bootstrap", "/nodes/JPE1", "/nodes/JPE1/startup-config", "/meta/nodes/JPE1/.node", "/actions/add_config"]) {
        assert.equal((await ask("GET", path)).status, 200, path);
      }

      // A new value from a pool would be a write; the value that the node holds is not.
      await worker.kv.put("resources/net", "10.0.0.1: null\n10.0.0.2: null\n");
      await worker.kv.delete("nodes/JPE1/startup-config");
      await worker.kv.put("nodes/JPE1/definition", JSON.stringify({ name: "x", actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] }));
      assertRefusal(await ask("GET", "/nodes/JPE1"), 403, /JPE1 has no value from the pool 'net'.*READ_ONLY/);
      const headers = { Authorization: `Bearer ${ADMIN}` };
      const pool = await worker.request("GET", "/admin/pools/net", { headers });
      assert.equal(pool.json.taken, 0);
      assert.equal((await worker.request("PUT", "/admin/pools/net/10.0.0.2?node=JPE1", { headers })).status, 200);
      assert.equal((await ask("GET", "/nodes/JPE1")).json.actions[0].attributes.ip, "10.0.0.2");
    });
  }
});

test("READ_ONLY that is set in the middle of a boot refuses its writes and loses nothing: the boot ends after it is unset", async (t) => {
  const worker = await startWorker({ secrets: { ZTP_TOKENS: `amsterdam=${AMSTERDAM}`, ZTP_ADMIN_TOKEN: ADMIN } });
  t.after(() => worker.stop());
  const ask = (method, path, options) => worker.request(method, `/t/${AMSTERDAM}${path}`, options);
  const report = (seq, event, others) => ask("POST", "/nodes/JPE1/events", { body: JSON.stringify({ boot: "abcdef01", seq, at: seq, event, ...others }) });
  const put = () => ask("PUT", "/nodes/JPE1/startup-config", { body: "hostname JPE1\n" });
  const show = async () => (await worker.request("GET", "/admin/nodes/JPE1", { headers: { Authorization: `Bearer ${ADMIN}` } })).json;
  await worker.kv.put("neighbordb", "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - any: any:any\n");
  await worker.kv.put("definitions/leaf", JSON.stringify({ name: "leaf", actions: [{ action: "a", attributes: { ip: "allocate('net')" } }] }));
  await worker.kv.put("resources/net", "10.0.0.1: null\n");
  assert.equal((await ask("POST", "/nodes", post())).status, 201);
  assert.equal((await report(1, "boot-started")).status, 204);

  await worker.restart({ READ_ONLY: "True" });
  assertRefusal(await ask("GET", "/nodes/JPE1"), 403, /JPE1 has no value from the pool 'net'.*READ_ONLY/);
  assertRefusal(await put(), 403, /READ_ONLY is set/);
  assertRefusal(await report(2, "action-started", { action: "a" }), 403, /READ_ONLY is set/);
  assert.equal((await ask("POST", "/nodes", post())).status, 409);
  const record = (name) => worker.kv.get(`nodes/JPE1/${name}`);
  // Also what was not in KV yet.
  await waitFor("the records in KV", async () => (await record(".node")) && (await record("definition")) && (await record("pattern")) && (await record("site")) === "amsterdam");
  assert.equal(await record("startup-config"), null);
  await waitFor("the refusals", async () => (await show()).events.filter(({ event }) => event === "refused").length === 2);

  await worker.restart({});
  const { status, json } = await ask("GET", "/nodes/JPE1");
  assert.deepEqual([status, json?.actions[0].attributes.ip], [200, "10.0.0.1"]);
  await worker.restart({ READ_ONLY: "True" });
  assert.equal((await ask("GET", "/nodes/JPE1")).json.actions[0].attributes.ip, "10.0.0.1", "the value that it holds");
  await worker.restart({});
  assert.equal((await report(2, "action-started", { action: "a" })).status, 204);
  assert.equal((await put()).status, 201);
  await waitFor("the startup-config in KV", async () => (await record("startup-config")) === "hostname JPE1\n");
  const { events, status: row } = await show();
  const written = ["registered", "boot-started", "action-started", "startup-config-stored"];
  assert.deepEqual(events.map(({ event }) => event).filter((event) => written.includes(event)), written);
  assert.equal(row.site, "amsterdam");
});

describe("an invalid secret", () => {
  for (const [name, secrets, reason, hidden] of [
    ["a short token", { ZTP_TOKENS: "amsterdam=s3cret-s3cret" }, /ZTP_TOKENS.*token of line 1/, "s3cret"],
    ["a token with invalid characters", { ZTP_TOKENS: "amsterdam=s3cret/s3cret/s3cret" }, /ZTP_TOKENS.*token of line 1/, "s3cret"],
    ["a line without a site", { ZTP_TOKENS: "s3cret-s3cret-s3cret" }, /ZTP_TOKENS.*line 1 is not site=token/, "s3cret"],
    ["one token for two sites", { ZTP_TOKENS: "amsterdam=s3cret-s3cret-s3cret\nlondon=s3cret-s3cret-s3cret" }, /ZTP_TOKENS.*another site/, "s3cret"],
    ["a short admin token", { ZTP_ADMIN_TOKEN: "s3cret" }, /ZTP_ADMIN_TOKEN/, "s3cret"],
    ["a site's token as admin token", { ZTP_TOKENS: `berlin=${AMSTERDAM}`, ZTP_ADMIN_TOKEN: AMSTERDAM }, /ZTP_ADMIN_TOKEN.*also the token of a site/, AMSTERDAM],
  ]) {
    test(`is a 500 that contains neither it nor a site: ${name}`, async (t) => {
      const worker = await startWorker({ secrets });
      t.after(() => worker.stop());
      for (const path of ["/bootstrap", "/admin/pools", "/nothing"]) {
        const response = await worker.request("GET", path);
        assertRefusal(response, 500, reason);
        assert.ok(!response.text.includes(hidden));
        assert.doesNotMatch(response.text, /amsterdam|london|berlin/);
      }
      assert.ok(!worker.logs().join("\n").includes(hidden));
    });
  }

  test("is not in the 500 for a SERVER_URL that contains a token", async (t) => {
    const worker = await startWorker({ vars: { SERVER_URL: `https://example.net/t/${AMSTERDAM}` }, secrets: {} });
    t.after(() => worker.stop());
    const response = await worker.request("GET", "/bootstrap");
    assertRefusal(response, 500, /SERVER_URL/);
    assert.ok(!response.text.includes(AMSTERDAM) && !worker.logs().join("\n").includes(AMSTERDAM));
  });
});

describe("without ZTP_TOKENS", () => {
  test("every response is a 503 that says how to set it, and nothing is done", async (t) => {
    const worker = await startWorker({ vars: { ALLOW_ANYONE: "False" }, secrets: { ZTP_TOKENS: "# none yet\n", ZTP_ADMIN_TOKEN: ADMIN } });
    t.after(() => worker.stop());
    await worker.kv.put("nodes/JPE1/startup-config", "hostname JPE1");
    for (const [method, path, options] of [
      ["GET", "/bootstrap"],
      ["GET", "/nodes/JPE1/startup-config"],
      ["PUT", "/nodes/JPE1/startup-config", { body: "x" }],
      ["POST", "/nodes", post({ config: "x" })],
      ["GET", `/t/${AMSTERDAM}/bootstrap`],
      ["GET", "/openapi.yaml"],
      ["GET", "/nothing"],
      ["GET", "/admin/pools", { headers: { Authorization: `Bearer ${ADMIN}` } }],
    ]) {
      const response = await worker.request(method, path, options);
      assertRefusal(response, 503, /npx wrangler secret put ZTP_TOKENS.*npm run deploy.*ALLOW_ANYONE/);
      assert.equal(response.headers["retry-after"], "60");
      assert.ok(!response.text.includes("hostname JPE1"));
    }
    const lines = worker.requests();
    assert.equal(lines.length, 8);
    for (const line of lines) assert.deepEqual([line.kv_reads, line.kv_writes, line.r2_reads, line.object_calls, line.node], [0, 0, 0, 0, undefined]);
    assert.equal(await worker.kv.get("nodes/JPE1/startup-config"), "hostname JPE1");
  });

  test("ALLOW_ANYONE gives access to any client, with a warning in the log at start", async (t) => {
    const worker = await startWorker({ vars: { ALLOW_ANYONE: "True" } });
    t.after(() => worker.stop());
    assert.equal((await worker.request("GET", "/bootstrap")).status, 200);
    assert.ok(worker.logs().some((line) => /ZTP_TOKENS is not set and ALLOW_ANYONE is True/.test(line)));
  });

  test("with them, ALLOW_ANYONE changes nothing", async (t) => {
    const worker = await startWorker({ vars: { ALLOW_ANYONE: "True" }, secrets: SECRETS });
    t.after(() => worker.stop());
    assert.equal((await worker.request("GET", "/bootstrap")).status, 404);
    assert.equal((await worker.request("GET", `/t/${AMSTERDAM}/bootstrap`)).status, 200);
    assert.ok(!worker.logs().some((line) => /ALLOW_ANYONE/.test(line)));
  });
});

describe("a setting of Cloudflare Access", () => {
  for (const [name, vars, reason] of [
    ["a team without an application", { ACCESS_TEAM_DOMAIN: "team.cloudflareaccess.com" }, /ACCESS_AUD is missing, but ACCESS_TEAM_DOMAIN is set/],
    ["an application without a team", { ACCESS_AUD: "0".repeat(64) }, /ACCESS_TEAM_DOMAIN is missing, but ACCESS_AUD is set/],
    ["a team without TLS", { ACCESS_TEAM_DOMAIN: "http://team.cloudflareaccess.com", ACCESS_AUD: "0".repeat(64) }, /ACCESS_TEAM_DOMAIN is .*must be the host name of your Access team/],
    ["an application's name", { ACCESS_TEAM_DOMAIN: "team.cloudflareaccess.com", ACCESS_AUD: "ztp" }, /ACCESS_AUD is .*64 hexadecimal digits/],
  ]) {
    test(`that is invalid is a 500: ${name}`, async (t) => {
      const worker = await guarded(t, { vars });
      assertRefusal(await worker.under(AMSTERDAM, "GET", "/bootstrap"), 500, reason);
    });
  }
});

describe("the rate-limiting binding", () => {
  /** wrangler.toml with its commented example enabled, at `limit` requests. */
  function configWithLimit(limit) {
    const config = readFileSync(join(root, "wrangler.toml"), "utf8");
    const example = /^# (\[\[ratelimits\]\])\n# (name = .*)\n# (namespace_id = .*)\n# simple = \{ limit = \d+, period = 60 \}$/m;
    assert.match(config, example);
    const path = join(root, "build", `with-limit-${limit}.toml`);
    writeFileSync(path, config.replace(example, `$1\n$2\n$3\nsimple = { limit = ${limit}, period = 60 }`).replace("build/index.js", "index.js").replace("build/console", "console"));
    return path;
  }

  test("sends 429 with Retry-After to the node that exceeds the limit, and to no other", async (t) => {
    const worker = await guarded(t, { config: configWithLimit(3) });
    const ask = (id) => worker.under(nodeToken("amsterdam", AMSTERDAM, id), "GET", "/bootstrap/config");
    // The window is a minute of the clock. If a new one begins during the test, three more requests succeed.
    const responses = [];
    for (let count = 0; count < 8; count += 1) responses.push(await ask("JPE1"));
    assert.equal(responses[0].status, 200);
    const refused = responses.find(({ status }) => status === 429);
    assertRefusal(refused, 429, /rate limit exceeded/);
    assert.equal(refused.headers["retry-after"], "60");
    assert.equal((await ask("JPE2")).status, 200);
    assert.ok(worker.requests().some((line) => line.status === 429 && line.site === "amsterdam"));
  });

  test("cannot be evaded with other node ids", async (t) => {
    const worker = await guarded(t, { config: configWithLimit(3) });
    const statuses = [];
    for (let count = 0; count < 8; count += 1) statuses.push((await worker.under(AMSTERDAM, "GET", `/nodes/JPE${count}`)).status);
    assert.equal(statuses[0], 400);
    assert.ok(statuses.includes(429), statuses.join());
  });

  test("counts wrong credentials of operators, of any kind", async (t) => {
    const worker = await guarded(t, { config: configWithLimit(3) });
    const now = Math.floor(Date.now() / 1000);
    const kinds = [
      ["GET", "/admin/pools", { headers: { Authorization: "Bearer wrong-wrong-wrong-wrong" } }],
      ["GET", "/admin/session", { headers: { Cookie: `__Host-ztp-session=${now + 60}.00` } }],
      ["GET", "/admin/session", { headers: { "Cf-Access-Jwt-Assertion": "a.b.c" } }],
      ["POST", "/admin/session", { body: JSON.stringify({ token: "wrong-wrong-wrong-wrong" }) }],
    ];
    const statuses = [];
    for (const [method, path, options] of [...kinds, ...kinds]) statuses.push((await worker.request(method, path, options)).status);
    assert.equal(statuses[0], 404);
    assert.ok(statuses.includes(429), statuses.join());
    assert.deepEqual([...new Set(statuses)].sort(), [404, 429]);
  });

  test("is a clear error if another binding has its name", async (t) => {
    const worker = await guarded(t, { vars: { ZTP_RATE_LIMIT: "100" } });
    assertRefusal(await worker.under(AMSTERDAM, "GET", "/bootstrap"), 500, /ZTP_RATE_LIMIT is not a rate-limiting binding/);
  });
});
