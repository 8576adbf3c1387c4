// Sites: one overall sentence, and a row for each site with a bar.

import { reader } from "../api.js";
import { h, mono, reconcile, replace, svg } from "../dom.js";
import { STATES, age, sentence, sentenceLine, stateBadge } from "../words.js";

/** The share of each state, side by side. */
export function bar(counts) {
  const total = STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  if (total === 0) return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  let at = 0;
  const parts = STATES.filter((state) => counts[state] > 0).map((state) => {
    // A single switch stays visible among thousands.
    const width = Math.max(1.2, (counts[state] / total) * 100);
    const part = svg("rect", { class: `fill-${state}`, x: at, y: 0, width, height: 8 });
    at += width;
    return part;
  });
  return svg("svg", { class: "bar", viewBox: `0 0 ${at} 8`, preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

const weight = ({ failed = 0, stalled = 0, waiting = 0, booting = 0 }) => [failed, stalled, waiting, booting];

/** Those that need someone first: by failed, stalled, waiting, booting, then by name. */
function redFirst(a, b) {
  const [of, other] = [weight(a.counts), weight(b.counts)];
  const differs = of.findIndex((number, index) => number !== other[index]);
  return differs >= 0 ? other[differs] - of[differs] : String(a.site).localeCompare(String(b.site));
}

export function sitesPage(context) {
  const read = reader();
  const overall = h("div", { "aria-live": "polite" });
  const list = h("ul", { class: "sites" });
  const search = h("input", { type: "search", "aria-label": "Search sites", placeholder: "Search sites", oninput: () => draw() });
  const tools = h("div", { class: "tools", hidden: true }, search);
  let found = null;
  let shown = "";
  let first = true;

  const row = ({ site, nodes, counts, last }) => {
    const words = sentence(counts);
    const worst = ["failed", "stalled", "waiting", "booting", "served", "booted", "backed-up"].find((state) => counts[state] > 0) ?? "planned";
    return h(
      "li",
      { class: `site tone-${worst}` },
      h("a", { href: `#/site/${encodeURIComponent(site)}` }, mono(site)),
      nodes === 0 ? h("span", { class: "muted" }, "no switches") : h("span", { class: "worst" }, stateBadge(worst)),
      h("span", { class: "words" }, words.map(({ text }) => text).join(", ")),
      bar(counts),
      h("span", { class: "when muted" }, last ? ["last event ", age(last), " ago"] : "no event yet"),
    );
  };
  const draw = () => {
    const text = search.value.toLowerCase();
    const sites = found.sites.filter(({ site }) => String(site).toLowerCase().includes(text)).sort(redFirst);
    reconcile(list, sites, { key: ({ site }) => site, version: JSON.stringify, make: row });
  };
  return {
    title: "Sites",
    element: [h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Sites"), overall), tools, list],
    async poll() {
      const next = await read("/sites");
      if (next === null) return;
      context.sites = next.sites;
      found = next;
      // With one site, its page says more.
      if (first && next.sites.length === 1) {
        history.replaceState(null, "", `#/site/${encodeURIComponent(next.sites[0].site)}`);
        window.dispatchEvent(new HashChangeEvent("hashchange"));
        return;
      }
      first = false;
      const line = sentenceLine(next.counts);
      if (line.textContent !== shown) {
        shown = line.textContent;
        replace(overall, line);
      }
      tools.hidden = next.sites.length < 8;
      draw();
    },
  };
}
