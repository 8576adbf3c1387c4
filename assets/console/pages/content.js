// Content: the findings of the last check, each with file, line and the line itself.

import { ApiError, change, get, query } from "../api.js";
import { say } from "../dialog.js";
import { h, replace } from "../dom.js";
import { findingsByKey } from "../findings.js";
import { icon } from "../icons.js";
import { age, now } from "../words.js";

const PERIOD_MS = 2_000;

export function contentPage(context) {
  let shown = "";
  let lastRead = 0;
  let running = false;
  const summary = h("div", { "aria-live": "polite" });
  const when = h("p", { class: "muted" });
  const run = h("button", { class: "primary", onclick: () => check() }, "Run check now");
  const list = h("div", { class: "files" });

  const draw = (result) => {
    if (result === null) {
      replace(summary, h("p", { class: "sentence" }, "The content was not checked yet."));
      replace(when);
      replace(list);
      return;
    }
    const { time, findings, covered, omitted, hidden, under_way: next } = result;
    replace(
      when,
      "Checked ",
      age(time),
      ` ago: ${covered.documents.toLocaleString()} documents, ${covered.nodes.toLocaleString()} nodes`,
      covered.complete ? "." : "; not all nodes yet.",
      omitted > 0 ? ` ${omitted.toLocaleString()} more findings were not kept.` : "",
      hidden > 0 ? ` ${hidden.toLocaleString()} more findings name nodes: only an operator of all sites sees them.` : "",
      next ? ` The next check is in progress: ${next.nodes.toLocaleString()} nodes so far.` : "",
    );
    const version = JSON.stringify(findings);
    if (version === shown) return;
    shown = version;
    const errors = findings.filter(({ severity }) => severity === "error").length;
    const warnings = findings.length - errors;
    const count = (number, word) => `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;
    const tone = errors > 0 ? "failed" : warnings > 0 ? "stalled" : "booted";
    const words = findings.length === 0 ? "No finding: the content is valid." : [errors > 0 ? count(errors, "error") : null, warnings > 0 ? count(warnings, "warning") : null].filter(Boolean).join(", ") + ".";
    replace(summary, h("p", { class: `sentence is-${tone}` }, icon(errors > 0 ? "error" : warnings > 0 ? "warning" : "booted"), " ", words));
    replace(list, findingsByKey(findings));
  };
  const read = async () => {
    try {
      draw(await get("/check"));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      draw(null);
    }
  };
  /** All pages of a check. */
  const check = async () => {
    running = true;
    run.disabled = true;
    replace(run, "Checking…");
    try {
      let cursor = null;
      do ({ cursor } = await change("POST", `/check${query({ cursor })}`));
      while (cursor);
      await read();
    } catch (error) {
      say(h("span", { class: "is-failed" }, `The check failed: ${error.message}`));
    } finally {
      running = false;
      run.disabled = false;
      replace(run, "Run check now");
    }
  };
  return {
    title: "Content",
    element: [h("div", { class: "head with-button" }, h("div", null, h("h1", { tabindex: "-1" }, "Content"), summary, when), h("div", null, context.mayAct ? run : null)), list],
    async poll() {
      if (running || now() - lastRead < PERIOD_MS) return;
      lastRead = now();
      await read();
    },
  };
}
