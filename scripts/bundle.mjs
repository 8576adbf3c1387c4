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
/** Code that replaces the clock by one that shows `time`, an expression of the real one. */
const clock = (time) => `
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
variant("forgetful", () => `{ let looks = 0; ${clock("super.now() + 3_600_000 * ++looks")} }`);
variant("clock", (entrypoint) => `{
  let advanced = 0;
  ${clock("super.now() + advanced")}
  const { fetch } = ${entrypoint}.prototype;
  ${entrypoint}.prototype.fetch = function (request) {
    const milliseconds = request.headers.get("X-Clock-Advance");
    if (milliseconds === null) return fetch.call(this, request);
    advanced += Number(milliseconds);
    return new Response(null, { status: 204 });
  };
}`);

/** A copy of the bundle with code at its end, made from the name of the class that is exported as default. */
function variant(name, code) {
  const folder = `${BUNDLE}-${name}`;
  const main = join(folder, "index.js");
  rmSync(folder, { recursive: true, force: true });
  cpSync(BUNDLE, folder, { recursive: true });
  const [, entrypoint] = readFileSync(main, "utf8").match(/(\S+) as default/);
  appendFileSync(main, `\n${code(entrypoint)}\n`);
}

/** Bundles the Worker, or another main module. */
function bundle(main, folder) {
  rmSync(folder, { recursive: true, force: true });
  run(npmBin("wrangler"), ["deploy", ...main, "--dry-run", "--outdir", folder], { stdio: ["ignore", "ignore", "inherit"] });
}
