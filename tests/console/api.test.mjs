// The requests of the console, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

test("a query has the values that the server reads, whatever their characters", async (t) => {
  globalThis.location = { pathname: "/admin/" };
  t.after(() => delete globalThis.location);
  const { query } = await import("../../assets/console/api.js");
  // As `query_value` of the Worker: it decodes escapes, and nothing else.
  const read = (url) => Object.fromEntries(url.slice(1).split("&").map((pair) => pair.split("=").map(decodeURIComponent)));
  for (const name of ["uplink2", "to spine 1", "a+b", "a%20b", "a&b=c#d?e", "Ethernet49/1", "ü"]) {
    assert.deepEqual(read(query({ node: "JPE1", name, other: "", none: undefined })), { node: "JPE1", name });
  }
  assert.equal(query({ node: "" }), "");
});
