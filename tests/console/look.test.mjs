// How the console looks and can be used: with the keyboard and a screen reader, on a phone and in the dark.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { root } from "../../scripts/run.mjs";
import { DESK, PAGES, PHONE, errorsOf, go, launch, openPage, serve, settled, signedIn, skip, violations } from "./browser.mjs";
import { TOKEN, World, boot, furnish } from "./server.mjs";

const SCREENSHOT = join(root, "docs", "console.png");
const MAX_SCREENSHOT = 100_000;

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

describe("the console", { skip }, () => {
  describe("with the keyboard and a screen reader, on a phone and in the dark", () => {
    for (const [size, viewport] of Object.entries({ phone: PHONE, "desk [more]": DESK })) {
      test(`axe finds nothing on any page: light and dark, ${size}`, { timeout: 110_000 }, async (t) => {
        const { url } = await serve(t);
        const signIn = await openPage(browser, { viewport });
        t.after(() => signIn.context().close());
        await signIn.goto(`${url}/admin`);
        await signIn.waitForSelector("#token");
        assert.deepEqual(await violations(signIn), [], "sign in");
        const page = await signedIn(t, browser, url, "#/", { viewport });
        for (const [kind, hash] of Object.entries(PAGES)) {
          await go(page, hash);
          await settled(page);
          await page.evaluate(() => document.querySelectorAll("main details").forEach((details) => (details.open = true)));
          await settled(page);
          assert.deepEqual(await violations(page), [], kind);
          const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(wider <= 0, `${kind} is ${wider} pixels too wide`);
        }
        await go(page, "#/node/JPE213018");
        for (const word of ["Assign…", "Reprovision…", "Move…", "Forget…"]) {
          await page.click(`button:has-text('${word}')`);
          await page.waitForSelector("dialog[open]");
          await page.waitForTimeout(150);
          assert.deepEqual(await violations(page), [], word);
          await page.keyboard.press("Escape");
          await page.waitForSelector("dialog", { state: "detached" });
        }
        await page.click("text=Reprovision…");
        await page.click("dialog button.primary");
        await page.waitForSelector(".message");
        assert.deepEqual(await violations(page), [], "a message");
        assert.deepEqual(errorsOf(page).filter((error) => !/404/.test(error)), []);
      });
    }

    test("the keyboard alone reaches the page, opens a switch, and acts on it", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      await page.reload();
      await page.waitForSelector("tbody tr");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the page");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.id), "main");
      const press = async (wanted) => {
        for (let count = 0; count < 60; count += 1) {
          await page.keyboard.press("Tab");
          if (await page.evaluate((text) => document.activeElement.textContent === text, wanted)) return;
        }
        assert.fail(`${wanted} was not reached`);
      };
      await press("JPE213130");
      await page.keyboard.press("Enter");
      await page.waitForSelector("h1:has-text('JPE213130')");
      assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
      await press("Reprovision…");
      await page.keyboard.press("Enter");
      await page.waitForSelector("dialog[open]");
      await press("Reprovision");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".message");
      assert.equal(await page.title(), "JPE213130 – ztp-edge");
    });

    test("what changes is announced", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      assert.equal(await page.locator("[aria-live=polite] .sentence").count(), 1);
      made.event("JPE213018", { event: "boot-failed", reason: "no", log: "" });
      await page.waitForSelector("[aria-live=polite] .sentence:has-text('2 failed')");
      assert.equal(await page.locator(".messages[role=status]").count(), 1);
    });
  });

  test("nothing is loaded from elsewhere, and the policy is not violated", async (t) => {
    const { url } = await serve(t);
    const page = await openPage(browser);
    t.after(() => page.context().close());
    const requested = [];
    page.on("request", (request) => requested.push(request.url()));
    await page.goto(`${url}/admin#token=${TOKEN}`);
    await page.waitForSelector(".sites li");
    for (const hash of Object.values(PAGES)) {
      await go(page, hash);
      await settled(page);
    }
    assert.deepEqual(requested.filter((address) => !address.startsWith(`${url}/admin`)), []);
    assert.deepEqual(errorsOf(page).filter((error) => !/404/.test(error)), []);
    const tried = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>x</b>";
        return "allowed";
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(tried, "TypeError", "no text can become HTML");
  });

  test("the README's screenshot is of this page, and small", async (t) => {
    const made = new World();
    furnish(made);
    const minute = 60_000;
    const ends = { 6: "failed", 11: "waiting", 3: "stalled" };
    for (let index = 0; index < 18; index += 1) {
      const id = `JPE213${String(index * 7 + 11).padStart(3, "0")}`;
      made.node(id, "berlin", { model: "DCS-7050SX3-48YC8", version: "4.28.0F", client: "ztp-edge" });
      boot(made, id, { at: Date.now() - (18 - index) * 0.7 * minute - (ends[index] === "stalled" ? 4 * minute : 0), end: ends[index] ?? (index % 4 === 0 ? "booted" : "backed-up"), image: 60 + ((index * 37) % 90) });
    }
    made.site("paris");
    const { url } = await serve(t, made);
    const page = await signedIn(t, browser, url, "#/site/berlin", { viewport: { width: 1200, height: 700 } });
    await page.waitForSelector(".boots [data-node]");
    await page.waitForTimeout(1200);
    const folder = join(root, "build", "screenshots");
    mkdirSync(folder, { recursive: true });
    const path = process.env.UPDATE_SCREENSHOT ? SCREENSHOT : join(folder, "console.png");
    await page.screenshot({ path, animations: "disabled" });
    for (const file of [path, SCREENSHOT]) assert.ok(statSync(file).size < MAX_SCREENSHOT, `${file} has ${statSync(file).size} bytes`);
    assert.match(readFileSync(join(root, "README.md"), "utf8"), /docs\/console\.png/);
  });
});
