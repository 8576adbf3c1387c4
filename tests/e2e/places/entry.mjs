// The main module of a place: the built Worker, unchanged, on the clock of the bench, with a count of what it uses
// beside KV. It runs in workerd. A request with the header X-Places is the bench's own.

import { env } from "cloudflare:workers";
import * as clock from "./clock.mjs";
import worker from "./index.js";
import { CLOCK, PLACE } from "./settings.mjs";

clock.setClock(CLOCK);

const counts = { requests: 0, objectRequests: 0, alarms: 0, nodeAlarms: 0, rowsWritten: 0, failedStatements: 0, r2Reads: 0, r2Writes: 0 };

// The place is in the log, since all places write to one.
for (const level of ["log", "warn", "error"]) {
  const write = console[level].bind(console);
  console[level] = (...message) => write(`[${PLACE}]`, ...message);
}

for (const bucket of Object.values(env).filter((binding) => binding?.constructor?.name === "R2Bucket")) {
  const prototype = Object.getPrototypeOf(bucket);
  const count = (method, counted) => {
    const call = prototype[method];
    prototype[method] = function (...args) {
      counts[counted] += 1;
      return call.apply(this, args);
    };
  };
  for (const method of ["get", "head"]) count(method, "r2Reads");
  for (const method of ["put", "list", "createMultipartUpload"]) count(method, "r2Writes");
}

/** The objects that ran here, by id: their namespace, and when their alarm rings, in simulated time. */
const objects = new Map();
const owners = new WeakMap();
let isPatched = false;

/** Alarms follow the clock, too: the runtime's own know only real time. */
function patch(storage) {
  if (isPatched) return;
  isPatched = true;
  const prototype = Object.getPrototypeOf(storage);
  const { setAlarm, getAlarm, deleteAlarm } = prototype;
  prototype.setAlarm = function (time, ...rest) {
    const owner = owners.get(this);
    if (owner) owner.alarm = Number(time);
    return setAlarm.call(this, clock.real(Number(time)), ...rest);
  };
  prototype.getAlarm = async function (...args) {
    const time = await getAlarm.apply(this, args);
    return time === null ? null : clock.simulated(time);
  };
  prototype.deleteAlarm = function (...args) {
    const owner = owners.get(this);
    if (owner) owner.alarm = undefined;
    return deleteAlarm.apply(this, args);
  };
  if (!storage.sql) return;
  const sql = Object.getPrototypeOf(storage.sql);
  const { exec } = sql;
  sql.exec = function (...args) {
    if (failing !== undefined && args[0].includes(failing)) {
      counts.failedStatements += 1;
      throw new Error("this statement fails by a rule of the test");
    }
    const cursor = exec.apply(this, args);
    counts.rowsWritten += cursor.rowsWritten;
    return cursor;
  };
}

/** Statements with this text fail, in the databases of all objects here; undefined: none does. */
let failing;

/** How the objects of a namespace fail, by its binding: `throws` or `hangs`. */
const down = new Map();

/** The class of an object, with the clock and the counts; `binding` is that of its namespace. */
export function placed(Base, binding) {
  const Placed = class extends Base {
    constructor(context, bindings) {
      patch(context.storage);
      const owner = objects.get(context.id.toString()) ?? { binding, id: context.id, storage: context.storage };
      owner.storage = context.storage;
      owners.set(context.storage, owner);
      objects.set(context.id.toString(), owner);
      super(context, bindings);
      owners.set(this, { context });
    }
    async fetch(request) {
      const asked = request.headers.get("X-Places");
      if (asked === "alarm") return rearm(new URL(request.url).pathname.slice(1));
      if (asked === "abort") owners.get(this).context.abort("this object was ended");
      counts.objectRequests += 1;
      const how = down.get(binding);
      if (how === "hangs") await scheduler.wait(3_600_000);
      if (how) throw new Error("this object is not reachable");
      return super.fetch(request);
    }
  };
  if ("alarm" in Base.prototype) {
    const { alarm } = Base.prototype;
    Placed.prototype.alarm = function (...args) {
      counts.alarms += 1;
      if (binding === "ZTP_NODES") counts.nodeAlarms += 1;
      return alarm.apply(this, args);
    };
  }
  return Placed;
}

/** Sets the alarm of an object again, after the clock was moved. */
async function rearm(id) {
  const { alarm, storage } = objects.get(id);
  // It may have rung in between.
  if (alarm !== undefined && (await storage.getAlarm()) !== null) await storage.setAlarm(alarm);
  return new Response();
}

const CONTROLS = {
  async clock({ clock: next }) {
    const pending = [...objects].filter(([, { alarm }]) => alarm > clock.now());
    clock.setClock(next);
    const call = ([key, { binding, id }]) => env[binding].get(id).fetch(`http://places/${key}`, { headers: { "X-Places": "alarm" } });
    await Promise.all(pending.map(call));
  },
  down({ binding, how }) {
    if (how) down.set(binding, how);
    else down.delete(binding);
  },
  statements({ text }) {
    failing = text;
  },
  figures: () => counts,
  /** Ends an object, and everything that it does. The next request starts it again, on its storage. */
  async abort({ binding, name }) {
    const object = env[binding].get(env[binding].idFromName(name));
    await object.fetch("http://places/", { headers: { "X-Places": "abort" } }).catch(() => {});
  },
};

const { fetch } = worker.prototype;
worker.prototype.fetch = async function (request) {
  const asked = request.headers.get("X-Places");
  if (asked === null) {
    counts.requests += 1;
    return fetch.call(this, request);
  }
  const { control, ...options } = JSON.parse(asked);
  return Response.json((await CONTROLS[control](options)) ?? null);
};

export default worker;
