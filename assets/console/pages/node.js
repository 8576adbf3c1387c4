// A switch: its timeline, why it received what, what it sees, and its records.

import { ApiError, change, content, feed, get, segment } from "../api.js";
import { nodeButtons } from "../actions.js";
import { h, mono, name, reconcile, replace, separator } from "../dom.js";
import { factsTable, selection } from "../explain.js";
import { age, bytes, duration, eventWords, now, poolName, stateBadge, time } from "../words.js";

/** A pause that separates one boot from another in the timeline. */
const PAUSE_S = 600;
const REREAD_MS = 10_000;
const WITHOUT_FEED_MS = 2_000;
/** An edit of neighbordb changes the explanation; it is not an event of the switch. */
const EXPLAIN_MS = 15_000;

/** An event, with the time that passed since the one before, and a bar of it. */
function eventRow({ event, passed, share }) {
  const { words, tone, text, log } = eventWords(event);
  return h(
    "li",
    { class: `event${tone ? ` tone-${tone}` : ""}` },
    h("span", { class: "event-time" }, time(event.time)),
    h("span", { class: "event-passed" }, passed === null ? "" : passed > PAUSE_S ? `${duration(passed)} later` : `+${duration(passed)}`),
    h("div", { class: "event-body" }, h("p", null, words, event.by ? [h("span", { class: "muted" }, " by "), name(event.by)] : null), text ? h("pre", { class: "reason", tabindex: "0", "aria-label": "Reason" }, h("bdi", null, text)) : null, log ? h("details", { open: true }, h("summary", null, "The end of its log"), h("pre", { class: "log", tabindex: "0", "aria-label": "Log" }, h("bdi", null, log))) : null),
    h("meter", { class: "event-share", min: 0, max: 1, value: share, "aria-hidden": "true" }),
  );
}

/** The events of the timeline, the newest boot last, each with the seconds since the one before. */
function timed(events) {
  const passed = events.map((event, index) => (index === 0 ? null : Math.max(0, (Date.parse(event.time) - Date.parse(events[index - 1].time)) / 1000)));
  const longest = Math.max(1, ...passed.filter((seconds) => seconds !== null && seconds <= PAUSE_S));
  // A failed action and the failed boot have the same reason: once is enough.
  const once = (event, index) => (index > 0 && event.reason && event.reason === events[index - 1].reason ? { ...event, reason: undefined } : event);
  return events.map((event, index) => ({ event: once(event, index), passed: passed[index], share: passed[index] === null || passed[index] > PAUSE_S ? 0 : passed[index] / longest }));
}

export function nodePage(context, node) {
  const path = `/nodes/${segment(node)}`;
  let shown = "";
  let explained = "";
  let lastExplained = 0;
  let dirty = true;
  let lastRead = 0;
  let nextEvents = null;
  let feedSite;

  const head = h("div", { class: "node-head" });
  const crumb = h("span", null, h("a", { href: "#/" }, "Sites"), separator());
  const buttons = h("div");
  const problem = h("div", { class: "problem", role: "alert" });
  const timeline = h("ol", { class: "timeline" });
  const why = h("div");
  const facts = h("div");
  const records = h("div");
  const pools = h("div");
  const rendered = h("div");
  const panel = (title, ...children) => h("section", { class: "panel", "aria-label": title }, h("h2", null, title), children);

  const drawHead = (found) => {
    const status = found.status;
    const site = found.site ?? status?.site;
    replace(crumb, h("a", { href: "#/" }, "Sites"), separator(), h("a", { href: `#/site/${encodeURIComponent(site ?? "default")}` }, mono(site ?? "default")), separator());
    replace(
      head,
      status ? stateBadge(status.state) : null,
      status?.step ? h("span", null, "at ", mono(status.step)) : null,
      status?.since ? h("span", { class: "muted" }, "for ", age(status.since)) : null,
      status?.client ? h("span", { class: "muted" }, "client ", status.client) : null,
      status?.definition ? h("span", { class: "muted" }, "definition ", mono(status.definition)) : null,
      status?.pattern ? h("span", { class: "muted" }, "pattern ", mono(status.pattern)) : null,
    );
    replace(problem, status?.reason ? h("pre", { class: "reason", tabindex: "0", "aria-label": "Reason" }, h("bdi", null, status.reason)) : null);
    replace(buttons, nodeButtons(context, { node, site: found.site ?? null }));
  };
  const drawEvents = (events) => {
    const items = timed(events);
    reconcile(timeline, items, { key: ({ event }) => `${event.n} ${event.boot ?? ""} ${event.seq ?? ""} ${event.time}`, version: JSON.stringify, make: eventRow });
  };
  const recordRow = ({ name: record, size, sha1 }) => {
    const text = h("div");
    const open = async (event) => {
      if (!event.target.open || text.firstChild) return;
      try {
        const stored = await content(`nodes/${node}/${record}`);
        replace(text, stored === null ? h("p", { class: "muted" }, "It is not stored any more.") : h("pre", { class: "source", tabindex: "0", "aria-label": record }, h("bdi", null, stored.text)));
      } catch (error) {
        replace(text, h("p", { class: "is-failed" }, error.message));
      }
    };
    return h("li", null, h("details", { ontoggle: open }, h("summary", null, mono(record), h("span", { class: "muted" }, bytes(size)), h("span", { class: "muted mono" }, sha1.slice(0, 10))), text));
  };
  const versionRow = ({ time: at, size, sha1 }) => h("li", null, time(at), h("span", { class: "muted" }, ` ${bytes(size)} `), h("span", { class: "muted mono" }, sha1.slice(0, 10)));
  const draw = (found) => {
    replace(facts, factsTable(found.seen ?? found.facts), found.seen?.time ? h("p", { class: "muted" }, "Sent ", age(found.seen.time), " ago.") : null);
    replace(
      records,
      found.records.length === 0 ? h("p", { class: "muted" }, "No record is stored.") : h("ul", { class: "records" }, found.records.map(recordRow)),
      found.versions.length === 0 ? null : [h("h3", null, "Versions of its startup-config"), h("ul", { class: "versions" }, found.versions.toReversed().map(versionRow))],
    );
    replace(pools, found.pools.length === 0 ? h("p", { class: "muted" }, "It holds no value of a pool.") : h("ul", { class: "plain" }, found.pools.map(({ pool, name, value, since }) => h("li", null, h("a", { href: `#/pools/${encodeURIComponent(pool)}` }, mono(pool)), " ", name ? [mono(name), " "] : null, mono(value), since ? h("span", { class: "muted" }, " for ", age(since)) : null))));
  };
  /** Why: for a switch that was refused, by the facts that it sent. */
  const explain = async (found) => {
    const { time: _, ...sent } = found.seen ?? {};
    const isUnknown = found.records.every(({ name: record }) => !["definition", "startup-config"].includes(record));
    const body = isUnknown && found.seen ? { facts: sent, site: found.status?.site ?? undefined } : { node };
    let answer;
    try {
      answer = await change("POST", "/explain", body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      replace(why, h("p", { class: "is-failed" }, h("bdi", null, error.message)));
      return;
    }
    // The reason of each pattern is shown with the pattern.
    const isExplained = answer.selection?.candidates.length > 0;
    const outcome = isExplained && answer.error ? null : (answer.error ?? answer.definition_error);
    replace(
      why,
      outcome ? h("pre", { class: "reason is-failed", tabindex: "0", "aria-label": "Refusal" }, h("bdi", null, outcome)) : answer.error ? h("p", null, "No pattern fits: the next POST is refused, too.") : h("p", null, answer.known ? "The next request for its definition succeeds." : ["The next POST registers it", answer.selection?.pattern ? [" by the pattern ", mono(answer.selection.pattern)] : null, "."]),
      selection(answer, found.seen ?? found.facts),
      answer.warnings.map((warning) => h("p", { class: "is-stalled" }, h("bdi", null, warning))),
    );
    const values = answer.pools.filter(({ held }) => !held);
    replace(
      rendered,
      answer.definition ? h("pre", { class: "source", tabindex: "0", "aria-label": "Definition" }, h("bdi", null, JSON.stringify(answer.definition, null, 2))) : h("p", { class: "muted" }, "It would receive none."),
      values.length > 0 ? h("p", { class: "muted" }, "Not allocated yet: ", values.map((one) => `${poolName(one)} ${one.value ?? "(none is free)"}`).join(", "), ".") : null,
    );
  };

  return {
    title: node,
    element: [
      h("div", { class: "head" }, h("h1", { tabindex: "-1" }, crumb, mono(node)), head, problem, buttons),
      h("div", { class: "columns" }, h("div", null, panel("Timeline", timeline), panel("Definition as rendered", rendered)), h("div", null, panel("Why", why), panel("Facts and LLDP neighbors", facts), panel("Records", records), panel("Pool values", pools))),
    ],
    async poll() {
      if (context.sites.length === 0) await context.readSites();
      const happened = nextEvents ? (await nextEvents()).some((event) => event.node === node) : false;
      const pause = nextEvents ? REREAD_MS : WITHOUT_FEED_MS;
      if (!dirty && !happened && now() - lastRead < pause) return;
      dirty = false;
      let found;
      let events;
      try {
        [found, { events }] = await Promise.all([get(path), get(`${path}/events`)]);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        replace(head, h("p", null, h("bdi", null, error.message)));
        replace(buttons, nodeButtons(context, { node, site: null }));
        for (const element of [problem, timeline, why, facts, records, pools, rendered]) replace(element);
        timeline.reconciled = undefined;
        shown = "";
        lastRead = now();
        return;
      }
      lastRead = now();
      const site = context.feedOf(found.site ?? found.status?.site ?? null);
      if (site !== feedSite) {
        feedSite = site;
        nextEvents = feed(site);
        await nextEvents();
        // The events before the feed began.
        dirty = true;
      }
      drawHead(found);
      drawEvents(events);
      const { status: _, events: __, ...stable } = found;
      const version = JSON.stringify(stable);
      if (version !== shown) draw(found);
      shown = version;
      const question = `${version} ${found.status?.state} ${found.status?.last}`;
      if (question !== explained || now() - lastExplained > EXPLAIN_MS) {
        explained = question;
        lastExplained = now();
        await explain(found);
      }
    },
    touch: () => (dirty = true),
  };
}
