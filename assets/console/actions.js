// The acts of operators on nodes. Each act asks once, says what it did, and can be undone where the API can.

import { change, content, get, query, segment, storeIf } from "./api.js";
import { ask, say } from "./dialog.js";
import { h, mono, replace } from "./dom.js";
import { poolName } from "./words.js";

const RECORDS = { definition: "definition", startup_config: "startup-config", attributes: "attributes", pattern: "pattern", config_handler: "config-handler" };
const keyOf = (node, record) => `nodes/${node}/${record}`;

/** The entry of the audit log, as a link. */
const entry = (number) => (number ? [" ", h("a", { href: `#/audit?n=${number}` }, `Audit entry ${number}`), "."] : " Nothing had to be changed.");

/** Records as they are now. */
async function snapshot(node, records) {
  return Promise.all(records.map(async (record) => ({ key: keyOf(node, record), record, value: await content(keyOf(node, record)) })));
}

/** Whether two values have the same bytes. Those without an ETag are not known, and compared as texts. */
function isSame(value, now) {
  if (!value || !now) return value === now;
  return value.etag && now.etag ? value.etag === now.etag : value.text === now.text;
}

/**
 * An undo of a change of records: it stores the former ones, each only if nothing changed it since. Undefined if a former
 * one is not known: an operator who may not see secrets does not have it.
 */
async function undoOf(node, before) {
  const after = await snapshot(node, before.map(({ record }) => record));
  const changed = before.map((one, index) => ({ ...one, now: after[index].value })).filter(({ value, now }) => !isSame(value, now));
  if (changed.length === 0 || changed.some(({ value, now }) => (value && !value.etag) || (now && !now.etag))) return undefined;
  return async () => {
    for (const { key, value, now } of changed) await storeIf(key, value?.bytes ?? null, now?.etag ?? "*");
    return h("span", null, "Undone: ", mono(node), ` has its former ${changed.map(({ record }) => record).join(", ")} again.`);
  };
}

async function act(context, node, words, records, send) {
  const before = await snapshot(node, records);
  const result = await send();
  const undo = result.audit ? await undoOf(node, before) : undefined;
  say([mono(node), ` ${typeof words === "function" ? words(result) : words}.`, entry(result.audit)], undo);
  context.poke();
  return result;
}

/** The buttons for a node. */
export function nodeButtons(context, { node, site }) {
  if (!context.mayAct) return null;
  const button = (word, run, className) => h("button", { class: className, onclick: run }, word);
  return h(
    "div",
    { class: "buttons" },
    button("Assign…", () => assign(context, node, site), "primary"),
    button("Reprovision…", () => reprovision(context, node)),
    context.hasSites() ? button("Move…", () => move(context, node, site)) : null,
    button("Forget…", () => forget(context, node), "danger"),
  );
}

function reprovision(context, node) {
  return ask({
    title: h("span", null, "Reprovision ", mono(node), "?"),
    body: h("p", null, "Its definition, pattern and config-handler are deleted. The next POST of the switch is matched against neighbordb, unless it has a startup-config. That stays, as its attributes and pool values."),
    confirm: "Reprovision",
    act: () => act(context, node, ({ known }) => (known ? "stays known by its startup-config and boots with it: delete that to match it anew" : "is matched anew at its next boot"), ["definition", "pattern", "config-handler"], () => change("POST", `/nodes/${segment(node)}/reprovision`)),
  });
}

function forget(context, node) {
  const check = (field, words) => h("label", { class: "check" }, h("input", { type: "checkbox", name: field }), words);
  return ask({
    title: h("span", null, "Forget ", mono(node), "?"),
    body: [h("p", null, "All its records are deleted, its startup-config, too. This cannot be undone."), check("pools", "Release its values of pools"), check("history", "Delete its events and the versions of its startup-config")],
    confirm: "Forget",
    danger: true,
    act: async (data) => {
      const result = await change("POST", `/nodes/${segment(node)}/forget`, { pools: data.has("pools"), history: data.has("history") });
      const released = result.released?.length > 0 ? ` Released: ${result.released.map((one) => `${poolName(one)} ${one.value}`).join(", ")}.` : "";
      say([mono(node), ` is forgotten.${released}`, entry(result.audit)]);
      context.poke();
      return result;
    },
  });
}

function move(context, node, site) {
  const sites = context.siteNames();
  const to = (target) => change("POST", `/nodes/${segment(node)}/move`, { site: target });
  const words = (target) => (target === null ? "belongs to the site whose request is accepted next" : ["belongs to the site ", mono(target)]);
  return ask({
    title: h("span", null, "Move ", mono(node)),
    body: h("label", { class: "field" }, "To the site", h("select", { name: "site" }, sites.map((one) => h("option", { value: `=${one}`, selected: one === site }, one)), h("option", { value: "" }, "the next one whose request is accepted"))),
    confirm: "Move",
    act: async (data) => {
      const target = data.get("site") === "" ? null : data.get("site").slice(1);
      const result = await to(target);
      const back = async () => {
        await to(site ?? null);
        context.poke();
        return [mono(node), " ", words(site ?? null), " again."];
      };
      say([mono(node), " ", words(target), ".", entry(result.audit)], result.audit ? back : undefined);
      context.poke();
      return result;
    },
  });
}

/** Assigns a definition, a startup-config, or the records of a planned switch. */
export function assign(context, node, site, first = "definition") {
  const fields = h("div");
  const kinds = {
    definition: ["A definition", definitionFields],
    startup_config: ["A startup-config", startupConfigFields],
    as: ["It is a switch of the plan", planFields],
  };
  const radio = (kind) => h("label", { class: "check" }, h("input", { type: "radio", name: "kind", value: kind, checked: kind === first, onchange: () => show(kind) }), kinds[kind][0]);
  // Each kind has a place of its own: what was read for another one does not appear in it.
  const show = async (kind) => {
    const place = h("div", { class: "fields" });
    replace(fields, place);
    try {
      await kinds[kind][1](place, site);
    } catch (error) {
      replace(place, h("p", { class: "is-failed" }, error.message));
    }
  };
  show(first);
  return ask({
    title: h("span", null, "Assign to ", mono(node)),
    body: [h("fieldset", null, h("legend", { class: "sr" }, "The record to assign"), Object.keys(kinds).map(radio)), fields, h("p", { class: "muted" }, "The next retry of the switch boots with it.")],
    confirm: "Assign",
    act: async (data, force) => {
      const kind = data.get("kind");
      const post = (body) => change("POST", `/nodes/${segment(node)}/assign${query({ force: force ? 1 : "" })}`, body);
      if (kind === "as") {
        const planned = required(data.get("as"), "Choose the switch of the plan.");
        return act(context, node, ["is ", planned, " of the plan"].join(""), Object.values(RECORDS), () => post({ as: planned }));
      }
      if (kind === "startup_config") {
        const text = required(data.get("startup_config"), "Paste the startup-config.");
        return act(context, node, "has the startup-config", ["startup-config"], () => post({ startup_config: text.endsWith("\n") ? text : `${text}\n` }));
      }
      const key = required(data.get("definition"), "Choose a definition.");
      const stored = await content(key);
      if (!stored) throw new Error(`${key} does not exist any more.`);
      if (stored.text.includes("\uFFFD")) throw new Error(`${key} is not UTF-8 text: store it again as UTF-8.`);
      const body = { definition: stored.text };
      if (data.get("attributes").trim()) body.attributes = data.get("attributes");
      return act(context, node, `has the definition ${key.slice("definitions/".length)}`, Object.keys(body), () => post(body));
    },
  });
}

function required(value, message) {
  if (!value?.trim()) throw new Error(message);
  return value;
}

async function definitionFields(fields) {
  replace(fields, h("p", { class: "muted" }, "Reading the definitions…"));
  const keys = [];
  let cursor;
  do {
    const page = await get(`/content${query({ prefix: "definitions/", cursor })}`);
    keys.push(...page.content.map(({ key }) => key));
    cursor = page.cursor;
  } while (cursor);
  replace(
    fields,
    h("label", { class: "field" }, "Definition", h("select", { name: "definition", required: true }, h("option", { value: "" }, keys.length > 0 ? "Choose…" : "No definition is stored"), keys.map((key) => h("option", { value: key }, key.slice("definitions/".length))))),
    h("label", { class: "field" }, "Attributes, in YAML, if it needs any", h("textarea", { name: "attributes", rows: 3, spellcheck: "false", placeholder: "hostname: leaf1" })),
  );
}

async function startupConfigFields(fields) {
  replace(fields, h("label", { class: "field" }, "Startup-config", h("textarea", { name: "startup_config", rows: 10, spellcheck: "false", required: true, placeholder: "hostname leaf1" })));
}

/** A list of the planned switches of the site whose records no other switch has; any serial number may be typed. */
async function planFields(fields, site) {
  const options = h("datalist", { id: "planned" });
  replace(fields, h("label", { class: "field" }, "Serial number in the plan", h("input", { name: "as", list: "planned", required: true, autocomplete: "off", spellcheck: "false" })), options, h("p", { class: "muted" }, "Its definition, pattern, config-handler, attributes and startup-config become those of this switch."));
  const { nodes } = await get(`/nodes${query({ site, state: "planned", limit: 1000 })}`);
  const free = nodes.filter(({ given_to: to }) => !to);
  replace(options, free.map(({ node }) => h("option", { value: node })));
}

/** Releases a value of a pool. */
export function release(context, pool, { value, node, name }) {
  return ask({
    title: h("span", null, "Release ", mono(value), "?"),
    body: h("p", null, "The next switch that needs a value of ", mono(pool), " may receive it. ", mono(node), " uses it until its next boot."),
    confirm: "Release",
    danger: true,
    act: async () => {
      const path = `/pools/${segment(pool)}/${value.split("/").map(segment).join("/")}`;
      // Another operator may have released it since, and another switch may have it.
      const holder = name ? `${node}/${name}` : node;
      const result = await change("DELETE", `${path}${query({ holder })}`);
      const again = async () => {
        await change("PUT", `${path}${query({ node, name })}`);
        context.poke();
        return [mono(node), " holds ", mono(value), " again."];
      };
      say([mono(value), " of ", mono(pool), " is free.", entry(result.audit)], again);
      context.poke();
      return result;
    },
  });
}
