// Attacks the built Worker: schemathesis, random bytes, uploads that would use all memory, content that would use all CPU
// time, and loads: with hostile requests, and on a KV with faults.
//
//   node tests/security/run.mjs            npm run test:security
//   node tests/security/run.mjs --short    the part that npm test runs, in about a minute
//
// Each test prints its seed; --seed N sets it.

import { npmBin, run } from "../../scripts/run.mjs";

const short = process.argv.includes("--short");
const at = process.argv.indexOf("--seed");
const seed = at < 0 ? [] : ["--seed", process.argv[at + 1]];
const attack = (name, ...args) => run(npmBin("node"), [`tests/security/${name}.mjs`, ...args, ...seed]);

if (!short) run(npmBin("node"), ["scripts/bundle.mjs"]);
attack("schemathesis", ...(short ? ["--examples", "5", "--least", "300"] : ["--examples", "250", "--least", "5000"]));
attack("fuzz", "--requests", short ? "4000" : "200000");
attack("memory", ...(short ? ["--short"] : []));
attack("cpu", ...(short ? ["--short"] : []));
attack("faults", "--requests", short ? "1000" : "10000");
if (!short) attack("load", "--requests", "10000");
