// Deploys the Worker. If it has no ZTP_TOKENS or no ZTP_ADMIN_TOKEN yet, this script makes them, and wrangler stores
// them with the code: nothing is served before. A deployed secret is never changed.
//
//   npm run deploy -- [options of `wrangler deploy`]
//
// `--wrangler PROGRAM` runs another wrangler.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { unstable_readConfig } from "wrangler";
import { attend, environment, fail, npmBin, root } from "./run.mjs";

/** The first site, whose switches boot with the token that this script makes. */
const SITE = "default";
/** The longest DHCP option, in bytes. */
const MAX_OPTION = 255;
const TRUE = /^(true|yes|on|1)$/i;

const args = process.argv.slice(2);
const wrangler = take("--wrangler") ?? npmBin("wrangler");
const config = unstable_readConfig({ config: option("--config", "-c") ?? join(root, "wrangler.toml"), env: option("--env", "-e") });
/** The options that say which Worker it is. */
const which = [["--config", "-c"], ["--env", "-e"], ["--name"]].flatMap((names) => (option(...names) ? [names[0], option(...names)] : []));

if (args.some((arg) => /^(--dry-run(=true)?|--help|-h)$/.test(arg))) {
  process.exitCode = await attend(wrangler, ["deploy", ...args]);
} else {
  process.exitCode = await deploy();
}

async function deploy() {
  const made = makeSecrets(deployedSecrets());
  const folder = mkdtempSync(join(tmpdir(), "ztp-edge-deploy-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  const [secretsFile, outputFile] = ["secrets.json", "output.ndjson"].map((name) => join(folder, name));
  const secretsOption = Object.keys(made).length > 0 ? ["--secrets-file", secretsFile] : [];
  writeFileSync(secretsFile, JSON.stringify(made), { mode: 0o600 });
  const status = await attend(wrangler, ["deploy", ...secretsOption, ...args], { env: environment({ WRANGLER_OUTPUT_FILE_PATH: outputFile }) });
  const targets = status === 0 ? targetsOf(outputFile) : [];
  remove();
  if (status === 0) report(made, targets);
  else if (Object.keys(made).length > 0) reportFailure(made);
  return status;
}

/** The names of the secrets of the deployed Worker; none if it does not exist yet. */
function deployedSecrets() {
  const done = spawnSync(wrangler, ["secret", "list", "--format", "json", ...which], { cwd: root, encoding: "utf8", env: environment(), stdio: ["inherit", "pipe", "pipe"] });
  if (done.error) fail(`cannot run ${wrangler}: ${done.error.message}`);
  const printed = `${done.stdout}${done.stderr}`;
  if (done.status !== 0 && /Worker "[^"]*".* not found/.test(printed)) return [];
  if (done.status !== 0) fail(`the secrets of the deployed Worker cannot be listed, so nothing was deployed; is \`npx wrangler login\` done?\n${printed}`);
  const list = done.stdout.slice(done.stdout.indexOf("["));
  try {
    return JSON.parse(list).map(({ name }) => name);
  } catch (error) {
    return fail(`wrangler's list of secrets is not JSON, so nothing was deployed (${error.message}):\n${printed}`);
  }
}

/** Makes the secrets that the Worker does not have. */
function makeSecrets(deployed) {
  const made = {};
  if (!deployed.includes("ZTP_TOKENS") && !allowsAnyone()) made.ZTP_TOKENS = `${SITE}=${token()}`;
  if (!deployed.includes("ZTP_ADMIN_TOKEN")) made.ZTP_ADMIN_TOKEN = token();
  return made;
}

/** Whether the operator has decided that the Worker needs no tokens. */
function allowsAnyone() {
  const given = args.flatMap((arg, at) => (arg === "--var" ? [args[at + 1]] : arg.startsWith("--var=") ? [arg.slice(6)] : []));
  const setting = given.find((value) => value?.startsWith("ALLOW_ANYONE:"))?.slice("ALLOW_ANYONE:".length);
  return TRUE.test(setting ?? config.vars.ALLOW_ANYONE ?? "");
}

/** 32 random characters that a URL may contain. */
function token() {
  return randomBytes(24).toString("base64url");
}

/** The addresses of the Worker, as wrangler wrote them. */
function targetsOf(outputFile) {
  if (!existsSync(outputFile)) return [];
  const entries = readFileSync(outputFile, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return entries.find(({ type }) => type === "deploy")?.targets ?? [];
}

/** The URL of the Worker: SERVER_URL if it is fixed, else its first address. */
function urlOf(targets) {
  const fixed = config.vars.SERVER_URL;
  if (fixed && fixed !== "auto") return fixed.replace(/\/+$/, "");
  for (const target of targets) {
    const url = target.match(/^https:\/\/[^/\s]+/)?.[0];
    if (url) return url;
    const domain = target.match(/^([^/\s]+\.[^/\s]+) \(custom domain/)?.[1];
    if (domain) return `https://${domain}`;
  }
  return undefined;
}

function report(made, targets) {
  const base = urlOf(targets) ?? "https://ADDRESS-OF-THE-WORKER";
  const site = made.ZTP_TOKENS?.split("=")[1];
  const prefix = allowsAnyone() ? "" : `/t/${site ?? "TOKEN"}`;
  const url = `${base}${prefix}/bootstrap`;
  const lines = ["", `DHCP option 67 (bootfile-name): ${url}`, `  ${url.length} bytes; the limit is ${MAX_OPTION}`];
  if (url.length > MAX_OPTION) lines.push("  It is too long: give the Worker a shorter address.");
  if (site) lines.push(`  It has the token of the site ${SITE}. This is the only time that it is shown.`, "  More sites: a line site=token each, npx wrangler secret put ZTP_TOKENS < FILE");
  else if (!allowsAnyone()) lines.push("  TOKEN is the token of a site; the deployed ones were not changed, and cannot be shown.");
  lines.push("  Check it in the network of the switches: npm run ztp -- doctor URL");
  lines.push("", `Console: ${base}/admin`);
  if (made.ZTP_ADMIN_TOKEN) lines.push(`Admin token: ${made.ZTP_ADMIN_TOKEN}`, "  Store it in a password manager. This is the only time that it is shown.");
  else lines.push("  The deployed admin token was not changed.");
  if (!urlOf(targets)) lines.push("", "wrangler printed no address of the Worker: use that of its route, or set workers_dev = true.");
  console.log(`${lines.join("\n")}\n`);
}

/** Shows the secrets that a failed deployment has stored all the same: nobody could read them later. */
function reportFailure(made) {
  const done = spawnSync(wrangler, ["secret", "list", "--format", "json", ...which], { cwd: root, encoding: "utf8", env: environment() });
  const stored = Object.keys(made).filter((name) => done.status === 0 && done.stdout.includes(`"${name}"`));
  if (stored.length === 0) return;
  console.error("\nThe deployment failed after these secrets were stored. This is the only time that they are shown:");
  for (const name of stored) console.error(`  ${name}: ${made[name]}`);
}

/** The value of an option, given as `--name value` or `--name=value`. */
function option(...names) {
  const at = args.findIndex((arg) => names.some((name) => arg === name || arg.startsWith(`${name}=`)));
  if (at < 0) return undefined;
  return names.includes(args[at]) ? args[at + 1] : args[at].slice(args[at].indexOf("=") + 1);
}

/** Removes an option and returns its value. */
function take(name) {
  const value = option(name);
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at >= 0) args.splice(at, args[at] === name ? 2 : 1);
  return value && resolve(value);
}
