// Audit: who changed what, and undo.

import { change, get, query } from "../api.js";
import { ask, say } from "../dialog.js";
import { h, mono, name, reconcile, replace } from "../dom.js";
import { bytes, now, time } from "../words.js";

const PAGE = 100;
const REREAD_MS = 3_000;
const WORDS = { store: "stored", delete: "deleted", assign: "assigned records of", reprovision: "reprovisioned", forget: "forgot", move: "moved", allocate: "allocated from", release: "released in", import: "imported allocations" };
const NODE_ACTIONS = ["assign", "reprovision", "forget", "move"];

const value = (summary) => (summary ? [bytes(summary.size), " ", h("span", { class: "mono muted" }, summary.sha1.slice(0, 10))] : "none");

export function auditPage(context, _, initial) {
  let filters = initial;
  let wanted = PAGE;
  let dirty = true;
  let lastRead = 0;
  const list = h("ol", { class: "audit" });
  const who = h("input", { type: "search", "aria-label": "Operator", placeholder: "Operator", value: initial.who ?? "" });
  const target = h("input", { type: "search", "aria-label": "Key, switch or pool", placeholder: "Key, switch or pool", value: initial.target ?? "" });
  const all = h("a", { class: "button", href: "#/audit", hidden: !initial.n }, "All entries");
  const more = h("button", { hidden: true, onclick: () => ((wanted += 2 * PAGE), (dirty = true), context.poke()) }, "Show older");
  const nothing = h("p", { class: "nothing", hidden: true }, "No change yet.");
  const form = h("form", { class: "tools" }, who, target, h("button", { type: "submit" }, "Filter"), all);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    filters = { who: who.value.trim(), target: target.value.trim() };
    context.remember(`#/audit${query(filters)}`);
    all.hidden = true;
    wanted = PAGE;
    dirty = true;
    context.poke();
  });

  const undo = (entry) =>
    ask({
      title: `Undo entry ${entry.n}?`,
      body: h("p", null, entry.before ? ["The former value of ", mono(entry.target), " is stored again"] : [mono(entry.target), " is deleted"], ", if nothing has changed it since."),
      confirm: "Undo",
      act: async () => {
        const result = await change("POST", `/audit/${entry.n}/undo`);
        say(["Entry ", entry.n, " is undone. ", result.audit ? h("a", { href: `#/audit?n=${result.audit}` }, `Audit entry ${result.audit}`) : null, "."]);
        context.poke();
        return result;
      },
    });
  const row = (entry) => {
    const { n, time: at, who: by, from, action, target: of, site, before, after, detail, outcome, forced, undoable, undo_of: undone } = entry;
    const link = NODE_ACTIONS.includes(action) ? h("a", { href: `#/node/${encodeURIComponent(of)}` }, mono(of)) : mono(of);
    return h(
      "li",
      { class: `entry${outcome === "done" ? "" : " tone-failed"}` },
      h("span", { class: "entry-n muted" }, n),
      h("span", { class: "entry-time" }, time(at)),
      h(
        "div",
        { class: "entry-body" },
        h("p", null, name(by), ` ${WORDS[action] ?? action} `, link, site ? [" at ", mono(site)] : null, undone ? h("span", { class: "muted" }, ` (undo of ${undone})`) : null, forced ? h("span", { class: "is-stalled" }, " although it is not valid") : null, outcome === "done" ? null : h("strong", { class: "is-failed" }, outcome === "failed" ? " failed" : " with an unknown outcome")),
        h("p", { class: "muted" }, before || after ? ["before ", value(before), ", after ", value(after), "; "] : null, detail ? [name(detail), "; "] : null, "from ", mono(from || "an unknown address")),
      ),
      undoable && context.mayAct ? h("button", { class: "quiet", "aria-label": `Undo entry ${n}`, onclick: () => undo(entry) }, "Undo…") : null,
    );
  };
  return {
    title: "Audit",
    element: [h("div", { class: "head" }, h("h1", { tabindex: "-1" }, "Audit"), h("p", { class: "muted" }, "Each change through the API. Edits in the dashboard are not here.")), form, nothing, list, h("div", { class: "more" }, more)],
    update(parameters) {
      filters = parameters;
      who.value = filters.who ?? "";
      target.value = filters.target ?? "";
      all.hidden = !filters.n;
      dirty = true;
    },
    touch: () => (dirty = true),
    async poll() {
      if (!dirty && now() - lastRead < REREAD_MS) return;
      dirty = false;
      lastRead = now();
      const entries = [];
      const one = Number(filters.n);
      let before = one ? one + 1 : undefined;
      let page;
      do {
        page = await get(`/audit${query({ who: filters.who, target: filters.target, before, limit: one ? 1 : Math.min(200, wanted - entries.length) })}`);
        entries.push(...page.entries);
        before = page.next;
      } while (!one && page.more && entries.length < wanted);
      more.hidden = Boolean(one) || !page.more;
      nothing.hidden = entries.length > 0;
      replace(nothing, filters.who || filters.target || filters.n ? "No entry matches." : "No change yet.");
      reconcile(list, entries, { key: ({ n }) => n, version: JSON.stringify, make: row });
    },
  };
}
