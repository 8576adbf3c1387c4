// Names from switches and operators that were made to break a page: in every field that the API has.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DESK, PHONE, errorsOf, go, launch, serve, signedIn, skip } from "./browser.mjs";
import { World } from "./server.mjs";

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

describe("the console with hostile names in every field", { skip }, () => {
  const NAMES = ["<script>globalThis.hacked=1</script>", '"><img src=x onerror="globalThis.hacked=1">', "javascript:globalThis.hacked=1", "W".repeat(255), "\u202Eevil\u202C \u05E9\u05DC\u05D5\u05DD \u0645\u0631\u062D\u0628\u0627", "👩‍👩‍👧‍👦🔥".repeat(8), "a\u0300\u0301\u0302".repeat(20), "%2e%2e%2f?x=1#y&z", "constructor", "__proto__"];

  /** Those that try what others try, too. */
  const MORE = new Set(NAMES.filter((text) => /^(javascript|👩|constructor)/u.test(text)));

  /** A world in which every text is the same name. */
  function hostile(text) {
    const made = new World();
    const id = text.replaceAll("/", "∕");
    made.operator = { ...made.operator, name: text };
    for (const state of ["failed", "waiting", "booting", null]) {
      const node = made.node(`${id}${state ?? ""}`, id, { state, step: text, since: new Date().toISOString(), last: new Date().toISOString(), started: new Date(Date.now() - 60_000).toISOString(), steps: [{ step: text, at: new Date(Date.now() - 60_000).toISOString() }], model: text, version: text, definition: text, pattern: text, reason: text, client: "ztp-edge" });
      node.seen = { time: new Date().toISOString(), model: text, serialnumber: text, systemmac: text, version: text, neighbors: { [text]: [{ device: text, port: text }] } };
      node.pools = [{ pool: text, name: text, value: text, since: new Date().toISOString() }];
      node.records.set(text, text);
      node.versions = [{ time: new Date().toISOString(), sha1: "ab".repeat(20), size: 1, key: text }];
      const fields = { by: text, model: text, version: text, pattern: text, definition: text, reason: text, log: text, request: text, status: 400, action: text, path: text, bytes: 1e9, seconds: 3, complete: false, records: [text], values: [{ pool: text, name: text, value: text }], to: text, sha1: text, size: 3 };
      for (const event of ["script-fetched", "facts-posted", "facts-changed", "claimed", "registered", "refused", "definition-fetched", "pool-values-given", "startup-config-fetched", "file-fetched", "edited", "operator-changed", "plan-given", "reprovisioned", "moved", "action-started", "action-succeeded", "action-failed", "downloaded", "boot-failed", text]) {
        const { row } = node;
        const kept = { ...row };
        made.event(node.id, { event, ...fields });
        Object.assign(row, kept);
      }
    }
    made.patterns = [() => ({ pattern: text, line: 1, definition: text, outcome: "mismatch", reason: text, model: { line: text, differs: true }, wants: [{ line: text, differs: true, saw: [{ interface: text, device: text, port: text }] }] })];
    made.check = { at: Date.now(), findings: [{ key: text, kind: text, severity: "error", line: 1, column: 3, text, message: text, help: text }], covered: { documents: 1, nodes: 1, complete: true } };
    made.pools.set(text, { size: 3, allocations: [{ value: text, node: text, name: text, since: new Date().toISOString() }], reservations: [{ value: `${text}r`, node: text }] });
    made.content.set(`definitions/${text}`, text);
    made.audit("assign", text, { who: text, from: text, site: text, detail: text, undoable: true });
    made.audit("store", text, { who: text, outcome: "failed", forced: true });
    return { made, id };
  }

  for (const [index, text] of NAMES.entries()) {
    const more = MORE.has(text) ? " [more]" : "";
    test(`nothing of it runs, nothing is lost, and the page is no wider: ${JSON.stringify(text.slice(0, 24))}${more}`, async (t) => {
      const { made, id } = hostile(text);
      made.site("other");
      const { url } = await serve(t, made);
      const page = await signedIn(t, browser, url, "#/", { viewport: index % 2 === 0 ? PHONE : DESK });
      page.on("dialog", (dialog) => assert.fail(dialog.message()));
      const hashes = ["#/", `#/site/${encodeURIComponent(id)}`, `#/site/${encodeURIComponent(id)}?q=${encodeURIComponent(text)}`, `#/node/${encodeURIComponent(`${id}failed`)}`, `#/node/${encodeURIComponent(`${id}waiting`)}`, "#/waiting", "#/content", "#/pools", `#/pools/${encodeURIComponent(text)}`, "#/audit"];
      for (const hash of hashes) {
        await go(page, hash);
        await page.waitForFunction((wanted) => document.querySelector("main").textContent.includes(wanted), text.slice(0, 10));
        await page.waitForTimeout(150);
        assert.equal(await page.evaluate(() => globalThis.hacked), undefined, hash);
        assert.equal(await page.locator("main script, main img, main iframe, main a[href^='javascript:']").count(), 0, hash);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wider <= 0, `${hash} is ${wider} pixels too wide`);
      }
      await go(page, `#/node/${encodeURIComponent(`${id}waiting`)}`);
      await page.waitForSelector(".neighbors");
      for (const place of ["h1", ".timeline", ".neighbors", ".reason"]) assert.ok((await page.locator(place).first().textContent()).includes(place === "h1" ? id : text), place);
      // A name in which the direction changes ends where it ends.
      const bare = await page.evaluate((wanted) => {
        const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) if (walker.currentNode.data.includes(wanted) && !walker.currentNode.parentElement.closest("bdi")) found.push(walker.currentNode.parentElement.outerHTML.slice(0, 120));
        return found;
      }, text.slice(0, 12));
      assert.deepEqual(bare, []);
      await page.click("text=Assign…");
      await page.waitForSelector("dialog option:nth-child(2)", { state: "attached" });
      await page.keyboard.press("Escape");
      assert.deepEqual(errorsOf(page), []);
    });
  }
});
