// Chromium for the tests of the console: that of Debian, never a download. The headless shell is the same engine without the
// windows of a desktop, and opens a page with a quarter of the CPU time.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { TOKEN, startServer, world } from "./server.mjs";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];
const path = PLACES.filter(Boolean).find((place) => existsSync(place));
const HOW = "Chromium is not installed: `apt-get install chromium-headless-shell` installs it on Debian; or set CHROMIUM to the path of a Chromium or Chrome";

/** Why tests in a browser are skipped; false if there is one. In CI a missing one is an error. */
export const skip = path ? false : HOW;
if (!path && process.env.CI) throw new Error(HOW);

/** The sizes of a phone and of a desk. */
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1400, height: 900 };

/** The time in which a page shows what has happened. */
export const LIVE_MS = 2_000;

export function launch() {
  return chromium.launch({ executablePath: path, args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"] });
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * The violations that axe finds on a page, a line each. With the light colours by all rules; with the dark ones by those
 * about colours, since the document is the same.
 */
export async function violations(page) {
  // Once in each document: it is half a megabyte.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const lines = [];
  for (const [colorScheme, runOnly] of [
    ["dark", { type: "rule", values: ["color-contrast", "link-in-text-block"] }],
    ["light", { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }],
  ]) {
    await page.emulateMedia({ colorScheme });
    const found = await page.evaluate((options) => globalThis.axe.run(document, options), { runOnly });
    lines.push(...found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${colorScheme}: ${id}: ${target.join(" ")}: ${failureSummary}`)));
  }
  return lines;
}

/** A new page, with what it logged as an error: also a violation of the Content-Security-Policy. */
export async function openPage(browser, { clock = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: DESK, locale: "en-GB", timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && page.errors.push(`${message.text()} ${message.location().url}`));
  page.underWay = new Set();
  page.on("request", (request) => page.underWay.add(request));
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => page.underWay.delete(request));
  if (clock) await page.clock.install();
  page.setDefaultTimeout(20_000);
  return page;
}

/** A server for one test. */
export async function serve(t, made = world()) {
  const server = await startServer(made);
  t.after(() => server.stop());
  return { world: made, url: server.url };
}

/** A page that is signed in. */
export async function signedIn(t, browser, url, hash = "#/", options = {}) {
  const page = await openPage(browser, options);
  t.after(() => page.context().close());
  await page.goto(`${url}/admin#token=${TOKEN}`);
  await page.waitForSelector("header nav a");
  await go(page, hash);
  return page;
}

export async function go(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await page.waitForSelector("main h1");
}

/**
 * Stops the clock of a page that was opened with `clock: true`, so that what it shows within a time depends on its own
 * timers, and not on how busy the machine is. A clock stops at a time ahead of it only: if the page was too busy to be
 * told before that time, the next one is further ahead.
 */
export async function stopClock(page) {
  for (let ahead = 50; ; ahead *= 2) {
    const at = await page.evaluate((milliseconds) => Date.now() + milliseconds, ahead);
    try {
      return await page.clock.pauseAt(at);
    } catch (error) {
      if (!/fast-forward to the past/.test(error.message) || ahead > 10_000) throw error;
    }
  }
}

/** Lets milliseconds pass for a page whose clock was stopped; each request that it makes meanwhile is answered. */
export async function pass(page, milliseconds) {
  const step = 250;
  for (let passed = 0; passed < milliseconds; passed += step) {
    await page.clock.runFor(step);
    while (page.underWay.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Waits until a page is shown as a whole. */
export const settled = (page) => page.waitForFunction(() => !/Reading|Checking/.test(document.querySelector("main").innerText) && document.querySelector("main").innerText.length > 40).then(() => page.waitForTimeout(250));

/** Each error of a page, but the 404 of a session that is not open, and of a record that the undo finds missing. */
export const errorsOf = (page) => page.errors.filter((error) => !/404 \(Not Found\).*\/admin\/(session$|content\/nodes\/)/.test(error));

/** A page of each kind, for checks of all of them. */
export const PAGES = { sites: "#/", site: "#/site/berlin", filtered: "#/site/berlin?state=failed,stalled", empty: "#/site/oslo?q=nothing", failed: "#/node/JPE213130", refused: "#/node/JPE213179", booted: "#/node/JPE213018", planned: "#/node/PLAN-LEAF-41", unknown: "#/node/UNKNOWN", waiting: "#/waiting", content: "#/content", pools: "#/pools", pool: "#/pools/asn", audit: "#/audit" };
