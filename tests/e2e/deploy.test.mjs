// `npm run deploy`, with a program in place of wrangler that remembers the secrets of the deployed Worker.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { environment, npmBin, root } from "../../scripts/run.mjs";

const WORKERS_DEV = "https://ztp-edge.example.workers.dev";
const TOKEN = /[A-Za-z0-9_-]{32}/.source;

/** wrangler, as far as a deployment uses it. */
const FAKE = `#!${process.execPath}
const { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const args = process.argv.slice(2);
const state = join(__dirname, "secrets.json");
const settings = JSON.parse(process.env.FAKE);
const call = { args };
if (args[0] === "secret") {
  if (settings.list) {
    console.error(settings.list);
    process.exitCode = 1;
  } else if (!existsSync(state)) {
    console.error('✘ [ERROR] Worker "ztp-edge"' + (args.includes("--env") ? " (env: lab)" : "") + " not found.\\n\\nIf this is a new Worker, run wrangler deploy first to create it.");
    process.exitCode = 1;
  } else console.log(JSON.stringify(Object.keys(JSON.parse(readFileSync(state, "utf8"))).map((name) => ({ name, type: "secret_text" }))));
} else {
  const at = args.indexOf("--secrets-file");
  if (at > 0) Object.assign(call, { secrets: JSON.parse(readFileSync(args[at + 1], "utf8")), mode: statSync(args[at + 1]).mode & 0o777, folderMode: statSync(dirname(args[at + 1])).mode & 0o777 });
  if (settings.status !== 7) writeFileSync(state, JSON.stringify({ ...(existsSync(state) && JSON.parse(readFileSync(state, "utf8"))), ...call.secrets }));
  process.exitCode = settings.status;
  const output = process.env.WRANGLER_OUTPUT_FILE_PATH;
  if (output) appendFileSync(output, JSON.stringify({ type: "wrangler-session" }) + "\\n" + JSON.stringify({ type: "deploy", targets: settings.targets }) + "\\n");
}
appendFileSync(join(__dirname, "calls.ndjson"), JSON.stringify(call) + "\\n");
`;

/** A deployed Worker, or none yet. `deploy` runs the script and returns what it printed and the calls of wrangler. */
function account(t, secrets) {
  const folder = mkdtempSync(join(tmpdir(), "ztp-edge-fake-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, "wrangler.cjs");
  writeFileSync(program, FAKE);
  chmodSync(program, 0o755);
  if (secrets) writeFileSync(join(folder, "secrets.json"), JSON.stringify(secrets));
  const calls = join(folder, "calls.ndjson");
  return {
    deploy(args = [], settings = {}) {
      rmSync(calls, { force: true });
      const temporary = join(folder, "tmp");
      rmSync(temporary, { recursive: true, force: true });
      spawnSync("mkdir", [temporary]);
      const env = environment({ FAKE: JSON.stringify({ status: 0, targets: [WORKERS_DEV], ...settings }), TMPDIR: temporary });
      const { status, stdout, stderr } = spawnSync(npmBin("node"), ["scripts/deploy.mjs", "--wrangler", program, ...args], { cwd: root, encoding: "utf8", env });
      assert.deepEqual(readdirSync(temporary), [], "the temporary files are removed");
      const called = existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n").map((line) => JSON.parse(line)) : [];
      return { status, stdout, stderr, called };
    },
    secrets: () => JSON.parse(readFileSync(join(folder, "secrets.json"), "utf8")),
  };
}

describe("npm run deploy", () => {
  test("makes the secrets of a new Worker, and stores them with the code", (t) => {
    const { deploy, secrets } = account(t);
    const { status, stdout, stderr, called } = deploy();
    assert.equal(status, 0, stderr);
    const [list, deployed] = called;
    assert.deepEqual(list.args, ["secret", "list", "--format", "json"]);
    assert.equal(called.length, 2);
    assert.equal(deployed.args[0], "deploy");
    assert.deepEqual([deployed.mode, deployed.folderMode], [0o600, 0o700]);
    const { ZTP_TOKENS, ZTP_ADMIN_TOKEN } = secrets();
    assert.deepEqual(deployed.secrets, { ZTP_TOKENS, ZTP_ADMIN_TOKEN });
    const [, site] = ZTP_TOKENS.match(new RegExp(`^default=(${TOKEN})$`));
    assert.match(ZTP_ADMIN_TOKEN, new RegExp(`^${TOKEN}$`));
    assert.notEqual(site, ZTP_ADMIN_TOKEN);
    const url = `${WORKERS_DEV}/t/${site}/bootstrap`;
    assert.match(stdout, new RegExp(`DHCP option 67 \\(bootfile-name\\): ${url}\n  ${url.length} bytes; the limit is 255\n`));
    assert.match(stdout, new RegExp(`Console: ${WORKERS_DEV}/admin\nAdmin token: ${ZTP_ADMIN_TOKEN}\n`));
    assert.equal(stdout.split(site).length, 2, "the token of the site is shown once");
    assert.equal(stdout.split(ZTP_ADMIN_TOKEN).length, 2, "the admin token is shown once");
  });

  test("changes no secret of a Worker that has them", (t) => {
    const { deploy, secrets } = account(t);
    const first = deploy();
    const before = secrets();
    const { status, stdout, called } = deploy();
    assert.equal(status, 0);
    assert.deepEqual(called[1].args, ["deploy"]);
    assert.deepEqual(secrets(), before);
    for (const secret of [before.ZTP_TOKENS.split("=")[1], before.ZTP_ADMIN_TOKEN]) assert.ok(first.stdout.includes(secret) && !stdout.includes(secret));
    assert.match(stdout, new RegExp(`bootfile-name\\): ${WORKERS_DEV}/t/TOKEN/bootstrap`));
    assert.match(stdout, /the deployed ones were not changed[^]*deployed admin token was not changed/);
  });

  test("makes only the secret that is missing", (t) => {
    const { deploy, secrets } = account(t, { ZTP_TOKENS: "berlin=berlin-token-0123456789" });
    const { called } = deploy();
    assert.deepEqual(Object.keys(called[1].secrets), ["ZTP_ADMIN_TOKEN"]);
    assert.equal(secrets().ZTP_TOKENS, "berlin=berlin-token-0123456789");
  });

  test("makes no tokens of sites where an operator has allowed anyone", (t) => {
    for (const given of [["--var", "ALLOW_ANYONE:True"], ["--var=ALLOW_ANYONE:yes"]]) {
      const { deploy } = account(t);
      const { called, stdout } = deploy(given);
      assert.deepEqual(Object.keys(called[1].secrets), ["ZTP_ADMIN_TOKEN"]);
      assert.match(stdout, new RegExp(`bootfile-name\\): ${WORKERS_DEV}/bootstrap\n`));
    }
    const { called } = account(t).deploy(["--var", "ALLOW_ANYONE:False"]);
    assert.deepEqual(Object.keys(called[1].secrets), ["ZTP_TOKENS", "ZTP_ADMIN_TOKEN"]);
  });

  test("passes its arguments to wrangler, and those that name the Worker also to the list of secrets", (t) => {
    const { called } = account(t).deploy(["--name", "other", "--keep-vars=false", "--tag", "v1"]);
    assert.deepEqual(called[0].args, ["secret", "list", "--format", "json", "--name", "other"]);
    assert.deepEqual(called[1].args.slice(3), ["--name", "other", "--keep-vars=false", "--tag", "v1"]);
  });

  test("makes and lists nothing with --dry-run", (t) => {
    const { status, stdout, called } = account(t).deploy(["--dry-run", "--outdir", "x"]);
    assert.equal(status, 0);
    assert.deepEqual(called.map(({ args }) => args), [["deploy", "--dry-run", "--outdir", "x"]]);
    assert.equal(stdout, "");
  });

  test("deploys nothing if the secrets cannot be listed", (t) => {
    const { status, stderr, called } = account(t).deploy([], { list: "✘ [ERROR] You are not authenticated. Please run `wrangler login`." });
    assert.equal(status, 1);
    assert.equal(called.length, 1);
    assert.match(stderr, /cannot be listed, so nothing was deployed; is `npx wrangler login` done\?[^]*not authenticated/);
  });

  test("shows no secret after a deployment that failed and stored none", (t) => {
    const { status, stdout, stderr, called } = account(t).deploy([], { status: 7 });
    assert.equal(status, 7);
    for (const secret of [called[1].secrets.ZTP_ADMIN_TOKEN, called[1].secrets.ZTP_TOKENS]) assert.ok(!`${stdout}${stderr}`.includes(secret));
  });

  test("shows the secrets after a deployment that failed and stored them: nobody could read them later", (t) => {
    const { deploy, secrets } = account(t);
    const { status, stderr } = deploy([], { status: 1 });
    assert.equal(status, 1);
    for (const secret of Object.values(secrets())) assert.ok(stderr.includes(secret));
  });

  test("finds the address of the Worker in wrangler's output", (t) => {
    for (const [targets, base] of [
      [["ztp.example.net (custom domain)"], "https://ztp.example.net"],
      [["schedule: */15 * * * *", WORKERS_DEV], WORKERS_DEV],
      [["example.net/ztp/* (zone name: example.net)"], "https://ADDRESS-OF-THE-WORKER"],
      [[], "https://ADDRESS-OF-THE-WORKER"],
    ]) {
      assert.match(account(t).deploy([], { targets }).stdout, new RegExp(`Console: ${base}/admin\n`), targets.join());
    }
  });

  test("says that a URL is too long for the DHCP option", (t) => {
    const { stdout } = account(t).deploy([], { targets: [`https://${"long.".repeat(45)}example.net`] });
    assert.match(stdout, /the limit is 255\n {2}It is too long: give the Worker a shorter address/);
  });
});
