// Pools: how full each is, and who holds which value.

import { get, keyPath, query } from "../api.js";
import { release } from "../actions.js";
import { h, mono, reconcile, replace, separator, svg } from "../dom.js";
import { age, now } from "../words.js";

const REREAD_MS = 5_000;
/** Pools whose state is read for the list; the others are read when they are opened. */
const MAX_READ = 40;

function share(taken, size) {
  const part = size > 0 ? Math.min(1, taken / size) : 1;
  const tone = part >= 1 ? "failed" : "booting";
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: `fill-${tone}`, x: 0, y: 0, width: part * 100, height: 8 }));
}

export function poolsPage(context, pool, initial) {
  return pool ? onePool(context, pool, initial) : allPools();
}

function allPools() {
  let lastRead = 0;
  const list = h("ul", { class: "sites" });
  const nothing = h("p", { class: "nothing", hidden: true }, "No pool is stored. A pool is the key resources/NAME, with a value in each line.");
  const row = ({ pool, state }) => h("li", { class: "site" }, h("a", { href: `#/pools/${encodeURIComponent(pool)}` }, mono(pool)), h("span", { class: "words" }, state === undefined ? "" : (state.error ?? `${state.taken.toLocaleString()} of ${state.size.toLocaleString()} taken`)), state && !state.error ? share(state.taken, state.size) : null, h("span", { class: "when muted" }, state?.reservations?.length > 0 ? `${state.reservations.length.toLocaleString()} reserved` : ""));
  return {
    title: "Pools",
    element: [h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Pools")), nothing, list],
    async poll() {
      if (now() - lastRead < REREAD_MS) return;
      lastRead = now();
      const { pools } = await get("/pools");
      nothing.hidden = pools.length > 0;
      const state = async (one) => {
        try {
          return await get(`/pools/${keyPath(one)}`);
        } catch (error) {
          if (error.status === undefined) throw error;
          return { error: error.message };
        }
      };
      const states = await Promise.all(pools.slice(0, MAX_READ).map(state));
      const items = pools.map((one, index) => ({ pool: one, state: states[index] && { error: states[index].error, taken: states[index].taken, size: states[index].size, reservations: states[index].reservations } }));
      reconcile(list, items, { key: (item) => item.pool, version: JSON.stringify, make: row });
    },
  };
}

function onePool(context, pool, initial) {
  let lastRead = 0;
  let found = null;
  let text = initial.q ?? "";
  const summary = h("div", { "aria-live": "polite" });
  const body = h("tbody");
  const shown = h("p", { class: "muted", role: "status" });
  const search = h("input", { type: "search", "aria-label": "Search values and switches", placeholder: "Search a value, a switch or a name", value: text });
  const table = h("table", { class: "plain-table" }, h("caption", { class: "sr" }, "Values"), h("thead", null, h("tr", null, ["Value", "Switch", "For", ""].map((word) => h("th", { scope: "col" }, word || h("span", { class: "sr" }, "Action"))))), body);
  const MAX_SHOWN = 500;
  search.addEventListener("input", () => {
    text = search.value.trim();
    context.remember(`#/pools/${encodeURIComponent(pool)}${query({ q: text })}`);
    draw();
  });
  const row = ({ value, node, name, since, reserved }) => h("tr", null, h("th", { scope: "row" }, mono(value)), h("td", null, h("a", { href: `#/node/${encodeURIComponent(node)}` }, mono(node)), name ? [" ", mono(name)] : null), h("td", null, reserved ? h("span", { class: "muted" }, "reserved") : age(since)), h("td", null, reserved || !context.mayAct ? null : h("button", { class: "quiet", "aria-label": `Release ${value}`, onclick: () => release(context, pool, { value, node, name }) }, "Release…")));
  const draw = () => {
    if (!found) return;
    const all = [...found.allocations, ...found.reservations.map((one) => ({ ...one, reserved: true }))];
    const wanted = text.toLowerCase();
    const matching = all.filter(({ value, node, name = "" }) => `${value} ${node} ${name}`.toLowerCase().includes(wanted));
    replace(shown, matching.length > MAX_SHOWN ? `The first ${MAX_SHOWN} of ${matching.length.toLocaleString()}.` : matching.length === 0 ? (all.length === 0 ? "No value is taken." : "No value or switch matches.") : "");
    table.hidden = matching.length === 0;
    reconcile(body, matching.slice(0, MAX_SHOWN), { key: ({ value, reserved }) => `${reserved} ${value}`, version: JSON.stringify, make: row });
  };
  return {
    title: `Pool ${pool}`,
    element: [h("div", { class: "head" }, h("h1", { tabindex: "-1" }, h("a", { href: "#/pools" }, "Pools"), separator(), mono(pool)), summary), h("div", { class: "tools" }, search), shown, h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Values" }, table)],
    touch: () => (lastRead = 0),
    update(parameters) {
      text = parameters.q ?? "";
      if (search.value.trim() !== text) search.value = text;
      draw();
    },
    async poll() {
      if (now() - lastRead < REREAD_MS) return;
      lastRead = now();
      found = await get(`/pools/${keyPath(pool)}`);
      replace(summary, h("p", { class: "sentence" }, `${found.taken.toLocaleString()} of ${found.size.toLocaleString()} taken${found.reservations.length > 0 ? `, ${found.reservations.length.toLocaleString()} reserved` : ""}.`), share(found.taken, found.size));
      draw();
    },
  };
}
