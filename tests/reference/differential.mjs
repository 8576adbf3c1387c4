// Compares our matching with ztpserver 2.1.0's, and our YAML with PyYAML's, on written and on generated cases:
// neighbordb_differential.py and yaml_differential.py.
//
//   node tests/reference/differential.mjs            npm run test:differential
//   node tests/reference/differential.mjs --short    fewer generated cases: what npm test runs of it

import { run } from "../../scripts/run.mjs";
import { pythonWithZtpserver } from "./python.mjs";

const python = pythonWithZtpserver();
const isShort = process.argv.includes("--short");
const compare = (name, count) => run(python, [`tests/reference/${name}_differential.py`, "--count", String(count)]);

compare("neighbordb", isShort ? 150 : 2000);
compare("yaml", isShort ? 5000 : 50_000);
