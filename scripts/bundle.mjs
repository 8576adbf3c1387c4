// Builds in build/bundle the files that `wrangler deploy` would upload: the tests run exactly these. Also:
//
// - build/bundle-forgetful has a clock that advances by an hour at each reading: every cached value is expired,
//   so that content can change while the Worker runs.
// - build/bundle-clock has a clock that a test advances: a request with the header X-Clock-Advance advances it
//   by this number of milliseconds, and gets 204.
// - build/bundle-panicking is compiled with the feature `panics`, for the tests of panics.

import { appendFileSync, cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { environment, npmBin, root, run } from "./run.mjs";

const BUNDLE = join(root, "build", "bundle");
/** Code that replaces the clock by one that shows `time`, an expression of the real one, after `state` was declared. */
const clock = (time, state) => `
  ${state}
  const realNow = Date.now;
  globalThis.Date = class extends Date {
    constructor(...args) {
      super(...(args.length > 0 ? args : [new.target.now()]));
    }
    static now() {
      return ${time};
    }
  };
`;

bundle([], BUNDLE);
run(npmBin("node"), ["scripts/build.mjs", "--features", "panics"], { env: environment({ OUT_DIR: "build/panicking" }) });
bundle(["build/panicking/index.js"], `${BUNDLE}-panicking`);
variant("forgetful", clock("super.now() + 3_600_000 * ++looks", "let looks = 0;"), "3_600_000 * looks");
variant("clock", clock("super.now() + advanced", "let advanced = 0;"), "advanced", (request) => `
  const milliseconds = ${request}.headers.get("X-Clock-Advance");
  if (milliseconds !== null) {
    advanced += Number(milliseconds);
    return new Response(null, { status: 204 });
  }
`);

/**
 * A copy of the bundle with another clock, which is `offset` (an expression) milliseconds ahead; `handle` makes code
 * that may answer a request.
 *
 * The runtime's alarms follow the real clock. A request with the header X-Settle gets 204 as soon as no object has an
 * alarm within the next minute or runs one: what was acknowledged is in KV then. One with the header X-Wipe gets 204 as
 * soon as every object has lost its database and its memory, which takes milliseconds: a restart takes a second. One with
 * X-Empty gets it as soon as KV and R2 are empty, one with X-Put as soon as the values of its body are in KV, and one with
 * X-Objects gets the key and ETag of each object of R2: from outside, each of these is a request.
 */
function variant(name, clock, offset, handle = () => "") {
  const folder = `${BUNDLE}-${name}`;
  const main = join(folder, "index.js");
  rmSync(folder, { recursive: true, force: true });
  cpSync(BUNDLE, folder, { recursive: true });
  const exported = (as) => readFileSync(main, "utf8").match(new RegExp(`([\\w$]+) as ${as}\\b`))[1];
  const [entrypoint, ...objects] = ["default", "Node", "Site", "ResourcePool"].map(exported);
  const code = `
    ${clock}
    const { fetch } = ${entrypoint}.prototype;
    ${entrypoint}.prototype.fetch = async function (request) {
      ${handle("request")}
      const { ZTP_DATA: kv, ZTP_FILES: r2 } = this.env;
      if (request.headers.get("X-Objects") !== null) return Response.json((await r2.list()).objects.map(({ key, etag }) => [key, etag]));
      if (request.headers.get("X-Put") !== null) {
        await Promise.all(Object.entries(await request.json()).map(([key, value]) => kv.put(key, value)));
        return new Response(null, { status: 204 });
      }
      if (request.headers.get("X-Empty") !== null) {
        for (let page; (page = await kv.list()).keys.length > 0; ) await Promise.all(page.keys.map(({ name }) => kv.delete(name)));
        for (let page; (page = await r2.list()).objects.length > 0; ) await r2.delete(page.objects.map(({ key }) => key));
        return new Response(null, { status: 204 });
      }
      const wipes = request.headers.get("X-Wipe") !== null;
      if (!wipes && request.headers.get("X-Settle") === null) return fetch.call(this, request);
      while (alarms.size + running > 0) await scheduler.wait(5);
      if (wipes) {
        const { ZTP_NODES, ZTP_SITES, ZTP_POOLS } = this.env;
        const namespaces = [ZTP_NODES, ZTP_SITES, ZTP_POOLS];
        const wipe = async ([id, at]) => {
          const stub = namespaces[at].get(namespaces[at].idFromString(id));
          await stub.fetch("http://object/", { headers: { "X-Wipe": "" } });
          // It never responds.
          await stub.fetch("http://object/", { headers: { "X-Abort": "" } }).catch(() => {});
        };
        await Promise.all([...known].map(wipe));
        known.clear();
      }
      return new Response(null, { status: 204 });
    };
    // The ids of objects that may have something in their databases, each with its place among the classes.
    const known = new Map();
    // By the id of the object: the runtime evicts an idle one from memory, and its alarm stays.
    const alarms = new Set();
    const owners = new WeakMap();
    let running = 0;
    let setAlarm;
    const observed = (Class, at) => class extends Class {
      constructor(context, env) {
        const id = String(context.id);
        known.set(id, at);
        owners.set(context.storage, { id, site: Class.isSite });
        const storage = Object.getPrototypeOf(context.storage);
        if (setAlarm === undefined) {
          ({ setAlarm } = storage);
          storage.setAlarm = function (time, ...options) {
            // Alarms that only wait for more to do ring at once: tests need not wait for them.
            const wait = time - ${offset} - realNow();
            // Not for this very millisecond: see pause_until in src/objects.rs.
            const real = realNow() + (wait < (owners.get(this).site ? 2_500 : 600) ? 1 : wait);
            // It replaces the last one, which may have been earlier.
            alarms[real < realNow() + 60_000 ? "add" : "delete"](owners.get(this).id);
            return setAlarm.call(this, real, ...options);
          };
        }
        const object = super(context, env);
        const { alarm, fetch } = object;
        object.fetch = async function (request) {
          if (request.headers.get("X-Abort") !== null) context.abort("wiped");
          if (request.headers.get("X-Wipe") === null) return fetch.call(object, request);
          await context.storage.deleteAlarm();
          await context.storage.deleteAll();
          alarms.delete(id);
          return new Response(null, { status: 204 });
        };
        if (alarm === undefined) return object;
        object.alarm = async function () {
          alarms.delete(id);
          running += 1;
          return alarm.call(object).finally(() => (running -= 1));
        };
      }
    };
    ${objects[1]}.isSite = true;
    ${objects.map((object, at) => `${object} = observed(${object}, ${at});`).join("\n")}
  `;
  appendFileSync(main, `\n{ ${code} }\n`);
}

/** Bundles the Worker, or another main module. */
function bundle(main, folder) {
  rmSync(folder, { recursive: true, force: true });
  run(npmBin("wrangler"), ["deploy", ...main, "--dry-run", "--outdir", folder], { stdio: ["ignore", "ignore", "inherit"] });
}
