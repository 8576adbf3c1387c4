// The operators' console: who is signed in, which page is shown, and when it is read again.
//
// It has no rule of its own: it shows what the API returns. A page is an object: `title`, `element`, and `poll`, an async
// function that is called once a second while the page is visible. `update(parameters)` takes new parameters of the
// same page; without it, the page is made anew.

import { ApiError, SignedOut, Unreachable, get, session, signIn, signOut } from "./api.js";
import { messageRegion } from "./dialog.js";
import { h, name, replace } from "./dom.js";
import { age, now, tickAges } from "./words.js";
import { auditPage } from "./pages/audit.js";
import { contentPage } from "./pages/content.js";
import { nodePage } from "./pages/node.js";
import { poolsPage } from "./pages/pools.js";
import { sitePage } from "./pages/site.js";
import { sitesPage } from "./pages/sites.js";
import { waitingPage } from "./pages/waiting.js";

const PERIOD_MS = 1000;
const MAX_PAUSE_MS = 8000;
const PAGES = { "": sitesPage, site: sitePage, node: nodePage, waiting: waitingPage, content: contentPage, pools: poolsPage, audit: auditPage };
const TABS = [
  ["", "Sites"],
  ["waiting", "Waiting room"],
  ["content", "Content"],
  ["pools", "Pools"],
  ["audit", "Audit"],
];

let operator = null;
let page = null;
let place = null;
let timer = null;
let polling = false;
let again = false;
let failures = 0;
let reached = now();

const main = h("main", { id: "main", tabindex: "-1" });
const tabs = h("nav", { "aria-label": "Pages" });
const who = h("div", { class: "who" });
const live = h("p", { class: "live" });
const lost = h("div", { class: "lost", role: "alert", hidden: true });
const header = h("header", { hidden: true }, h("a", { class: "brand", href: "#/" }, "ztp-edge"), tabs, live, who);

/** The part of the console that pages use. */
const context = {
  sites: [],
  get operator() {
    return operator;
  },
  get mayAct() {
    return operator.role !== "viewer";
  },
  get mayChangeContent() {
    return operator.role === "admin" && operator.sites === null;
  },
  /** The sites with their counts, as of now. */
  async readSites() {
    const found = await get("/sites");
    context.sites = found.sites;
    return found;
  },
  /** Whether a node can be moved: there is another site. */
  hasSites: () => context.siteNames().length > 1,
  siteNames: () => [...new Set([...context.sites.map(({ site }) => site), ...(operator.sites ?? [])])].sort(),
  /** The site whose events concern a node: those of nodes without a site are in `default`. */
  feedOf: (site) => site ?? "default",
  go: (hash) => (location.hash = hash),
  /** Changes the parameters in the address, without a new page; not those of a page that was left meanwhile. */
  remember: (hash) => {
    const [wanted, current] = [parse(hash), parse()];
    if (wanted.kind !== current.kind || wanted.argument !== current.argument) return;
    history.replaceState(null, "", hash);
    place = parse();
  },
  /** Reads the page again, at once. */
  poke: () => {
    page?.touch?.();
    poll();
  },
};

/** The page and its parameters in the address: `#/site/berlin?state=failed`. */
function parse(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [kind, ...rest] = path.split("/");
  let argument;
  try {
    argument = decodeURIComponent(rest.join("/"));
  } catch {
    argument = rest.join("/");
  }
  return { kind: Object.hasOwn(PAGES, kind) ? kind : "", argument, parameters: Object.fromEntries(new URLSearchParams(search)) };
}

function show() {
  const before = place;
  place = parse();
  for (const tab of tabs.querySelectorAll("a")) {
    const isCurrent = tab.dataset.kind === place.kind || (tab.dataset.kind === "" && ["site", "node"].includes(place.kind));
    if (isCurrent) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (page?.update && before?.kind === place.kind && before.argument === place.argument) {
    page.update(place.parameters);
    poll();
    return;
  }
  page = PAGES[place.kind](context, place.argument, place.parameters);
  document.title = `${page.title} – ztp-edge`;
  replace(main, page.element);
  window.scrollTo(0, 0);
  if (before) (main.querySelector("h1") ?? main).focus({ preventScroll: true });
  poll();
}

/** Reads the page again, and then once a second, as long as it is visible. */
async function poll() {
  clearTimeout(timer);
  if (!operator || document.hidden) return;
  if (polling) {
    again = true;
    return;
  }
  polling = true;
  const current = page;
  try {
    await current.poll();
    failures = 0;
    reached = now();
    lost.hidden = true;
    header.classList.remove("is-lost");
  } catch (error) {
    if (error instanceof SignedOut) await expired();
    else failed(error);
  } finally {
    polling = false;
  }
  if (!operator) return;
  if (page !== current || again) {
    again = false;
    return poll();
  }
  const pause = failures === 0 ? PERIOD_MS : Math.min(PERIOD_MS * 2 ** failures, MAX_PAUSE_MS);
  timer = setTimeout(poll, pause);
}

function failed(error) {
  if (!(error instanceof ApiError || error instanceof Unreachable)) console.error(error);
  failures += 1;
  if (failures < 2 && error instanceof Unreachable) return;
  const words = error instanceof Unreachable ? "The server does not answer; retrying." : error.message;
  header.classList.add("is-lost");
  lost.hidden = false;
  replace(lost, h("bdi", null, words), " This page is of ", age(new Date(reached).toISOString()), " ago.");
}

/** A 404 of the API may mean that the session has ended, or that the page is gone: only the session tells. */
async function expired() {
  const found = await session().catch(() => operator);
  if (found) {
    failed(new ApiError(404, { error: "The server does not have this page." }));
    return;
  }
  operator = null;
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  showSignIn("The session has ended. Sign in again to continue where you were.");
}

function showSignIn(reason) {
  header.hidden = true;
  lost.hidden = true;
  page = null;
  document.title = "Sign in – ztp-edge";
  const problem = h("p", { class: "problem", role: "alert" });
  const token = h("input", { id: "token", type: "password", name: "token", required: true, autocomplete: "current-password", spellcheck: "false", autocapitalize: "off" });
  const submit = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h("form", { class: "sign-in" }, h("h1", { tabindex: "-1" }, "ztp-edge"), h("p", null, reason), h("label", { class: "field", for: "token" }, "Admin token"), token, problem, submit, h("p", { class: "muted" }, "The token is the secret ZTP_ADMIN_TOKEN. With Cloudflare Access you need none: open this page at an address that Access protects."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    replace(problem);
    try {
      if (await signIn(token.value)) return await start();
      replace(problem, "This is not the admin token.");
      token.select();
    } catch (error) {
      replace(problem, error.message);
    } finally {
      submit.disabled = false;
    }
  });
  replace(main, form);
  token.focus();
}

async function leave() {
  if (operator.method === "access") {
    location.href = "/cdn-cgi/access/logout";
    return;
  }
  try {
    await signOut();
  } catch (error) {
    if (!(error instanceof SignedOut)) return failed(error);
  }
  operator = null;
  clearTimeout(timer);
  history.replaceState(null, "", location.pathname);
  showSignIn("You are signed out.");
}

/** Shows the page in the address to the operator who is signed in. */
async function start() {
  try {
    operator = await session();
  } catch (error) {
    replace(main, h("div", { class: "sign-in" }, h("h1", null, "ztp-edge"), h("p", { class: "problem", role: "alert" }, error.message), h("button", { class: "primary", onclick: start }, "Retry")));
    return;
  }
  if (!operator) return showSignIn("The console for operators.");
  header.hidden = false;
  replace(tabs, TABS.map(([kind, word]) => h("a", { href: `#/${kind}`, "data-kind": kind }, word)));
  const rights = [operator.role, operator.sites ? operator.sites.join(", ") : null].filter(Boolean).join(", ");
  replace(who, h("span", { class: "who-name", title: rights }, name(operator.name), h("span", { class: "muted" }, operator.role === "viewer" ? " read-only" : ` ${operator.role}`)), h("button", { class: "quiet", onclick: leave }, "Sign out"));
  show();
}

/** `#token=…`, as `npm start` prints it: traded for a session, and removed from the address and the history first. */
async function tokenInAddress() {
  const found = location.hash.match(/^#token=(.*)$/);
  if (!found) return;
  history.replaceState(null, "", location.pathname);
  try {
    await signIn(decodeURIComponent(found[1]));
  } catch (error) {
    console.error(error);
  }
}

document.body.append(h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, "Skip to the page"), header, lost, main, messageRegion());
window.addEventListener("hashchange", async () => {
  if (location.hash.startsWith("#token=")) {
    await tokenInAddress();
    await start();
  } else if (operator) show();
});
document.addEventListener("visibilitychange", () => poll());
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = main.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
setInterval(() => {
  tickAges();
  const words = !operator ? "" : document.hidden ? "paused" : failures > 0 ? "not live" : "live";
  if (live.textContent !== words) live.textContent = words;
}, 1000);

await tokenInAddress();
await start();
