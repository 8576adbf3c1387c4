// The boots of the last hours: one bar for each switch, from its first request to its last step, colored by step.

import { h, mono, replace, svg } from "./dom.js";
import { duration, now, stateWord, stepKind } from "./words.js";

const HOUR = 3_600_000;
/** The windows that an operator can choose, in hours. */
export const WINDOWS = [1, 6, 24];
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 240].map((minutes) => minutes * 60_000);
const MAX_BARS = 120;
const KINDS = [
  ["script", "Script"],
  ["facts", "Facts"],
  ["definition", "Definition"],
  ["action", "Action"],
  ["download", "Download"],
  ["startup-config", "Startup-config"],
];
const ENDS = ["failed", "stalled", "waiting"];

/** The parts of a boot: `{ kind, step, from, to }`. */
function parts(row, present) {
  const steps = row.steps ?? [];
  const last = Math.max(...steps.map(({ at }) => Date.parse(at)), Date.parse(row.last ?? row.started));
  const end = row.ended ? Date.parse(row.ended) : ["booting", "stalled"].includes(row.state) ? present : last;
  return steps.map(({ step, at }, index) => ({ kind: stepKind(step), step, from: Date.parse(at), to: Math.max(Date.parse(at), index + 1 < steps.length ? Date.parse(steps[index + 1].at) : end) }));
}

/** How thick a row is, in pixels. */
const thickness = (bars) => (bars <= 14 ? 18 : bars <= 28 ? 14 : bars <= 48 ? 10 : bars <= 80 ? 6 : 4);

/** A chart; `open` is called with the node of a bar that is clicked. */
export function bootChart(open) {
  const labels = h("div", { class: "chart-labels", "aria-hidden": "true" });
  const plot = h("div", { class: "chart-plot" });
  const hint = h("p", { class: "chart-hint", "aria-hidden": "true" });
  const caption = h("p", { class: "chart-caption" });
  const legend = h(
    "ul",
    { class: "legend", "aria-label": "Colors of the chart" },
    KINDS.map(([kind, word]) => h("li", null, h("span", { class: `swatch step-${kind}` }), word)),
    ENDS.map((state) => h("li", null, h("span", { class: `swatch end-${state}` }), stateWord(state))),
  );
  const body = h("div", { class: "chart-body" }, labels, plot);
  const element = h("div", { class: "chart" }, h("div", { class: "chart-top" }, caption, hint), body, legend);
  const barOf = (event) => event.target.closest?.("[data-node]");
  plot.addEventListener("click", (event) => barOf(event) && open(barOf(event).dataset.node));
  plot.addEventListener("pointermove", (event) => {
    const bar = barOf(event);
    replace(hint, bar ? [mono(bar.dataset.node), ` ${bar.dataset.words}`] : "");
  });
  plot.addEventListener("pointerleave", () => replace(hint));

  return {
    element,
    /** Shows the boots of these rows that began, or went on, in the last `hours`. */
    update(rows, hours) {
      const present = now();
      const begin = present - hours * HOUR;
      const recent = rows.filter(({ started, ended, last }) => started && Date.parse(ended ?? last ?? started) >= begin);
      recent.sort((a, b) => Date.parse(a.started) - Date.parse(b.started) || (a.node < b.node ? -1 : 1));
      const shown = recent.slice(-MAX_BARS);
      element.classList.toggle("is-empty", shown.length === 0);
      if (shown.length === 0) {
        replace(caption, `No boot in the last ${hours === 1 ? "hour" : `${hours} hours`}.`);
        replace(labels);
        replace(plot);
        return;
      }
      const first = Math.max(begin, Math.min(...shown.map(({ started }) => Date.parse(started))));
      // A margin on both sides, so that the last bars do not end at the edge.
      const span = Math.max(present - first, 5 * 60_000) * 1.03;
      const from = present - span;
      const x = (at) => `${Math.min(100, Math.max(0, ((at - from) / (span * 1.01)) * 100)).toFixed(3)}%`;
      const width = (a, b) => `${Math.max(0.15, ((Math.min(b, present) - Math.max(a, from)) / (span * 1.01)) * 100).toFixed(3)}%`;
      const thick = thickness(shown.length);
      const height = shown.length * thick;
      const gap = thick > 8 ? 3 : 1;
      const words = `${shown.length === recent.length ? "" : `The last ${shown.length} of `}${recent.length} ${recent.length === 1 ? "boot" : "boots"} in the last ${hours === 1 ? "hour" : `${hours} hours`}`;
      replace(caption, words, ".");
      const tick = TICKS.find((size) => span / size <= 7) ?? 6 * HOUR;
      const zone = new Date(present).getTimezoneOffset() * 60_000;
      const ticks = [];
      for (let at = Math.ceil((from - zone) / tick) * tick + zone; at < present; at += tick) ticks.push(at);
      const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      const grid = ticks.map((at) => [
        svg("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: height }),
        svg("text", { class: "tick", x: x(at), y: height + 16, "text-anchor": "middle" }, clock.format(at)),
      ]);
      const bars = shown.map((row, index) => {
        const y = index * thick + gap / 2;
        const size = { y, height: thick - gap };
        const all = parts(row, present);
        const end = all.at(-1)?.to ?? Date.parse(row.last ?? row.started);
        const seconds = (end - Date.parse(row.started)) / 1000;
        const text = `${stateWord(row.state)}${row.step ? `, ${row.step}` : ""}, ${duration(Math.max(0, seconds))}`;
        const bar = all.map((part) => svg("rect", { ...size, class: `step-${part.kind}`, x: x(part.from), width: width(part.from, part.to) }));
        const mark = ENDS.includes(row.state) ? svg("rect", { ...size, class: `end-${row.state}`, x: x(end), width: 5 }) : null;
        const hit = svg("rect", { class: "hit", x: 0, width: "100%", y: index * thick, height: thick });
        return svg("g", { "data-node": row.node, "data-words": text }, hit, bar, mark);
      });
      replace(labels, thick >= 14 ? shown.map(({ node }) => h("span", { class: `chart-label thick-${thick}` }, mono(node))) : []);
      replace(plot, svg("svg", { class: "boots", width: "100%", height: height + 22, role: "img", "aria-label": `${words}. The list below has the same switches.` }, grid, bars));
    },
  };
}
