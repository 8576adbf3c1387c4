// The waiting room: the switches that were refused, what they see, and why no pattern fits.

import { change, get, query, segment } from "../api.js";
import { assign } from "../actions.js";
import { h, mono, name, reconcile, replace } from "../dom.js";
import { factsTable, selection } from "../explain.js";
import { age, now, stateBadge } from "../words.js";

const PAGE = 100;
const REREAD_MS = 5_000;

/** The facts of one switch, and why no pattern fits; read when it is opened. */
async function explained(row, place) {
  try {
    const found = await get(`/nodes/${segment(row.node)}`);
    const { time: _, ...sent } = found.seen ?? {};
    const body = found.seen ? { facts: sent, site: row.site ?? undefined } : { node: row.node };
    const answer = await change("POST", "/explain", body);
    replace(place, h("div", { class: "columns" }, h("div", null, h("h3", null, "Why no pattern fits"), selection(answer, found.seen ?? found.facts)), h("div", null, h("h3", null, "Its facts"), factsTable(found.seen ?? found.facts))));
  } catch (error) {
    replace(place, h("p", { class: "is-failed" }, h("bdi", null, error.message)));
  }
}

export function waitingPage(context, _, initial) {
  let filters = initial;
  let dirty = true;
  let lastRead = 0;
  let seen = "";
  const summary = h("p", { class: "sentence", "aria-live": "polite" });
  const list = h("ul", { class: "waiting" });
  const sites = h("select", { "aria-label": "Site", hidden: true, onchange: () => choose(sites.value) });
  const search = h("input", { type: "search", "aria-label": "Search refused switches", placeholder: "Search", value: initial.q ?? "" });
  const note = h("p", { class: "muted" });

  const choose = (site) => set({ site });
  const set = (changes) => {
    filters = { ...filters, ...changes };
    context.remember(`#/waiting${query({ site: filters.site, q: filters.q })}`);
    dirty = true;
    context.poke();
  };
  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => set({ q: search.value.trim() }), 200);
  });

  const card = (row, isOnly) => {
    const place = h("div", { class: "why" }, h("p", { class: "muted" }, "Reading…"));
    const toggle = (event) => event.target.open && explained(row, place);
    const facts = [row.model, row.version].filter(Boolean).map((one) => [" ", name(one, { class: "muted" })]);
    return h(
      "li",
      { class: "card is-waiting" },
      h("div", { class: "card-head" }, stateBadge("waiting"), h("h2", null, h("a", { href: `#/node/${encodeURIComponent(row.node)}` }, mono(row.node))), row.site ? h("span", { class: "muted" }, "at ", h("a", { href: `#/site/${encodeURIComponent(row.site)}` }, mono(row.site))) : null, h("span", null, facts), h("span", { class: "muted when" }, "for ", age(row.since), ", last request ", age(row.last), " ago")),
      row.reason ? h("pre", { class: "reason clamp-4", tabindex: "0", "aria-label": "Reason" }, h("bdi", null, row.reason)) : null,
      context.mayAct
        ? h("div", { class: "buttons" }, h("button", { class: "primary", onclick: () => assign(context, row.node, row.site) }, "Assign a definition…"), h("button", { onclick: () => assign(context, row.node, row.site, "startup_config") }, "Assign a startup-config…"), h("button", { onclick: () => assign(context, row.node, row.site, "as") }, "It is a switch of the plan…"))
        : null,
      h("details", { ontoggle: toggle, open: isOnly }, h("summary", null, "Its facts, and why no pattern fits"), place),
    );
  };

  return {
    title: "Waiting room",
    element: [h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Waiting room"), summary), h("div", { class: "tools" }, sites, search), note, list],
    update(parameters) {
      filters = parameters;
      dirty = true;
    },
    touch: () => (dirty = true),
    async poll() {
      const found = await context.readSites();
      const waiting = found.sites.filter(({ counts }) => counts.waiting > 0);
      const version = JSON.stringify(waiting.map(({ site, counts, last }) => [site, counts.waiting, last]));
      if (!dirty && version === seen && now() - lastRead < REREAD_MS) return;
      seen = version;
      dirty = false;
      lastRead = now();
      const names = [...new Set([...waiting.map(({ site }) => site), filters.site].filter(Boolean))].sort();
      sites.hidden = found.sites.length < 2;
      if (document.activeElement !== sites) replace(sites, h("option", { value: "" }, "All sites"), names.map((site) => h("option", { value: site, selected: site === filters.site }, site)));
      const wanted = waiting.filter(({ site }) => !filters.site || site === filters.site);
      const pages = await Promise.all(wanted.map(({ site }) => get(`/nodes${query({ site, state: "waiting", text: filters.q, limit: PAGE })}`)));
      const rows = pages.flatMap(({ nodes }) => nodes).sort((a, b) => (a.last < b.last ? 1 : -1));
      const total = wanted.reduce((sum, { counts }) => sum + counts.waiting, 0);
      replace(summary, total === 0 ? "No switch waits." : `${total.toLocaleString()} ${total === 1 ? "switch waits" : "switches wait"}.`);
      replace(note, total === 0 ? "A switch that no pattern fits is refused and retries. It appears here, with what it sees." : rows.length < total && !filters.q ? `The ${rows.length.toLocaleString()} with the latest requests.` : "");
      reconcile(list, rows, { key: ({ node }) => node, version: ({ node, reason, model, version: eos, site, since }) => JSON.stringify([node, reason, model, eos, site, since]), make: (row) => card(row, rows.length === 1) });
    },
  };
}
