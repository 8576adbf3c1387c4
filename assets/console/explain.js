// Why a switch receives its definition, or none: the answer of POST /admin/explain, pattern by pattern.

import { h, mono, name } from "./dom.js";
import { icon } from "./icons.js";

const OUTCOMES = {
  matches: ["booted", "matches"],
  mismatch: ["failed", "does not match"],
  indeterminate: ["stalled", "cannot be decided"],
};

const neighborText = ({ device, port, remote_interface: remote }) => [mono(device ?? "?"), " port ", mono(port ?? remote ?? "?")];

/** A line of a pattern beside what the switch sees there. */
function want({ line, differs, saw }) {
  const seen = saw === null || saw === undefined ? "see its neighbors" : saw.length === 0 ? "no neighbor" : saw.map((one, index) => [index > 0 ? h("br") : null, mono(one.interface), " sees ", neighborText(one)]);
  return h(
    "tr",
    { class: differs ? "differs" : "" },
    h("td", null, mono(line)),
    h("td", { class: "mark" }, differs ? [icon("differs"), h("span", { class: "sr" }, "differs from")] : null),
    h("td", null, differs ? h("strong", null, seen) : seen),
  );
}

/** A pattern, with the reason, and its lines beside what the switch sees. */
export function candidate({ pattern, outcome, reason, line, definition, model, wants }, facts, open) {
  const [tone, words] = OUTCOMES[outcome] ?? ["planned", outcome];
  const lines = [
    model ? want({ line: `model ${model.line}`, differs: model.differs, saw: null, text: facts?.model }) : null,
    ...(wants ?? []).map(want),
  ];
  if (lines[0]) lines[0].lastChild.replaceChildren(h(model.differs ? "strong" : "span", null, mono(facts?.model ?? "no model")));
  const hasLines = lines.some(Boolean);
  return h(
    "details",
    { class: "candidate", open },
    h("summary", null, h("span", { class: `state is-${tone}` }, icon(tone), name(pattern)), h("span", { class: "outcome" }, words), line ? h("span", { class: "muted" }, `line ${line} of neighbordb`) : null, definition ? [h("span", { class: "muted" }, "definition "), mono(definition)] : null),
    reason ? h("pre", { class: "reason", tabindex: "0", "aria-label": "Reason" }, h("bdi", null, reason)) : null,
    hasLines
      ? h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `The pattern ${pattern} beside the switch` }, h("table", { class: "wants" }, h("thead", null, h("tr", null, h("th", { scope: "col" }, "The pattern wants"), h("th", { scope: "col" }, h("span", { class: "sr" }, "Difference")), h("th", { scope: "col" }, "The switch has"))), h("tbody", null, lines)))
      : null,
  );
}

/** The patterns that were checked. */
export function selection({ selection: found, checked }, facts) {
  const stored = checked ? [h("p", { class: "muted" }, "The node has a definition already. Its stored pattern is checked before each boot:"), candidate(checked, facts, checked.outcome !== "matches")] : [];
  if (!found) return checked ? stored : [h("p", { class: "muted" }, "The node is known: neighbordb is not consulted.")];
  const { candidates, omitted } = found;
  if (candidates.length === 0) return [...stored, h("p", null, "neighbordb has no pattern for this switch.")];
  const few = candidates.length <= 3;
  return [...stored, ...candidates.map((one) => candidate(one, facts, few || one.outcome !== "mismatch")), omitted > 0 ? h("p", { class: "muted" }, `${omitted} more patterns do not match.`) : null];
}

/** The facts of a switch, and its neighbors. */
export function factsTable(facts) {
  if (!facts) return h("p", { class: "muted" }, "The switch has sent no facts yet.");
  const known = ["model", "serialnumber", "systemmac", "version"];
  const words = { model: "Model", serialnumber: "Serial number", systemmac: "System MAC", version: "EOS version" };
  const neighbors = Object.entries(facts.neighbors ?? {}).flatMap(([interfaceName, list]) => (list ?? []).map((one) => [interfaceName, one]));
  return [
    h("dl", { class: "facts" }, known.map((fact) => h("div", null, h("dt", null, words[fact]), h("dd", null, facts[fact] === null || facts[fact] === undefined ? h("span", { class: "none" }, "unknown") : mono(facts[fact]))))),
    neighbors.length === 0
      ? h("p", { class: "muted" }, "It sees no LLDP neighbor.")
      : h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "LLDP neighbors" }, h("table", { class: "neighbors" }, h("caption", { class: "sr" }, "LLDP neighbors"), h("thead", null, h("tr", null, ["Interface", "Neighbor", "Port"].map((word) => h("th", { scope: "col" }, word)))), h("tbody", null, neighbors.map(([interfaceName, one]) => h("tr", null, h("th", { scope: "row" }, mono(interfaceName)), h("td", null, mono(one.device ?? "?")), h("td", null, mono(one.port ?? one.remote_interface ?? "?"))))))),
  ];
}
