// Calls of plugins in definitions: their syntax and their places.
//
// The allocation of values is not compared: the plugin of ztpserver 2.1.0 uses functions that Python 3 no longer
// has. Its replacement here returns the only value of each pool.

import { get, stored } from "./requests.mjs";

const PLUGIN = "def main(node_id, pool, node):\n    return 'value of ' + pool\n";
let pools = 0;

/** A case with the attributes of one action; POOL is replaced by the name of a new pool. */
function calls(name, attributes, others = {}) {
  pools += 1;
  const pool = `pool${pools}`;
  const lines = attributes.map((line) => `    ${line}\n`).join("").replaceAll("POOL", pool);
  return {
    name: `a plugin call ${name}`,
    settings: "unchecked",
    content: {
      "plugins/allocate": PLUGIN,
      "plugins/rack": PLUGIN,
      [`resources/${pool}`]: `value of ${pool}: null\n`,
      [`resources/${pool} x`]: `value of ${pool} x: null\n`,
      "nodes/n1/.node": stored("n1"),
      "nodes/n1/definition": `name: x\nactions:\n- action: a\n  attributes:\n${lines}`,
    },
    requests: [get("/nodes/n1"), get("/nodes/n1")],
    ...others,
  };
}

export default [
  calls("as a value", ["a: allocate('POOL')", "b: 'allocate(\"POOL\")'", "c: allocate('POOL')", "d: other"]),
  calls("one and two mappings down", ["a: {b: allocate('POOL'), c: {d: allocate('POOL'), e: {f: allocate('POOL')}}}"]),
  calls("in a list", ["a: [x, allocate('POOL')]", "b: {c: [allocate('POOL'), y]}"]),
  calls("that is not valid", [
    "a: allocate(POOL)", "b: allocate ('POOL')", "c: allocate('')", "d: allocate", "e: ('POOL')", "f: \"allocate('POOL\"", "g: allocate('POOL' )",
  ]),
  calls("of an unknown plugin", ["a: absent('POOL')"]),
  calls("with text around it", ["a: allocate('POOL')/24", "b: ip allocate('POOL')", "c: <allocate('POOL')>"], { shows: ["plugin-text"] }),
  calls("with a space in the name of the pool", ["a: allocate('POOL x')"], { shows: ["plugin-text"] }),
  calls("with the name of a value", ["a: \"allocate('POOL','x')\"", "b: \"allocate('POOL', 'x')\""], { shows: ["value-names"] }),
  calls("of an own plugin", ["a: rack('POOL')"], { shows: ["plugins"] }),
];
