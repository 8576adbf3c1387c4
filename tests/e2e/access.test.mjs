// Access control: the response for each credential and request.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AMSTERDAM, LONDON, OLD, appearance, mac, nodeToken, startGuarded } from "./credentials.mjs";
import { assertRefusal, facts } from "./harness.mjs";

let worker;
before(async () => {
  worker = await startGuarded();
  await worker.kv.put("nodes/JPE1/startup-config", "hostname JPE1");
  await worker.kv.put("nodes/JPE1/site", "amsterdam");
  await worker.r2.put("files/f", "a file");
});
after(async () => {
  worker.assertNothingLeaked();
  await worker.stop();
});

const POST = { body: JSON.stringify(facts("JPE1")) };
const PUT = { body: "hostname JPE1" };
const CREDENTIALS = {
  "the site": AMSTERDAM,
  "the site's old token": OLD,
  "the node itself": nodeToken("amsterdam", AMSTERDAM, "JPE1"),
  "the node, by the old token": nodeToken("amsterdam", OLD, "JPE1"),
  "another node": nodeToken("amsterdam", AMSTERDAM, "JPE2"),
  "another site": LONDON,
  "its name at another site": nodeToken("london", LONDON, "JPE1"),
};
const SHARED = [200, 200, 200, 200, 200, 200, 200];
const TABLE = [
  ["GET", "/bootstrap", {}, SHARED],
  ["GET", "/bootstrap/config", {}, SHARED],
  ["GET", "/actions/add_config", {}, SHARED],
  ["GET", "/files/f", {}, SHARED],
  ["GET", "/meta/actions/add_config", {}, SHARED],
  ["GET", "/meta/files/f", {}, SHARED],
  ["GET", "/openapi.yaml", {}, SHARED],
  ["POST", "/nodes", POST, [409, 409, 409, 409, 403, 400, 400]],
  ["GET", "/nodes/JPE1", {}, [200, 200, 200, 200, 403, 400, 400]],
  ["GET", "/nodes/JPE1/startup-config", {}, [200, 200, 200, 200, 403, 400, 400]],
  ["PUT", "/nodes/JPE1/startup-config", PUT, [201, 201, 201, 201, 403, 403, 403]],
  ["GET", "/meta/nodes/JPE1/startup-config", {}, [200, 200, 200, 200, 403, 500, 500]],
  // The site of a node is secret: no switch can read the record.
  ["GET", "/meta/nodes/JPE1/site", {}, [500, 500, 500, 500, 403, 500, 500]],
];

describe("the access of each credential", () => {
  for (const [method, path, options, statuses] of TABLE) {
    test(`${method} ${path}`, async () => {
      for (const [at, [who, credential]] of Object.entries(CREDENTIALS).entries()) {
        const response = await worker.under(credential, method, path, options);
        assert.equal(response.status, statuses[at], `${who}: ${response.text}`);
        assert.equal(response.headers["x-content-type-options"], "nosniff");
        for (const name of Object.keys(response.headers)) assert.ok(!name.startsWith("access-control-"), name);
        if (path.includes("nodes") && method !== "PUT") assert.match(response.headers["cache-control"], /no-store/);
        if (response.status >= 400 && response.status !== 409) assert.match(response.headers["content-security-policy"], /default-src 'none'/);
        if (method === "GET") {
          const head = await worker.under(credential, "HEAD", path);
          assert.equal(head.status, response.status, `HEAD, ${who}`);
        }
      }
    });
  }

  test("a node of another site has the responses of an unknown node", async () => {
    const strip = (response, id) => JSON.stringify(appearance(response)).replaceAll(id, "ID");
    for (const [method, path, options] of [
      ["GET", "/nodes/ID"],
      ["GET", "/nodes/ID/startup-config"],
      ["PUT", "/nodes/ID/startup-config", PUT],
      ["GET", "/meta/nodes/ID/startup-config"],
    ]) {
      const [theirs, nobodys] = await Promise.all(["JPE1", "JPE9"].map((id) => worker.under(LONDON, method, path.replace("ID", id), options)));
      assert.equal(strip(theirs, "JPE1"), strip(nobodys, "JPE9"), `${method} ${path}`);
    }
  });

  test("the log has the site and the node of a request, and the site that owns the node", async () => {
    worker.requests();
    await worker.under(nodeToken("amsterdam", OLD, "JPE1"), "GET", "/nodes/JPE1");
    await worker.under(LONDON, "GET", "/nodes/JPE1");
    await worker.under(nodeToken("amsterdam", AMSTERDAM, "JPE2"), "GET", "/nodes/JPE1");
    await worker.under("wrong-wrong-wrong-wrong", "GET", "/nodes/JPE1");
    const lines = worker.requests();
    assert.deepEqual(
      lines.map(({ site, node, status }) => [site, node, status]),
      [["amsterdam", "JPE1", 200], ["london", "JPE1", 400], ["amsterdam", "JPE1", 403], [undefined, undefined, 404]],
    );
    assert.match(lines[1].warning, /belongs to another site/);
  });
});

describe("a request without a valid credential is 404, like an unknown path", () => {
  const MAC = mac(AMSTERDAM, "JPE1");
  const own = nodeToken("amsterdam", AMSTERDAM, "JPE1");
  const flipped = MAC.slice(0, -1) + (MAC.endsWith("0") ? "1" : "0");
  const NOTHING = {
    "no token": "",
    "only /t": "/t",
    "an empty token": "/t/",
    "a wrong token": "/t/wrong-wrong-wrong-wrong",
    "the start of a token": `/t/${AMSTERDAM.slice(0, -1)}`,
    "a token with one more character": `/t/${AMSTERDAM}x`,
    "a token in other case": `/t/${AMSTERDAM.toUpperCase()}`,
    "another case of /t": `/T/${AMSTERDAM}`,
    "a site's name": "/t/amsterdam",
    "site=token": `/t/amsterdam=${AMSTERDAM}`,
    "a doubled slash before": `//t/${AMSTERDAM}`,
    "a doubled slash within": `/t//${AMSTERDAM}`,
    "a doubled slash after": `/t/${AMSTERDAM}/`,
    "an encoded slash before": `/%2ft/${AMSTERDAM}`,
    "an encoded slash within": `/t%2f${AMSTERDAM}`,
    "an encoded slash after": `/t/${AMSTERDAM}%2f`,
    "a doubled prefix": `/t/${AMSTERDAM}/t/${AMSTERDAM}`,
    "two sites": `/t/${AMSTERDAM}/t/${LONDON}`,
    "a space after": `/t/${AMSTERDAM}%20`,
    "a zero byte after": `/t/${AMSTERDAM}%00`,
    "a line break after": `/t/${AMSTERDAM}%0a`,
    "a token twice encoded": `/t/${AMSTERDAM.replaceAll("-", "%252d")}`,
    "a broken escape": `/t/${AMSTERDAM}%`,
    "a forged MAC": `/t/amsterdam.JPE1.${"0".repeat(64)}`,
    "a MAC with one digit changed": `/t/amsterdam.JPE1.${flipped}`,
    "a truncated MAC": `/t/amsterdam.JPE1.${MAC.slice(0, 32)}`,
    "an empty MAC": "/t/amsterdam.JPE1.",
    "no MAC": "/t/amsterdam.JPE1",
    "a MAC with one more digit": `/t/${own}0`,
    "a MAC in capitals": `/t/amsterdam.JPE1.${MAC.toUpperCase()}`,
    "another node's MAC": `/t/amsterdam.JPE1.${mac(AMSTERDAM, "JPE2")}`,
    "another site's name": `/t/london.JPE1.${MAC}`,
    "another site's MAC": `/t/amsterdam.JPE1.${mac(LONDON, "JPE1")}`,
    "an unknown site": `/t/paris.JPE1.${MAC}`,
    "another case of the id": `/t/amsterdam.jpe1.${MAC}`,
    "the id in hexadecimal": `/t/amsterdam.~4a504531.${MAC}`,
    "an additional part": `/t/${own}.x`,
    "a token in place of the site": `/t/${AMSTERDAM}.JPE1.${MAC}`,
    "a token of another identifier": `/t/${nodeToken("amsterdam", AMSTERDAM, "JPE1", "systemmac")}`,
    "an invalid id": `/t/${nodeToken("amsterdam", AMSTERDAM, "..")}`,
    "an empty id": `/t/amsterdam..${mac(AMSTERDAM, "")}`,
    "an id with a slash": `/t/${nodeToken("amsterdam", AMSTERDAM, "a/b")}`,
    "a very long credential": `/t/amsterdam.${"a".repeat(3000)}.${MAC}`,
    "the admin token": "/t/an-admin-token-of-enough-length",
  };
  for (const [name, prefix] of Object.entries(NOTHING)) {
    test(name, async () => {
      for (const [method, path, options] of TABLE) {
        const [response, unknown] = await Promise.all([
          worker.request(method, `${prefix}${path}`, options),
          worker.request(method, "/there/is/nothing", options),
        ]);
        assert.deepEqual(appearance(response), appearance(unknown), `${method} ${prefix}${path}`);
        assert.equal(response.status, 404);
      }
      const head = await worker.request("HEAD", `${prefix}/bootstrap`);
      assert.deepEqual(appearance(head), appearance(await worker.request("HEAD", "/there/is/nothing")));
    });
  }

  test("an unknown path under a valid token, for every method", async () => {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const unknown = appearance(await worker.request(method, "/bootstrap"));
      for (const path of ["", "/", "/nothing", "/nodes/JPE1/site", "/admin/pools", "/Bootstrap"]) {
        const response = await worker.under(AMSTERDAM, method, path);
        assert.deepEqual(appearance(response), unknown, `${method} ${path}`);
      }
    }
  });

  test("a percent-encoded token is valid (RFC 3986, 6.2.2.2)", async () => {
    const encoded = AMSTERDAM.replaceAll("-", "%2d");
    assert.equal((await worker.request("GET", `/%74/${encoded}/bootstrap`)).status, 200);
  });
});

describe("the URL of a node", () => {
  const ask = async (headers, credential = AMSTERDAM) => {
    const { text } = await worker.under(credential, "GET", "/bootstrap", { headers });
    return text.match(/"(http:\/\/[^"]*)"/)[1].replace(`${worker.url.origin}/t/`, "");
  };

  test("is in the script of a switch that sends its id", async () => {
    for (const id of ["JPE1", "a b", "VDC-7_x", "~tilde", "JPE1.2"]) {
      assert.equal(await ask({ "X-Arista-Serial": id, "X-Arista-SystemMAC": "00:1c:73:00:00:01" }), nodeToken("amsterdam", AMSTERDAM, id));
    }
    assert.equal(await ask({ "X-Arista-Serial": "JPE1" }, OLD), nodeToken("amsterdam", OLD, "JPE1"));
  });

  test("is for the MAC address if the switch has no serial number", async () => {
    const own = nodeToken("amsterdam", AMSTERDAM, "001c73000001");
    for (const serial of ["", "   "]) {
      for (const mac of ["00:1c:73:00:00:01", "001C.7300.0001"]) {
        assert.equal(await ask({ "X-Arista-Serial": serial, "X-Arista-SystemMAC": mac }), own);
      }
    }
  });

  test("is not in the script of a switch that sends no id or an invalid one", async () => {
    for (const headers of [
      {},
      { "X-Arista-SystemMAC": "00:1c:73:00:00:01" },
      { "X-Arista-Serial": "" },
      { "X-Arista-Serial": "   " },
      { "X-Arista-Serial": "a/b" },
      { "X-Arista-Serial": ".." },
      { "X-Arista-Serial": "a\tb" },
      { "X-Arista-Serial": "x".repeat(201) },
      { "X-Arista-Serial": "x".repeat(60_000) },
    ]) {
      assert.equal(await ask(headers), AMSTERDAM, JSON.stringify(headers).slice(0, 80));
    }
  });

  test("is the same for every request under it", async () => {
    const own = nodeToken("amsterdam", AMSTERDAM, "JPE1");
    assert.equal(await ask({ "X-Arista-Serial": "JPE2" }, own), own);
  });

  test("has no characters with a meaning in regular expressions, except dots", async () => {
    assert.match(await ask({ "X-Arista-Serial": "a+b*(c)[d]{e}|f^g$h?i\\j" }), /^[A-Za-z0-9_~.-]+$/);
  });
});

test("an error escapes the values that a client sent", async () => {
  const markup = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
  for (const path of [`/files/${markup}`, `/actions/${markup}`, "/nodes/%3Cimg%20src=x%3E", `/meta/files/${markup}`, `/meta/nodes/x/${markup}`]) {
    const response = await worker.under(AMSTERDAM, "GET", path);
    assert.ok(response.status >= 400);
    assert.doesNotMatch(response.text, /[<>]/);
  }
  const posted = await worker.under(AMSTERDAM, "POST", "/nodes", { body: JSON.stringify(facts("<b>&\"")) });
  assertRefusal(posted, 400, /&lt;b&gt;&amp;&quot;/);
});
