// The words for states, steps, numbers and times.

import { h, mono, name } from "./dom.js";
import { icon } from "./icons.js";

/** The states, in the order in which the API sorts them: those that need someone first. */
export const STATES = ["failed", "stalled", "waiting", "booting", "served", "planned", "booted", "backed-up"];
const STATE_WORDS = {
  failed: "Failed",
  stalled: "Stalled",
  waiting: "Waiting",
  booting: "Booting",
  served: "Served",
  planned: "Planned",
  booted: "Booted",
  "backed-up": "Backed up",
};

/** A pool, with the name of the value if it has one. */
export const poolName = ({ pool, name: of }) => (of ? `${pool} (${of})` : pool);

export const stateWord = (state) => STATE_WORDS[state ?? "planned"] ?? state;

/** A state as icon and word. */
export function stateBadge(state) {
  const known = STATE_WORDS[state ?? "planned"] ? (state ?? "planned") : "planned";
  return h("span", { class: `state is-${known}` }, icon(known), h("span", null, stateWord(state)));
}

/** The kind of a step, which has a color: `action` of `action add_config`. */
export function stepKind(step) {
  const kind = String(step).split(" ")[0];
  return ["script", "facts", "definition", "action", "download", "startup-config"].includes(kind) ? kind : "action";
}

const count = (number) => number.toLocaleString();

/** "38 of 40 booted, 1 failed, 1 waiting", as parts: the state and the words of each. */
export function sentence(counts) {
  const of = (state) => counts[state] ?? 0;
  const planned = of("planned");
  const total = STATES.reduce((sum, state) => sum + of(state), 0) - planned;
  const booted = of("booted") + of("backed-up");
  const parts = [];
  if (total > 0) parts.push({ state: "booted", text: booted === total ? `All ${count(total)} booted` : `${count(booted)} of ${count(total)} booted` });
  for (const state of ["failed", "stalled", "waiting", "booting", "served"]) {
    if (of(state) > 0) parts.push({ state, text: `${count(of(state))} ${stateWord(state).toLowerCase()}` });
  }
  if (planned > 0) parts.push({ state: "planned", text: `${count(planned)} planned` });
  return parts;
}

/** The sentence as an element. */
export function sentenceLine(counts) {
  const parts = sentence(counts);
  if (parts.length === 0) return h("p", { class: "sentence" }, "No switch has made a request yet.");
  const shown = parts.map(({ state, text }, index) => [index > 0 ? ", " : "", h("span", { class: index === 0 ? "" : `is-${state}` }, text)]);
  return h("p", { class: "sentence" }, shown, ".");
}

/** A size in bytes. */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = size / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A duration in seconds. */
export function duration(seconds) {
  if (seconds < 0.05) return "0 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** An age in seconds, without parts that do not matter. */
export function ageWords(seconds) {
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 10) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

// The clock of the server, as far as it tells: a laptop may be minutes off, and then every age would be.
let offset = 0;

/** Learns the clock of the server from the header `Date`, which has whole seconds. */
export function learnClock(date) {
  const server = Date.parse(date ?? "");
  if (Number.isNaN(server)) return;
  const found = server + 500 - Date.now();
  offset = Math.abs(found) > 2000 ? found : 0;
}

/** The time of the server, in milliseconds. */
export const now = () => Date.now() + offset;

const local = (options) => new Intl.DateTimeFormat(undefined, options);
const TIME = local({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = local({ month: "short", day: "numeric" });
const FULL = local({ dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

const utc = (iso) => `${iso.slice(0, 19).replace("T", " ")} UTC`;

/** A time in the viewer's zone, with the day if it is not today; UTC on hover. */
export function time(iso) {
  if (!iso) return h("span", { class: "none" }, "–");
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return h("time", { datetime: iso, title: utc(iso) }, today ? TIME.format(date) : `${DAY.format(date)} ${TIME.format(date)}`);
}

/** How long ago a time was; it counts on. The viewer's time and UTC on hover. */
export function age(iso) {
  if (!iso) return h("span", { class: "none" }, "–");
  const element = h("time", { datetime: iso, title: `${FULL.format(new Date(iso))} (${utc(iso)})`, "data-age": Date.parse(iso) });
  element.textContent = ageWords((now() - Date.parse(iso)) / 1000);
  return element;
}

/** Counts all ages on. */
export function tickAges() {
  for (const element of document.querySelectorAll("time[data-age]")) {
    const words = ageWords((now() - Number(element.dataset.age)) / 1000);
    if (element.textContent !== words) element.textContent = words;
  }
}

/** The words of an event, and texts that need a block of their own. */
export function eventWords(event) {
  const { event: kind } = event;
  // The rate of a small file is mostly latency.
  const rate = () => (event.seconds > 0 && event.bytes >= 1e6 ? `, ${bytes(event.bytes / event.seconds)}/s` : "");
  const transfer = () => [mono(event.path), ` ${bytes(event.bytes ?? 0)} in ${duration(event.seconds ?? 0)}${rate()}`];
  const action = () => mono(event.action);
  const optional = (label, value) => (value ? [` ${label} `, mono(value)] : null);
  switch (kind) {
    case "script-fetched":
      return { words: ["Script fetched", optional("by a", event.model), optional("with EOS", event.version)] };
    case "facts-posted":
      return { words: ["Facts posted"] };
    case "facts-changed":
      return { words: ["Facts changed"] };
    case "registered":
      return { words: ["Registered", optional("by the pattern", event.pattern), optional("with the definition", event.definition)] };
    case "claimed":
      return { words: ["Belongs to the site ", name(event.site ?? "none")] };
    case "refused":
      return { tone: "failed", words: ["Refused: ", mono(`${event.request} ${event.status}`)], text: event.reason };
    case "definition-fetched":
      return { words: ["Definition fetched", event.definition ? [": ", mono(event.definition)] : null] };
    case "pool-values-given":
      return { words: ["Pool values given: ", (event.values ?? []).map((one, index) => [index > 0 ? ", " : "", mono(`${poolName(one)} ${one.value}`)])] };
    case "startup-config-fetched":
      return { words: ["Startup-config fetched"] };
    case "file-fetched":
      return { tone: event.complete === false ? "stalled" : undefined, words: ["File fetched: ", transfer(), event.complete === false ? ", not complete" : ""] };
    case "startup-config-stored":
      return { tone: "booted", words: ["Startup-config backed up: ", bytes(event.size ?? 0), optional("SHA-1", event.sha1?.slice(0, 10))] };
    case "edited":
      return { words: ["Edited in the dashboard: ", mono((event.records ?? []).join(", "))] };
    case "operator-changed":
      return { words: ["Records changed"] };
    case "plan-given":
      return { words: ["Records given to ", mono(event.to ?? "")] };
    case "reprovisioned":
      return { words: ["Reprovisioned"] };
    case "forgotten":
      return { words: ["Forgotten"] };
    case "moved":
      return { words: event.site ? ["Moved to the site ", name(event.site)] : ["Moved"] };
    case "boot-started":
      return { words: ["Boot started"] };
    case "action-started":
      return { words: ["Action ", action(), " started"] };
    case "action-succeeded":
      return { words: ["Action ", action(), ` succeeded in ${duration(event.seconds ?? 0)}`] };
    case "action-failed":
      return { tone: "failed", words: ["Action ", action(), " failed"], text: event.reason };
    case "downloaded":
      return { words: ["Downloaded ", transfer()] };
    case "boot-succeeded":
      return { tone: "booted", words: [`Boot succeeded in ${duration(event.seconds ?? 0)}`] };
    case "boot-failed":
      return { tone: "failed", words: ["Boot failed"], text: event.reason, log: event.log };
    default:
      return { words: [mono(kind)] };
  }
}
