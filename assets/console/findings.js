// The findings of a check, as the API returns them.

import { h, mono } from "./dom.js";
import { icon } from "./icons.js";

/** One finding: where, what, the line itself, and what to do. */
function finding({ severity, line, column, text, message, help, kind }) {
  const where = line ? `line ${line}${column ? `, column ${column}` : ""}` : "the whole file";
  const tone = severity === "error" ? "failed" : "stalled";
  return h(
    "li",
    { class: "finding" },
    h("p", { class: "finding-head" }, h("span", { class: `state is-${tone}` }, icon(severity === "error" ? "error" : "warning"), severity === "error" ? "Error" : "Warning"), h("span", { class: "where" }, where), h("code", { class: "kind" }, kind)),
    h("p", null, h("bdi", null, message)),
    text === null || text === undefined ? null : sourceLine(line, column, text),
    help ? h("p", { class: "help" }, h("bdi", null, help)) : null,
  );
}

function sourceLine(line, column, text) {
  // A column counts characters, also those of two units.
  const characters = [...text];
  const at = Math.max((column ?? 1) - 1, 0);
  const marked = column ? [characters.slice(0, at).join(""), h("mark", null, characters.slice(at).join("") || " ")] : text;
  return h("pre", { class: "source", tabindex: "0", "aria-label": `Line ${line}` }, h("span", { class: "line-number" }, line), h("bdi", null, marked));
}

export function findingsList(findings) {
  return h("ul", { class: "findings" }, findings.map(finding));
}

/** The findings by file: errors first. */
export function findingsByKey(findings) {
  const files = new Map();
  for (const one of findings) files.set(one.key, [...(files.get(one.key) ?? []), one]);
  const errors = (list) => list.filter(({ severity }) => severity === "error").length;
  const sorted = [...files].sort(([keyA, a], [keyB, b]) => Math.sign(errors(b)) - Math.sign(errors(a)) || keyA.localeCompare(keyB));
  return sorted.map(([key, list]) => h("section", { class: "file" }, h("h2", null, mono(key)), findingsList(list)));
}
