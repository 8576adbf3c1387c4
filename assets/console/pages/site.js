// A site: the list of its switches, those that need someone first, and the chart of the boots of the last hours.

import { feed, get, query } from "../api.js";
import { WINDOWS, bootChart } from "../chart.js";
import { h, mono, name, reconcile, replace, separator } from "../dom.js";
import { icon } from "../icons.js";
import { STATES, age, now, sentenceLine, stateBadge, stateWord } from "../words.js";
import { bar } from "./sites.js";

const PAGE = 200;
/** The most rows that are read again when something happens. */
const MAX_READ = 1000;
const MAX_CHARTED = 500;
const SORTS = [
  ["state", "Red first"],
  ["last", "Last event"],
  ["node", "Name"],
];
const COLUMNS = ["State", "Switch", "Model", "EOS", "Definition", "Step", "For", "Reason"];
/** Time alone changes a state: no event comes when a boot stalls. */
const REREAD_MS = 10_000;
const COUNTS_MS = 4_000;
const SETTLE_MS = 4_000;

/** A row of the list. */
export function nodeRow(row) {
  const cell = (kind, ...children) => h("td", { role: "cell", class: `cell-${kind}` }, children);
  const optional = (value) => (value === null || value === undefined ? null : name(value));
  return h(
    "tr",
    { role: "row", class: `is-${row.state ?? "planned"}` },
    cell("state", stateBadge(row.state)),
    h("th", { role: "rowheader", scope: "row", class: "cell-node" }, h("a", { href: `#/node/${encodeURIComponent(row.node)}` }, mono(row.node))),
    cell("model", optional(row.model)),
    cell("version", optional(row.version)),
    cell("definition", optional(row.definition), row.pattern && row.pattern !== row.definition ? h("span", { class: "pattern" }, name(row.pattern)) : null),
    cell("step", row.step ? mono(row.step) : null),
    cell("age", row.since ? age(row.since) : null),
    cell("reason", row.reason ? h("span", { class: "clamp" }, name(row.reason)) : null),
  );
}

export function nodeTable(label) {
  const body = h("tbody", { role: "rowgroup" });
  const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((word) => h("th", { role: "columnheader", scope: "col", class: `head-${word.toLowerCase()}` }, word))));
  return { body, element: h("table", { class: "nodes", role: "table", "aria-label": label }, head, body) };
}

export function sitePage(context, site, initial) {
  let filters = initial;
  let rows = [];
  let total = null;
  let cursor = null;
  let wanted = PAGE;
  let dirty = true;
  let lastRead = 0;
  let lastCounts = 0;
  let hotUntil = 0;
  let counts = null;
  let charted = null;
  let saidCounts = "";
  const events = feed(site);

  const overall = h("div", { "aria-live": "polite" });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Filter by state" });
  const search = h("input", { type: "search", "aria-label": "Search switches", placeholder: "Search: id, model, version, definition, reason", value: initial.q ?? "" });
  const sort = h("select", { "aria-label": "Order" }, SORTS.map(([value, word]) => h("option", { value, selected: value === (initial.sort ?? "state") }, word)));
  const windows = h("div", { class: "segments", role: "group", "aria-label": "Hours in the chart" });
  const chart = bootChart((node) => context.go(`#/node/${encodeURIComponent(node)}`));
  const table = nodeTable(`Switches of ${site}`);
  const found = h("p", { class: "found muted", role: "status" });
  const more = h("button", { hidden: true, onclick: () => ((wanted += MAX_READ), (dirty = true), context.poke()) }, "Show more");
  const nothing = h("p", { class: "nothing", hidden: true });

  const states = () => (filters.state ?? "").split(",").filter((state) => STATES.includes(state));
  const hours = () => (WINDOWS.includes(Number(filters.hours)) ? Number(filters.hours) : 6);
  const isFiltered = () => states().length > 0 || Boolean(filters.q);
  const isComplete = () => !isFiltered() && cursor === null && rows.length > 0;

  const filter = (changes) => {
    filters = { ...filters, ...changes };
    context.remember(`#/site/${encodeURIComponent(site)}${query({ state: filters.state, q: filters.q, sort: filters.sort === "state" ? "" : filters.sort, hours: hours() === 6 ? "" : hours() })}`);
    wanted = PAGE;
    dirty = true;
    drawChips();
    drawWindows();
    drawChart();
    context.poke();
  };
  let typing;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => filter({ q: search.value.trim() }), 200);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && search.value) {
      search.value = "";
      filter({ q: "" });
    }
  });
  sort.addEventListener("change", () => filter({ sort: sort.value }));

  const drawChips = () => {
    const selected = states();
    const chip = (state) => {
      const isOn = selected.includes(state);
      const toggle = () => filter({ state: (isOn ? selected.filter((one) => one !== state) : STATES.filter((one) => one === state || selected.includes(one))).join(",") });
      return { key: state, isOn, number: counts?.[state] ?? 0, toggle };
    };
    const shown = STATES.map(chip).filter(({ isOn, number }) => isOn || number > 0);
    const make = ({ key, isOn, number, toggle }) => h("button", { class: `chip is-${key}`, "aria-pressed": isOn ? "true" : "false", onclick: toggle }, icon(key), `${stateWord(key)} `, h("b", null, number.toLocaleString()));
    reconcile(chips, shown, { key: ({ key }) => key, version: ({ isOn, number }) => `${isOn} ${number} ${selected}`, make });
  };
  const drawWindows = () => {
    const make = (one) => h("button", { "aria-pressed": one === hours() ? "true" : "false", onclick: () => filter({ hours: one }) }, `${one} h`);
    reconcile(windows, WINDOWS, { key: (one) => one, version: (one) => one === hours(), make });
  };
  const drawCounts = () => {
    if (!counts) return;
    const line = sentenceLine(counts);
    if (line.textContent !== saidCounts) {
      saidCounts = line.textContent;
      replace(overall, line, bar(counts));
    }
    drawChips();
  };
  const drawChart = () => {
    const source = isComplete() ? rows : charted;
    if (source) chart.update(source, hours());
  };

  /** Reads the list: the first page, and as many more as were shown. */
  const readList = async () => {
    const asked = JSON.stringify(filters);
    const parameters = { site, state: states().join(","), text: filters.q, sort: filters.sort };
    let next = null;
    const read = [];
    let all = null;
    do {
      const limit = Math.min(MAX_READ, wanted - read.length);
      const page = await get(`/nodes${query({ ...parameters, limit, cursor: next })}`);
      read.push(...page.nodes);
      next = page.cursor;
      all ??= page.total;
    } while (next && read.length < wanted);
    // The filters were changed in the meantime: the next read has the right rows.
    if (JSON.stringify(filters) !== asked) return;
    rows = read;
    cursor = next;
    total = all;
    reconcile(table.body, rows, { key: ({ node }) => node, version: ({ last, steps, started, ...shown }) => JSON.stringify(shown), make: nodeRow });
    table.element.hidden = rows.length === 0;
    nothing.hidden = rows.length > 0;
    replace(nothing, isFiltered() ? "No switch matches the filters." : "No switch has made a request here yet. Point DHCP option 67 at the URL of the script; the first request appears here.");
    replace(found, isFiltered() || cursor ? `${rows.length.toLocaleString()}${total !== null && total !== rows.length ? ` of ${total.toLocaleString()}` : ""} ${rows.length === 1 ? "switch" : "switches"}` : "");
    more.hidden = cursor === null;
  };
  /** The counts of a list that has all switches are those of the list. */
  const readCounts = async () => {
    if (isComplete()) {
      counts = {};
      for (const { state } of rows) counts[state ?? "planned"] = (counts[state ?? "planned"] ?? 0) + 1;
    } else {
      const { sites } = await context.readSites();
      counts = sites.find((one) => one.site === site)?.counts ?? {};
    }
    drawCounts();
  };
  const readChart = async () => {
    if (!isComplete()) charted = (await get(`/nodes${query({ site, sort: "last", limit: MAX_CHARTED })}`)).nodes;
    drawChart();
  };

  drawWindows();
  return {
    title: site,
    element: [
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, h("a", { href: "#/" }, "Sites"), separator(), mono(site)), overall),
      h("section", { class: "panel", "aria-label": "Boots" }, h("div", { class: "panel-head" }, h("h2", null, "Boots"), windows), chart.element),
      h("section", { "aria-label": "Switches" }, h("div", { class: "tools" }, chips, search, sort), found, table.element, nothing, h("div", { class: "more" }, more)),
    ],
    update(parameters) {
      filters = parameters;
      if (search.value.trim() !== (filters.q ?? "")) search.value = filters.q ?? "";
      sort.value = filters.sort ?? "state";
      dirty = true;
      drawChips();
      drawWindows();
    },
    touch: () => (dirty = true),
    async poll() {
      const isFirst = lastRead === 0;
      // The first content does not wait for the feed; so what happens between both reads is read a second later.
      const [happened] = await Promise.all([events(), isFirst ? readList() : null]);
      if (isFirst) {
        lastRead = now();
        await Promise.all([readCounts(), readChart()]);
        lastCounts = now();
        if (context.sites.length === 0) await context.readSites();
        return;
      }
      if (happened.length > 0) {
        dirty = true;
        hotUntil = now() + SETTLE_MS;
      }
      if (dirty || now() - lastRead > REREAD_MS) {
        dirty = false;
        await readList();
        lastRead = now();
        await Promise.all([readCounts(), readChart()]);
        lastCounts = now();
      } else if (now() < hotUntil || now() - lastCounts > COUNTS_MS) {
        // The counts of all sites follow within two seconds.
        await readCounts();
        drawChart();
        lastCounts = now();
      }
    },
  };
}
