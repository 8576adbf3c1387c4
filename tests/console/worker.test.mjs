// The console in Chromium, on the built Worker: what operators see of switches, and what they do.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { facts, startWorker } from "../e2e/harness.mjs";
import { OPERATORS, startTeam } from "../e2e/operators.mjs";
import { errorsOf, go, launch, openPage, settled, skip } from "./browser.mjs";

const ADMIN = "an-admin-token-of-enough-length";
const BERLIN = "berlin-token-0123456789";
const SECRETS = { ZTP_ADMIN_TOKEN: ADMIN, ZTP_TOKENS: `berlin=${BERLIN}\nparis=paris-token-01234567890` };
const LEAF = "name: leaf\nactions:\n- action: add_config\n  attributes:\n    url: files/leaf.template\n";
const NEIGHBORDB = "patterns:\n- name: leaf\n  definition: leaf\n  interfaces:\n  - Ethernet1: spine1:any\n";
const LOADED = { timeout: 30_000 };

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

/** A Worker with content, for one test. */
async function serve(t, options = {}) {
  const worker = await startWorker({ secrets: SECRETS, ...options });
  t.after(() => worker.stop());
  await worker.kv.put("neighbordb", NEIGHBORDB);
  await worker.kv.put("definitions/leaf", LEAF);
  await worker.r2.put("files/leaf.template", "hostname leaf\n");
  const url = `http://localhost:${worker.url.port}`;
  const post = (node, others) => worker.request("POST", `/t/${BERLIN}/nodes`, { body: JSON.stringify(facts(node, others)) });
  let number = 0;
  /** A report of a client. */
  const report = async (node, event, others = {}) => {
    number += 1;
    const response = await worker.request("POST", `/t/${BERLIN}/nodes/${node}/events`, { body: JSON.stringify({ boot: `boot0${node.toLowerCase()}`, seq: number, at: number, event, ...others }) });
    assert.equal(response.status, 204, response.text);
  };
  const admin = (method, path, body) => worker.request(method, `/admin${path}`, { headers: { Authorization: `Bearer ${ADMIN}` }, body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body) });
  return { worker, url, post, report, admin };
}

async function signedIn(t, url, hash = "#/", options) {
  const page = await openPage(browser, options);
  t.after(() => page.context().close());
  await page.goto(`${url}/admin#token=${ADMIN}`);
  await page.waitForSelector("header nav a", LOADED);
  await go(page, hash);
  return page;
}

/** Runs ZTPServer's client. */
async function theirs(url, ...args) {
  const env = { ...process.env, ZTP_TEST_URL: `${url}/t/${BERLIN}` };
  const child = spawn("python3", [join(import.meta.dirname, "theirs.py"), ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [status] = await once(child, "close");
  assert.equal(status, 0, output);
}

describe("the console on the Worker", { skip }, () => {
  test("signs in with the token in the address, or with a form, and out; a wrong token is refused", async (t) => {
    const { url } = await serve(t);
    const page = await openPage(browser);
    t.after(() => page.context().close());
    await page.goto(`${url}/admin#token=wrong`);
    await page.waitForSelector("#token", LOADED);
    assert.equal(page.url(), `${url}/admin`);
    await page.fill("#token", "wrong");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=This is not the admin token.");
    await page.fill("#token", ADMIN);
    await page.keyboard.press("Enter");
    await page.waitForSelector("h1:has-text('Sites')");
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.secure, cookie.sameSite], ["__Host-ztp-session", true, true, "Strict"]);
    await page.click("text=Sign out");
    await page.waitForSelector("text=You are signed out.");
    assert.deepEqual(await page.context().cookies(), []);
    await page.goto(`${url}/admin/#token=${ADMIN}`);
    await page.waitForSelector("h1:has-text('Sites')");
    assert.deepEqual(errorsOf(page).filter((error) => !/404/.test(error)), []);
  });

  test("shows a boot soon after its request, each step, and its failure with the log", async (t) => {
    const { url, worker, post, report } = await serve(t);
    const page = await signedIn(t, url, "#/site/berlin");
    const other = await signedIn(t, url, "#/");
    await page.waitForSelector("text=No switch has made a request here yet.", LOADED);
    await page.waitForTimeout(1500);
    const asked = Date.now();
    assert.equal((await post("LIVE1", { neighbors: { Ethernet1: [{ device: "spine1", port: "Ethernet7" }] } })).status, 201);
    await page.waitForSelector("tr.is-booting:has-text('LIVE1')");
    t.diagnostic(`the boot is shown ${Date.now() - asked} ms after its request`);
    await other.waitForSelector("li:has-text('berlin'):has-text('1 booting')");
    await report("LIVE1", "boot-started");
    assert.equal((await worker.request("GET", `/t/${BERLIN}/nodes/LIVE1`)).status, 200);
    await report("LIVE1", "action-started", { action: "add_config" });
    await page.waitForSelector("tr.is-booting:has-text('action add_config')");
    await report("LIVE1", "action-failed", { action: "add_config", reason: "[Errno 28] No space left on device" });
    await report("LIVE1", "boot-failed", { reason: "[Errno 28] No space left on device", log: "first line\nlast line" });
    await page.waitForSelector("tr.is-failed:has-text('LIVE1'):has-text('No space left on device')");
    await other.waitForSelector("li:has-text('berlin'):has-text('1 failed')");
    assert.equal(await page.locator(".boots [data-node='LIVE1']").count(), 1);
    await page.click("a:has-text('LIVE1')");
    await page.waitForSelector(".log");
    assert.equal(await page.locator(".log").textContent(), "first line\nlast line");
    const timeline = (await page.locator(".event-body > p").allTextContents()).join("; ");
    assert.match(timeline, /Registered by the pattern leaf with the definition leaf; .*Boot started; .*Definition fetched: leaf; .*Action add_config started; Action add_config failed; Boot failed$/);
    await page.waitForSelector(".candidate:has-text('leaf'):has-text('matches')");
    await page.waitForSelector(".source:has-text('\"action\": \"add_config\"')");
    assert.deepEqual(errorsOf(page), []);
  });

  test("a switch that was refused is assigned a definition, and its next try boots: ZTPServer's own client", async (t) => {
    const { url, worker } = await serve(t);
    const bootstrap = execFileSync("python3", [join(import.meta.dirname, "theirs.py"), "bootstrap"], { env: { ...process.env, ZTP_TEST_URL: url } });
    await worker.kv.put("bootstrap/bootstrap", bootstrap);
    await worker.kv.put("neighbordb", "patterns:\n- name: spine\n  definition: leaf\n  model: NOTHING-LIKE-IT\n");
    const page = await signedIn(t, url, "#/waiting");
    await page.waitForSelector("text=No switch waits.", LOADED);
    await theirs(url, "refused");
    const card = page.locator(".card:has-text('THEIRS1')");
    await card.waitFor();
    assert.match(await card.locator(".reason").first().textContent(), /pattern 'spine': requires model regex\('NOTHING-LIKE-IT'\)/);
    await card.locator("tr.differs").waitFor();
    await card.locator("text=Assign a definition…").click();
    await page.selectOption("select[name=definition]", "definitions/leaf");
    await page.click("dialog button.primary");
    await page.waitForSelector(".message:has-text('THEIRS1 has the definition leaf')");
    await theirs(url, "boots", "leaf");
    await card.waitFor({ state: "detached" });
    await go(page, "#/node/THEIRS1");
    await page.waitForSelector(".node-head:has-text('Served')");
    const timeline = (await page.locator(".event-body > p").allTextContents()).join("; ");
    for (const words of [/Script fetched/, /Refused: POST \/nodes 400/, /Records changed by admin token/, /Definition fetched: leaf/]) assert.match(timeline, words);
    assert.deepEqual(errorsOf(page), []);
  });

  test("a switch is one of the plan", async (t) => {
    const { url, worker, post, admin } = await serve(t);
    assert.equal((await admin("POST", "/nodes/PLAN1/assign", { startup_config: "hostname planned\n" })).status, 200);
    assert.equal((await admin("POST", "/nodes/PLAN1/move", { site: "berlin" })).status, 200);
    assert.equal((await post("REAL1", { neighbors: {} })).status, 400);
    const page = await signedIn(t, url, "#/waiting");
    await page.click(".card:has-text('REAL1') >> text=It is a switch of the plan…", LOADED);
    await page.waitForSelector("datalist option[value='PLAN1']", { state: "attached" });
    await page.fill("input[name=as]", "PLAN1");
    await page.click("dialog button.primary");
    await page.waitForSelector(".message:has-text('REAL1 is PLAN1 of the plan')");
    assert.equal((await post("REAL1", { neighbors: {} })).status, 409);
    assert.equal((await worker.request("GET", `/t/${BERLIN}/nodes/REAL1/startup-config`)).text, "hostname planned\n");
    assert.equal((await admin("GET", "/nodes/PLAN1")).json.status.given_to, "REAL1");
  });

  test("an edit of neighbordb that breaks it is shown with the line, and an edit through the API is undone", async (t) => {
    const { url, worker, admin } = await serve(t);
    const page = await signedIn(t, url, "#/content");
    await page.waitForSelector("text=The content was not checked yet.", LOADED);
    const broken = NEIGHBORDB.replace("Ethernet1: spine1:any", "Ethernet1: regex('spine(')");
    assert.equal((await admin("PUT", "/content/neighbordb?force=1", broken)).status, 200);
    await page.click("text=Run check now");
    await page.waitForSelector(".file:has-text('neighbordb')", LOADED);
    assert.match(await page.locator(".finding .where").first().textContent(), /^line 5/);
    assert.match(await page.locator(".finding .source bdi").first().textContent(), /Ethernet1: regex\('spine\('\)/);
    await go(page, "#/audit");
    await page.click(".entry:has-text('stored neighbordb') >> text=Undo…");
    await page.click("dialog button.primary");
    await page.waitForSelector(".message:has-text('is undone')");
    assert.equal((await admin("GET", "/content/neighbordb")).text, NEIGHBORDB);
    await go(page, "#/content");
    await page.click("text=Run check now");
    await page.waitForSelector(".file:has-text('neighbordb'):has(.is-failed)", { state: "detached", ...LOADED });
    assert.equal(await worker.kv.get("neighbordb"), NEIGHBORDB);
  });

  test("an act in one browser is seen in another, and undone there is nothing left of it", async (t) => {
    const { url, post, admin } = await serve(t);
    assert.equal((await post("TWO1", { neighbors: {} })).status, 400);
    const first = await signedIn(t, url, "#/node/TWO1");
    const second = await signedIn(t, url, "#/node/TWO1");
    for (const page of [first, second]) await page.waitForSelector(".node-head:has-text('Waiting')", LOADED);
    await first.click("text=Assign…");
    await first.check("text=A startup-config");
    await first.fill("textarea[name=startup_config]", "hostname two");
    await first.click("dialog button.primary");
    await first.waitForSelector(".message:has-text('TWO1 has the startup-config')");
    await second.waitForSelector(".records:has-text('startup-config')");
    await second.waitForSelector(".timeline:has-text('Records changed by admin token')");
    await first.click(".message >> text=Undo");
    await first.waitForSelector(".message:has-text('Undone')");
    assert.equal((await admin("GET", "/content/nodes/TWO1/startup-config")).status, 404);
    assert.deepEqual([...errorsOf(first), ...errorsOf(second)].filter((error) => !/404/.test(error)), []);
  });

  test("a viewer of Cloudflare Access sees what it may, and can change nothing, also by hand-made requests", async (t) => {
    const team = await startTeam();
    t.after(() => team.stop());
    const { url, worker, post } = await serve(t, { vars: team.vars });
    await worker.kv.put("operators", OPERATORS);
    await post("SEEN1");
    const page = await openPage(browser, { extraHTTPHeaders: { "Cf-Access-Jwt-Assertion": team.token("viewer") } });
    t.after(() => page.context().close());
    await page.goto(`${url}/admin`);
    await page.waitForSelector(".who:has-text('viewer@example.net read-only')", LOADED);
    for (const hash of ["#/", "#/site/berlin", "#/node/SEEN1", "#/waiting", "#/content", "#/pools", "#/audit"]) {
      await go(page, hash);
      await settled(page);
      const acts = await page.locator("main button").allTextContents();
      assert.deepEqual(acts.filter((word) => /Assign|Reprovision|Move|Forget|Release|Undo|Run check/.test(word)), [], hash);
    }
    const statuses = await page.evaluate(async () => {
      const send = async (method, path, body) => (await fetch(path, { method, body })).status;
      return [await send("POST", "/admin/nodes/SEEN1/forget", "{}"), await send("POST", "/admin/nodes/SEEN1/assign", '{"definition":"name: a\\nactions: []\\n"}'), await send("POST", "/admin/audit/1/undo"), await send("PUT", "/admin/content/neighbordb", "x"), await send("POST", "/admin/check")];
    });
    assert.deepEqual(statuses, [403, 403, 403, 403, 403]);
  });

  test("asks for the token again after twelve hours, and is where it was", async (t) => {
    const { url, worker, post } = await serve(t, { bundle: "bundle-clock" });
    await post("LATER1", { neighbors: {} });
    const page = await signedIn(t, url, "#/site/berlin?state=waiting");
    await page.waitForSelector("tr:has-text('LATER1')", LOADED);
    await worker.advance(12 * 3_600_000 + 60_000);
    await page.waitForSelector("text=The session has ended.");
    await page.fill("#token", ADMIN);
    await page.keyboard.press("Enter");
    await page.waitForSelector("tr:has-text('LATER1')");
    assert.match(page.url(), /#\/site\/berlin\?state=waiting$/);
  });
});
