// The keys of a Cloudflare Access team: when an instance reads them, and which ones it uses.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startGuarded } from "./credentials.mjs";
import { assertRefusal } from "./harness.mjs";
import { OPERATORS, makeKey, startTeam } from "./operators.mjs";

const [MINUTE, HOUR] = [60_000, 3_600_000];

/** A Worker with a team, whose clock a test advances. `ask` sends a request with a token of the team. */
async function start(t) {
  const team = await startTeam();
  const worker = await startGuarded({ vars: team.vars, bundle: "bundle-clock" });
  t.after(async () => {
    await worker.stop();
    await team.stop();
  });
  await worker.kv.put("operators", OPERATORS);
  let ahead = 0;
  return {
    team,
    worker,
    async advance(milliseconds) {
      ahead += milliseconds;
      await worker.advance(milliseconds);
    },
    async ask(options) {
      const token = team.token("admin", { now: (Date.now() + ahead) / 1000, ...options });
      worker.requests();
      const response = await worker.request("GET", "/admin/session", { headers: { "Cf-Access-Jwt-Assertion": token } });
      const [line] = worker.requests().filter(({ status }) => status === response.status);
      return { status: response.status, warning: line?.warning, response };
    },
  };
}

describe("the keys of a team", () => {
  test("are read once for all requests of an hour, also for the first ones at the same time", async (t) => {
    const { team, ask, advance } = await start(t);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask()));
    assert.deepEqual(answers.map(({ status }) => status), Array(8).fill(200));
    await advance(HOUR - 2 * MINUTE);
    assert.equal((await ask()).status, 200);
    assert.equal(team.reads, 1);
    await advance(3 * MINUTE);
    assert.equal((await ask()).status, 200);
    assert.equal(team.reads, 2);
  });

  test("are not read for a token that was made for others", async (t) => {
    const { team, ask } = await start(t);
    for (const claims of [{ aud: "x" }, { iss: "x" }, { exp: 1 }]) assert.equal((await ask({ claims })).status, 404);
    assert.equal(team.reads, 0);
  });

  test("are read again for an unknown key, at most once a minute", async (t) => {
    const { team, ask, advance } = await start(t);
    assert.equal((await ask()).status, 200);
    const rotated = makeKey("key-2");
    team.keys = [rotated, ...team.keys];
    for (let count = 0; count < 3; count += 1) {
      const { status, warning } = await ask({ key: rotated });
      assert.equal(status, 404);
      assert.match(warning, /its key is not one of those/);
    }
    assert.equal(team.reads, 1);
    await advance(MINUTE);
    assert.equal((await ask({ key: rotated })).status, 200);
    assert.equal((await ask({ key: team.keys[1] })).status, 200, "the former key is still one of the team");
    assert.equal(team.reads, 2);
    for (let count = 0; count < 5; count += 1) {
      await advance(MINUTE / 5);
      assert.equal((await ask({ key: makeKey(`invented-${count}`) })).status, 404);
    }
    assert.equal(team.reads, 3);
  });

  test("are not used any more once the team has removed them and they were read again", async (t) => {
    const { team, ask, advance } = await start(t);
    const [former] = team.keys;
    assert.equal((await ask({ key: former })).status, 200);
    team.keys = [makeKey("key-2")];
    assert.equal((await ask({ key: former })).status, 200);
    await advance(HOUR);
    assert.equal((await ask({ key: former })).status, 404);
    assert.equal((await ask()).status, 200);
  });

  test("are used for a day while they cannot be read again, with a warning", async (t) => {
    const { team, ask, advance } = await start(t);
    assert.equal((await ask()).status, 200);
    team.respond = (response) => response.writeHead(503).end();
    await advance(HOUR);
    const { status, warning } = await ask();
    assert.equal(status, 200);
    assert.match(warning, /reading the keys of Cloudflare Access at http.* failed \(status 503\); the known keys were used/);
    await advance(23 * HOUR);
    assert.equal((await ask()).status, 503);
    team.respond = undefined;
    await advance(5000);
    assert.equal((await ask()).status, 200);
  });

  test("that cannot be read are a 503 to the owner of a token that may be valid, and are read again after five seconds", async (t) => {
    const { team, ask, advance } = await start(t);
    const redirect = (response) => response.writeHead(302, { Location: `${team.url}/cdn-cgi/access/certs` }).end();
    const send = (text) => (response) => response.writeHead(200).end(text);
    for (const respond of [
      (response) => response.writeHead(500).end(),
      (response) => response.destroy(),
      redirect,
      send(""),
      send("<html>"),
      send('{"keys": {}}'),
      send("x".repeat(70_000)),
    ]) {
      team.respond = respond;
      const { response } = await ask();
      assertRefusal(response, 503, /reading the keys of Cloudflare Access at .* failed; retry/);
      const reads = team.reads;
      assert.equal((await ask()).status, 503);
      assert.equal(team.reads, reads, "not within five seconds");
      await advance(5000);
    }
    team.respond = undefined;
    assert.equal((await ask()).status, 200);
  });
});
