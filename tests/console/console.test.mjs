// The console in Chromium, on a server with data that is made up. What it does on the Worker is in worker.test.mjs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LIVE_MS, PAGES, errorsOf, go, launch, openPage, pass, serve, settled, signedIn, skip, stopClock } from "./browser.mjs";
import { TOKEN, World, furnish, world } from "./server.mjs";

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

describe("the console", { skip }, () => {
  describe("signing in", () => {
    test("needs the admin token, and a wrong one says so", async (t) => {
      const { url } = await serve(t);
      const page = await openPage(browser);
      t.after(() => page.context().close());
      await page.goto(`${url}/admin`);
      await page.fill("#token", "wrong");
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=This is not the admin token.");
      assert.equal(await page.locator("header").isVisible(), false);
      await page.fill("#token", TOKEN);
      await page.keyboard.press("Enter");
      await page.waitForSelector("h1:has-text('Sites')");
      assert.equal(await page.locator(".who").textContent(), "admin token adminSign out");
    });

    test("by the address that npm start prints leaves no token in the address and in the history", async (t) => {
      const { url } = await serve(t);
      const page = await openPage(browser);
      t.after(() => page.context().close());
      const shown = [];
      page.on("framenavigated", (frame) => shown.push(frame.url()));
      await page.goto("about:blank");
      await page.goto(`${url}/admin#token=${TOKEN}`);
      await page.waitForSelector("h1:has-text('Sites')");
      assert.equal(page.url(), `${url}/admin`);
      const entries = await page.context().newCDPSession(page).then((session) => session.send("Page.getNavigationHistory"));
      assert.deepEqual(entries.entries.filter((entry) => entry.url.includes(TOKEN)), []);
      assert.ok(shown.length > 0);
      await page.reload();
      await page.waitForSelector("h1:has-text('Sites')");
    });

    test("works at the address with a slash, too", async (t) => {
      const { url } = await serve(t);
      const page = await openPage(browser);
      t.after(() => page.context().close());
      await page.goto(`${url}/admin/#token=${TOKEN}`);
      await page.waitForSelector("h1:has-text('Sites')");
      assert.deepEqual(errorsOf(page), []);
    });

    test("continues at the address that was asked for", async (t) => {
      const { url } = await serve(t);
      const page = await openPage(browser);
      t.after(() => page.context().close());
      await page.goto(`${url}/admin#/site/berlin?state=failed`);
      await page.fill("#token", TOKEN);
      await page.keyboard.press("Enter");
      await page.waitForSelector("tr.is-failed");
      assert.equal(await page.locator("tbody tr").count(), 1);
    });

    test("out ends the session", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url);
      await page.click("text=Sign out");
      await page.waitForSelector("text=You are signed out.");
      await page.reload();
      await page.waitForSelector("#token");
      assert.ok(made.requests.includes("DELETE /admin/session"));
    });

    test("is asked for again when the session expires, and the page is the same afterwards", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin?q=jpe2132");
      await page.waitForSelector("tbody tr");
      const rows = await page.locator("tbody tr").count();
      const { operator } = made;
      made.operator = null;
      await page.waitForSelector("text=The session has ended.");
      made.operator = operator;
      await page.fill("#token", TOKEN);
      await page.keyboard.press("Enter");
      await page.waitForSelector("tbody tr");
      assert.match(page.url(), /#\/site\/berlin\?q=jpe2132$/);
      assert.equal(await page.inputValue("input[type=search]"), "jpe2132");
      assert.equal(await page.locator("tbody tr").count(), rows);
    });

    test("through Access needs no token, and out goes to Access", async (t) => {
      const made = world();
      made.operator = { name: "ada@example.net", role: "operator", sites: ["berlin", "paris"], secrets: true, method: "access" };
      const { url } = await serve(t, made);
      const page = await signedIn(t, browser, url);
      await page.waitForSelector("text=madrid", { state: "detached" });
      assert.equal(await page.locator(".sites li").count(), 2);
      await page.click("text=Sign out");
      await page.waitForURL(`${url}/cdn-cgi/access/logout`);
    });
  });

  describe("live", () => {
    test("a boot appears within two seconds of its request, and its steps follow", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin", { clock: true });
      await page.waitForSelector("tbody tr");
      await stopClock(page);
      await pass(page, 1250);
      made.node("NEW1", "berlin", { client: "ztp-edge" });
      made.event("NEW1", { event: "script-fetched" });
      await pass(page, LIVE_MS);
      await page.waitForSelector("tr:has-text('NEW1'):has-text('Booting'):has-text('script')");
      made.event("NEW1", { event: "action-started", action: "install_image" });
      await pass(page, LIVE_MS);
      await page.waitForSelector("tr:has-text('NEW1'):has-text('action install_image')");
      made.event("NEW1", { event: "boot-failed", reason: "no space left on device", log: "the end" });
      await pass(page, LIVE_MS);
      await page.waitForSelector("tr.is-failed:has-text('NEW1'):has-text('no space left on device')");
      assert.match(await page.locator(".sentence").textContent(), /2 failed/);
      assert.deepEqual(errorsOf(page), []);
    });

    test("a failing boot shows its reason, and the end of its log", async (t) => {
      const { url, world: made } = await serve(t);
      made.node("NEW1", "berlin", { client: "ztp-edge" });
      made.event("NEW1", { event: "script-fetched" });
      const page = await signedIn(t, browser, url, "#/node/NEW1", { clock: true });
      await page.waitForSelector(".timeline >> text=Script fetched");
      await stopClock(page);
      made.event("NEW1", { event: "action-failed", action: "install_image", reason: "[Errno 28] no space", boot: "abcdefgh", seq: 1, at: 2 });
      await pass(page, LIVE_MS);
      await page.waitForSelector(".timeline >> text=install_image failed");
      made.event("NEW1", { event: "boot-failed", reason: "[Errno 28] no space", log: "line 1\nline 2", boot: "abcdefgh", seq: 2, at: 2 });
      await pass(page, LIVE_MS);
      await page.waitForSelector(".node-head >> text=Failed");
      assert.equal(await page.locator(".problem .reason").textContent(), "[Errno 28] no space");
      assert.equal(await page.locator(".log").textContent(), "line 1\nline 2");
    });

    test("two browsers show the same", async (t) => {
      const { url, world: made } = await serve(t);
      const pages = [await signedIn(t, browser, url, "#/site/berlin", { clock: true }), await signedIn(t, browser, url, "#/waiting", { clock: true })];
      await pages[0].waitForSelector("tbody tr");
      await pages[1].waitForSelector(".card");
      await Promise.all(pages.map(stopClock));
      made.node("NEW2", "berlin");
      made.event("NEW2", { event: "refused", request: "POST /nodes", status: 400, reason: "no pattern" });
      await Promise.all(pages.map((page) => pass(page, LIVE_MS)));
      await Promise.all([pages[0].waitForSelector("tr.is-waiting:has-text('NEW2')"), pages[1].waitForSelector(".card:has-text('NEW2')")]);
      made.event("NEW2", { event: "script-fetched" });
      await Promise.all(pages.map((page) => pass(page, LIVE_MS)));
      await Promise.all([pages[0].waitForSelector("tr.is-booting:has-text('NEW2')"), pages[1].waitForSelector(".card:has-text('NEW2')", { state: "detached" })]);
    });

    test("a page that is not visible reads nothing", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin", { clock: true });
      await page.waitForSelector("tbody tr");
      await stopClock(page);
      const hide = (hidden) =>
        page.evaluate((value) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
          document.dispatchEvent(new Event("visibilitychange"));
        }, hidden);
      await hide(true);
      await pass(page, 500);
      made.requests.length = 0;
      await pass(page, 5000);
      assert.deepEqual(made.requests, []);
      const read = page.waitForRequest(/\/admin\/events/);
      await hide(false);
      await read;
    });

    test("while nothing happens, a page reads its events alone, and they are 304", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin", { clock: true });
      await page.waitForSelector("tbody tr");
      await stopClock(page);
      await pass(page, 1500);
      made.requests.length = 0;
      await pass(page, 3000);
      const lists = made.requests.filter((request) => request.startsWith("GET /admin/nodes"));
      const events = made.requests.filter((request) => request.startsWith("GET /admin/events"));
      assert.deepEqual(lists, []);
      assert.ok(events.length >= 2 && events.length <= 4, `${events.length} reads in 3 s`);
    });

    test("a server that does not answer is shown, with the age of the page, until it answers", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      await page.context().setOffline(true);
      await page.waitForSelector(".lost:has-text('does not answer')");
      assert.ok((await page.locator("tbody tr").count()) > 0, "the page stays");
      await page.context().setOffline(false);
      await page.waitForSelector(".lost", { state: "hidden" });
    });

    test("the focus stays where it is while the list changes", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      const link = page.locator("a:has-text('JPE213018')");
      await link.focus();
      for (const event of [{ event: "script-fetched" }, { event: "boot-failed", reason: "no", log: "" }]) {
        made.event("JPE213018", event);
        await page.waitForSelector(`tr.is-${event.reason ? "failed" : "booting"}:has-text('JPE213018')`);
      }
      assert.equal(await page.evaluate(() => document.activeElement.textContent), "JPE213018");
    });
  });

  describe("the list of a site", () => {
    test("has those first that need someone", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      const states = await page.locator("tbody .state").allTextContents();
      assert.deepEqual([...new Set(states)], ["Failed", "Stalled", "Waiting", "Booting", "Planned", "Booted", "Backed up"]);
      assert.equal(await page.locator(".sentence").textContent(), "36 of 43 booted, 1 failed, 1 stalled, 2 waiting, 3 booting, 2 planned.");
    });

    test("keeps search and filters in the address, over a reload, the way back, and changes of the list", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      await page.keyboard.press("/");
      await page.keyboard.type("jpe2131");
      await page.waitForURL(/q=jpe2131/);
      await page.click(".chip:has-text('Failed')");
      await page.click(".chip:has-text('Waiting')");
      await page.waitForURL(/state=failed%2Cwaiting/);
      const shown = async () => (await page.locator("tbody th").allTextContents()).sort();
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
      assert.deepEqual(await shown(), ["JPE213130", "JPE213179"]);
      await page.reload();
      await page.waitForSelector("tbody tr");
      assert.deepEqual(await shown(), ["JPE213130", "JPE213179"]);
      assert.equal(await page.inputValue("input[type=search]"), "jpe2131");
      assert.equal(await page.getAttribute(".chip:has-text('Failed')", "aria-pressed"), "true");
      await page.click("a:has-text('JPE213130')");
      await page.waitForSelector(".timeline li");
      await page.goBack();
      await page.waitForSelector("tbody tr");
      assert.deepEqual(await shown(), ["JPE213130", "JPE213179"]);
      made.event("JPE213116", { event: "boot-failed", reason: "no", log: "" });
      await page.waitForSelector("tr:has-text('JPE213116')");
      assert.deepEqual(await shown(), ["JPE213116", "JPE213130", "JPE213179"]);
      await page.fill("input[type=search]", "nothing like this");
      await page.waitForSelector("text=No switch matches the filters.");
    });

    test("leaves the address of another page alone, if one typed until it was opened", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      await page.waitForSelector("tbody tr");
      await page.evaluate(() => {
        const search = document.querySelector("input[type=search]");
        search.value = "jpe";
        search.dispatchEvent(new Event("input"));
        location.hash = "#/pools";
      });
      await page.waitForTimeout(600);
      assert.match(page.url(), /#\/pools$/);
    });

    test("has a bar for each boot in the chart, which opens the switch", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/site/berlin");
      const bars = page.locator(".boots [data-node]");
      await bars.first().waitFor();
      assert.equal(await bars.count(), 43);
      for (const kind of ["script", "facts", "definition", "action", "download", "startup-config"]) assert.ok((await page.locator(`.boots .step-${kind}`).count()) > 0, kind);
      assert.equal(await page.locator(".boots .end-failed").count(), 1);
      await page.hover("[data-node='JPE213130'] .hit");
      assert.match(await page.locator(".chart-hint").textContent(), /^JPE213130 Failed, \d+ min/);
      await page.click("[data-node='JPE213130'] .hit");
      await page.waitForSelector("h1:has-text('JPE213130')");
      await page.goBack();
      await page.click(".segments >> text=24 h");
      await page.waitForURL(/hours=24/);
    });

    test("of 5,000 switches shows the first 200, and all of them on demand", async (t) => {
      const made = new World();
      furnish(made);
      const minute = 60_000;
      for (let index = 0; index < 5000; index += 1) {
        const state = index % 500 === 3 ? "failed" : "backed-up";
        const at = new Date(Date.now() - (5000 - index) * minute).toISOString();
        made.node(`SN${String(index).padStart(6, "0")}`, "berlin", { state, since: at, last: at, started: at, ended: at, steps: [{ step: "script", at }], model: "DCS-7050SX3-48YC8", version: "4.32.1F", definition: "leaf", pattern: "leaf", reason: state === "failed" ? "no space left" : null });
      }
      made.site("paris");
      const { url } = await serve(t, made);
      const page = await signedIn(t, browser, url, "#/", { clock: true });
      await page.waitForSelector(".sites li");
      const first = () =>
        page.evaluate(async () => {
          for (;;) {
            const { length } = document.querySelectorAll("tbody tr");
            if (length > 0) return { length, at: performance.now() };
            await new Promise((resolve) => requestAnimationFrame(resolve));
          }
        });
      const begin = await page.evaluate(() => ((location.hash = "#/site/berlin"), performance.now()));
      const shown = await first();
      await page.reload();
      const reloaded = await first();
      t.diagnostic(`the list of 5,000: ${Math.round(shown.at - begin)} ms; with the whole console: ${Math.round(reloaded.at)} ms`);
      assert.deepEqual([shown.length, reloaded.length], [200, 200]);
      assert.ok(made.requests.every((request) => !request.startsWith("GET /admin/nodes?") || /limit=200\b|sort=last&limit=500\b/.test(request)), "no more rows are read at first, but those of the chart");
      assert.match(await page.locator("tbody tr").first().textContent(), /Failed/);
      await page.waitForSelector("text=4,990 of 5,000 booted, 10 failed.");
      await page.click("text=Show more");
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1200);
      await stopClock(page);
      made.event("SN004000", { event: "boot-failed", reason: "late", log: "" });
      await pass(page, LIVE_MS);
      await page.waitForSelector("tr.is-failed:has-text('SN004000')");
    });
  });

  describe("a switch", () => {
    test("shows why no pattern fits, with its lines beside what it sees", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213179");
      await page.waitForSelector(".candidate");
      assert.deepEqual(await page.locator(".candidate summary .state").allTextContents(), ["spine", "leaf"]);
      const differs = await page.locator("tr.differs").allTextContents();
      assert.deepEqual(differs, ["model DCS-7280differs fromDCS-7050SX3-48YC8", "Ethernet1: $any_spine:anydiffers fromEthernet1 sees core1 port Ethernet7"]);
      assert.match(await page.locator(".neighbors").textContent(), /Management1oob-sw3Gi1\/0\/14/);
    });

    test("has its records, its values of pools, and the definition as rendered", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213018");
      await page.waitForSelector(".records li");
      await page.click(".records summary:has-text('startup-config')");
      await page.waitForSelector(".records .source >> text=hostname jpe213018");
      await page.waitForSelector(".source:has-text('\"ipaddress\": \"10.32.0.17/24\"')");
      assert.match(await page.locator("section[aria-label='Pool values']").textContent(), /mgmt 10\.32\./);
      assert.match(await page.locator(".versions").textContent(), /4\.7 kB/);
    });

    test("shows times in the zone of the viewer, and UTC on hover", async (t) => {
      const { url, world: made } = await serve(t);
      made.node("NEW1", "berlin");
      made.event("NEW1", { event: "script-fetched" }, Date.parse("2026-07-01T22:03:04.500Z"));
      const page = await signedIn(t, browser, url, "#/node/NEW1");
      const time = page.locator(".timeline time").first();
      await time.waitFor();
      assert.match(await time.textContent(), /Jul.* 00:03:04$/);
      assert.equal(await time.getAttribute("title"), "2026-07-01 22:03:04 UTC");
    });

    test("is assigned a definition after one question, and has the former records again after undo", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/waiting");
      await page.click(".card:has-text('JPE213179') >> text=Assign a definition…");
      await page.selectOption("select[name=definition]", "definitions/spine");
      await page.fill("textarea[name=attributes]", "hostname: spine1\n");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message:has-text('JPE213179 has the definition spine. Audit entry 6.')");
      const { records } = made.nodes.get("JPE213179");
      assert.match(records.get("definition"), /^name: spine/);
      assert.equal(records.get("attributes"), "hostname: spine1\n");
      await page.click(".message >> text=Undo");
      await page.waitForSelector(".message:has-text('Undone')");
      assert.equal(records.size, 0);
    });

    test("has the same bytes again after undo, also those that are not UTF-8", async (t) => {
      const { url, world: made } = await serve(t);
      const { records } = made.nodes.get("JPE213018");
      const former = { latin1: Buffer.from("hostname caf\u00e9\n", "latin1"), "byte order mark": Buffer.from("\ufeffhostname a\n") };
      const page = await signedIn(t, browser, url, "#/node/JPE213018");
      for (const [name, bytes] of Object.entries(former)) {
        records.set("startup-config", bytes);
        await page.click("text=Assign…");
        await page.click("text=A startup-config");
        await page.fill("textarea[name=startup_config]", "hostname other\n");
        await page.click("dialog button.primary");
        await page.waitForSelector(".message:has-text('has the startup-config')");
        assert.equal(records.get("startup-config"), "hostname other\n");
        await page.click(".message >> text=Undo");
        await page.waitForSelector(".message:has-text('Undone')");
        assert.deepEqual(Buffer.from(records.get("startup-config")), bytes, name);
        await page.click(".message [aria-label=Dismiss]");
      }
    });

    test("is not changed by an undo if someone changed it since", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213018");
      await page.click("text=Reprovision…");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message");
      made.nodes.get("JPE213018").records.set("definition", "name: newer\nactions: []\n");
      await page.click(".message >> text=Undo");
      await page.waitForSelector(".message:has-text('Not undone: nothing was changed')");
      assert.equal(made.nodes.get("JPE213018").records.get("definition"), "name: newer\nactions: []\n");
    });

    test("is a switch of the plan", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/waiting");
      await page.click(".card:has-text('JPE213179') >> text=It is a switch of the plan…");
      await page.waitForSelector("datalist option[value='PLAN-LEAF-41']", { state: "attached" });
      await page.fill("input[name=as]", "NOBODY");
      await page.click("dialog button.primary");
      await page.waitForSelector("dialog .problem:has-text('there are no records of NOBODY')");
      await page.fill("input[name=as]", "PLAN-LEAF-41");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message:has-text('is PLAN-LEAF-41 of the plan')");
      assert.equal(made.nodes.get("JPE213179").records.get("startup-config"), "hostname planned\n");
      // No other switch is this one.
      await page.click("button:has-text('It is a switch of the plan…')");
      await page.waitForSelector("datalist option[value='PLAN-LEAF-42']", { state: "attached" });
      assert.equal(await page.locator("datalist option[value='PLAN-LEAF-41']").count(), 0);
    });

    test("shows the findings of a record that is not valid, and stores it anyway on demand", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213179");
      await page.click("text=Assign…");
      await page.selectOption("select[name=definition]", "definitions/leaf");
      await page.fill("textarea[name=attributes]", "hostname: [");
      await page.click("dialog button.primary");
      await page.waitForSelector("dialog .finding:has-text('expected a value')");
      assert.equal(made.nodes.get("JPE213179").records.size, 0);
      await page.check("text=Store it anyway");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message");
      assert.equal(made.nodes.get("JPE213179").records.get("attributes"), "hostname: [");
    });

    test("is assigned what was chosen last, however long the lists take", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213179");
      await page.waitForSelector(".candidate");
      made.delayMs = 400;
      await page.click("text=Assign…");
      await page.check("text=A startup-config");
      await page.waitForTimeout(1000);
      await page.fill("textarea[name=startup_config]", "hostname chosen");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message:has-text('JPE213179 has the startup-config')");
      assert.equal(made.nodes.get("JPE213179").records.get("startup-config"), "hostname chosen\n");
    });

    test("is moved, and moved back", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213018");
      await page.click("text=Move…");
      await page.selectOption("select[name=site]", "=paris");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message:has-text('belongs to the site paris')");
      assert.equal(made.nodes.get("JPE213018").site, "paris");
      await page.click(".message >> text=Undo");
      await page.waitForSelector(".message:has-text('belongs to the site berlin again')");
      assert.equal(made.nodes.get("JPE213018").site, "berlin");
    });

    test("is forgotten only after a question that can be cancelled with Escape", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/node/JPE213018");
      await page.click("button:has-text('Forget…')");
      await page.waitForSelector("dialog[open]");
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog", { state: "detached" });
      assert.ok(made.nodes.has("JPE213018"));
      await page.click("button:has-text('Forget…')");
      await page.check("text=Release its values of pools");
      await page.click("dialog button.danger");
      await page.waitForSelector(".message:has-text('JPE213018 is forgotten. Released: mgmt')");
      await page.waitForSelector("text=nothing is known of the node JPE213018");
    });
  });

  describe("content, pools and the audit log", () => {
    test("an edit that breaks neighbordb is shown with file, line and the line itself", async (t) => {
      const { url, world: made } = await serve(t);
      made.check.findings = [];
      const page = await signedIn(t, browser, url, "#/content");
      await page.waitForSelector("text=No finding: the content is valid.");
      made.check = { ...made.check, at: Date.now(), findings: [{ key: "neighbordb", kind: "bad-neighbordb", severity: "error", line: 7, column: 9, text: "  name: : leaf", message: "line 7: mapping values are not allowed here", help: "Quote the value." }] };
      await page.waitForSelector(".file h2:has-text('neighbordb')");
      assert.equal(await page.locator(".finding .where").textContent(), "line 7, column 9");
      assert.equal(await page.locator(".finding .source bdi").textContent(), "  name: : leaf");
      assert.equal(await page.locator(".finding mark").textContent(), ": leaf");
      await page.click("text=Run check now");
      await page.waitForSelector("button:has-text('Run check now')");
      assert.ok(made.requests.includes("POST /admin/check"));
    });

    test("a check says which findings it does not show, and that the next one is in progress", async (t) => {
      const { url, world: made } = await serve(t);
      Object.assign(made.check, { omitted: 3, hidden: 2, under_way: { time: new Date().toISOString(), nodes: 1500 } });
      const page = await signedIn(t, browser, url, "#/content");
      for (const words of ["3 more findings were not kept", "2 more findings name nodes: only an operator of all sites sees them", "The next check is in progress: 1,500 nodes so far"]) {
        await page.waitForSelector(`text=${words}`);
      }
    });

    test("content that was not checked yet says so", async (t) => {
      const made = world();
      made.check = null;
      const { url } = await serve(t, made);
      const page = await signedIn(t, browser, url, "#/content");
      await page.waitForSelector("text=The content was not checked yet.");
      assert.deepEqual(errorsOf(page).filter((error) => !/404/.test(error)), []);
    });

    test("a change is undone from the log, and a conflict is shown", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/audit");
      await page.click(".entry:has-text('neighbordb') >> text=Undo…");
      await page.click("dialog button.primary");
      await page.waitForSelector(".message:has-text('Entry 1 is undone.')");
      await page.waitForSelector(".entry:has-text('(undo of 1)')");
      made.audits[1].conflict = 6;
      await page.click(".entry:has-text('border-leaf') >> text=Undo…");
      await page.click("dialog button.primary");
      await page.waitForSelector("dialog .problem:has-text('was changed since, by the entry 6')");
    });

    test("the log is filtered by operator and target, in the address", async (t) => {
      const { url } = await serve(t);
      const page = await signedIn(t, browser, url, "#/audit");
      await page.fill("[aria-label=Operator]", "bob@example.net");
      await page.click("text=Filter");
      await page.waitForFunction(() => document.querySelectorAll(".entry").length === 2);
      await page.reload();
      await page.waitForFunction(() => document.querySelectorAll(".entry").length === 2);
      assert.match(page.url(), /who=bob%40example\.net/);
    });

    test("a value of a pool is released, and held again after undo", async (t) => {
      const { url, world: made } = await serve(t);
      const page = await signedIn(t, browser, url, "#/pools");
      await page.waitForSelector("text=30 of 32 taken");
      await page.click("a:has-text('asn')");
      await page.fill("input[type=search]", "uplink1");
      await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
      assert.match(await page.textContent("tbody tr"), /^65003JPE210\w+ uplink1/);
      await page.click("text=Release…");
      await page.click("dialog button.danger");
      await page.waitForSelector(".message:has-text('65003 of asn is free.')");
      const [release] = made.requests.filter((request) => request.startsWith("DELETE /admin/pools/"));
      assert.match(release, /\/asn\/65003\?holder=JPE210\w+%2Fuplink1$/, "another switch keeps it that has received it since");
      assert.equal(made.pools.get("asn").allocations.length, 29);
      await page.click(".message >> text=Undo");
      await page.waitForSelector(".message:has-text('holds 65003 again')");
      assert.equal(made.pools.get("asn").allocations.length, 30);
      assert.equal(made.pools.get("asn").allocations.at(-1).name, "uplink1");
    });
  });

  test("a viewer sees everything and can change nothing, also by hand-made requests", async (t) => {
    const made = world();
    made.operator = { name: "eve@example.net", role: "viewer", sites: null, secrets: false, method: "cookie" };
    const { url } = await serve(t, made);
    const page = await signedIn(t, browser, url);
    assert.match(await page.locator(".who").textContent(), /read-only/);
    for (const hash of Object.values(PAGES)) {
      await go(page, hash);
      await settled(page);
      const acts = await page.locator("main button").allTextContents();
      assert.deepEqual(acts.filter((word) => /Assign|Reprovision|Move|Forget|Release|Undo|Run check/.test(word)), [], hash);
    }
    const statuses = await page.evaluate(async () => {
      const send = async (method, path) => (await fetch(path, { method, body: "{}" })).status;
      return [await send("POST", "/admin/nodes/JPE213018/forget"), await send("POST", "/admin/audit/1/undo"), await send("DELETE", "/admin/pools/asn/65003")];
    });
    assert.deepEqual(statuses, [403, 403, 403]);
    assert.ok(made.nodes.has("JPE213018"));
  });
});
