// POST /nodes, GET /nodes/{id} and startup-config of nodes that are configured by hand.

import { facts, get, post, put, sees, stored } from "./requests.mjs";

/** A node's folder, complete: any neighbors, unless `records` say otherwise. */
const ANY = "name: any\ninterfaces: []\n";
const node = (id, records, others) => {
  const all = { ".node": stored(id, others), pattern: ANY, ...records };
  return Object.fromEntries(
    Object.entries(all).filter(([, text]) => text !== undefined).map(([name, text]) => [`nodes/${id}/${name}`, text]),
  );
};

const DEFINITION = `
name: static leaf
attributes:
  ntp: 192.0.2.1
  domain: example.net
  port: 7
  servers: [192.0.2.1, 192.0.2.2]
  deep: {a: {b: $ntp}}
  empty: ''
  no: null
actions:
  - name: configure
    action: add_config
    attributes:
      url: files/templates/base
      ntp: $ntp
      own: $own
      both: $domain
      absent: $absent
      port: $port
      servers: $servers
      deep: $deep
      empty: $empty
      'no': $no
      dollar: $
      twice: $$ntp
      inside: a $ntp
      braces: \${ntp}
      variables:
        domain: $domain
        hostname: $hostname
        absent: $absent
        literal: x
        number: 7
        deeper:
          untouched: $ntp
          list: [$ntp]
      list: ['$ntp', x]
  - name: greet
    action: run_cli_commands
    always_execute: true
    onstart: hello
    onsuccess: done
    onfailure: failed
    description: greets
    attributes:
      domain: $domain
  - action: last
`;
const ATTRIBUTES = "domain: here.example.net\nown: {a: {b: 1}}\nhostname: leaf1\nunused: x\n";

const definition = (text, others) => ({ content: node("n1", { definition: text, ...others }), requests: [get("/nodes/n1")] });
const attributes = (yaml) => `name: x\nactions:\n- action: a\n  attributes:\n${yaml.trim().replace(/^/gm, "    ")}\n`;

export default [
  {
    name: "a definition with attributes of the node",
    everySetting: true,
    content: node("n1", { definition: DEFINITION, attributes: ATTRIBUTES }),
    requests: [get("/nodes/n1"), get("/nodes/n1", { body: "null", headers: { "Content-Type": "text/html" } })],
  },
  { name: "a definition without attributes of the node", ...definition(DEFINITION) },
  { name: "a definition with an empty list of actions", ...definition("name: none\nactions: []\n") },
  { name: "a definition with keys of its own", ...definition("actions: []\nattributes: {a: 1}\nname: x\nversion: 2\n") },
  { name: "a definition without a name", ...definition("actions: [{action: a}]\n") },
  { name: "an action with keys of its own", ...definition("actions: [{name: n, action: a, when: later, attributes: {}}]\n") },
  {
    name: "YAML 1.1 values",
    ...definition(attributes(`
yes: yes
off: {a: yes, b: No, c: on, d: OFF, e: y, f: n, g: true, h: oN}
octal: 010
not_octal: 0o10
sexagesimal: {a: 1:30, b: 190:20:30, c: 1:30.5, d: 1:60}
grouped: 1_000
hex: 0x1F
binary: 0b101
exponent: {a: 1e5, b: 1.0e+5, c: 1e+5, d: 1.5e3, e: .5, f: 5., g: -0.0}
null: {a: ~, b: null, c: Null, d: NULL, e: '', f: 'null', g: nul}
signed: {a: +1, b: -1, c: '+1'}
quoted: ["010", 'yes', "\\u00fc", 'it''s']
tagged: {a: !!str 010, b: !!int "7", c: !!float 7, d: !!bool "yes", e: !!null x}
equals: [a=b, '=']
text: |
  line 1
    line 2
folded: >-
  a
  b

  c
1: one
1.5: half
true: 'yes'
anchored: &a {x: 1, y: 2}
alias: *a
merged:
  <<: *a
  y: 3
twice: 1
twice: 2
big: 9223372036854775807
version: 4.28.0F
mac: 00:1c:73:01:02:03
address: 192.0.2.1
large: 1.0e+16
small: 0.00001
precise: 0.1
unicode: "ü\\U0001F600\\x41"
`)),
  },
  { name: "dates", shows: ["dates"], ...definition(attributes("date: 2001-02-03\ntime: 2001-02-03 04:05:06.7 +1:00\nutc: {a: 2001-02-03T04:05:06Z}")) },
  { name: "numbers that JSON does not have", shows: ["not-json"], ...definition(attributes("a: .nan\nb: -.inf")) },
  { name: "binary data", ...definition(attributes("a: !!binary aGVsbG8=")) },
  { name: "a set", shows: ["not-json"], ...definition(attributes("a: !!set {x, y}")) },
  { name: "attributes of an action that are nothing", shows: ["nothing-is-empty"], ...definition("actions: [{action: a, attributes: }]\n") },
  { name: "attributes of a definition that are nothing", shows: ["nothing-is-empty"], ...definition("attributes:\nactions: [{action: a, attributes: {x: $y}}]\n") },
  { name: "attributes of a node that are nothing", shows: ["nothing-is-empty"], ...definition(DEFINITION, { attributes: "" }) },
  { name: "integers in a list", shows: ["list-integers"], ...definition(attributes("vlans: [10, 20]\nmixed: [a, 1.5, true, null]\nlists: [[1], {a: 1}]")) },
  ...[
    ["invalid YAML", "actions: [\n"],
    ["empty", ""],
    ["a list", "- action: a\n"],
    ["a text", "leaf\n"],
    ["without actions", "name: x\n"],
    ["with actions that are nothing", "actions:\n"],
    ["with actions that are a number", "actions: 7\n"],
    ["with an action that is a text", "actions: [add_config]\n"],
    ["with attributes that are a text", "actions: [{action: a, attributes: text}]\n"],
    ["with an unknown tag", "actions: [{action: a, attributes: {x: !python/name:os y}}]\n"],
    ["with two documents", "actions: []\n---\nactions: []\n"],
    ["with an unknown plugin", "actions: [{action: a, attributes: {x: \"absent('net')\"}}]\n"],
    ["with an unknown plugin in a deeper mapping", "actions: [{action: a, attributes: {x: {y: {z: \"absent('net')\"}}}}]\n"],
  ].map(([what, text]) => ({ name: `a definition ${what}`, ...definition(text) })),
  { name: "an action without a name", shows: ["checked-definition"], ...definition("actions: [{name: x}]\n") },
  { name: "an action whose name is a number", shows: ["checked-definition"], ...definition("actions: [{action: 7}]\n") },
  { name: "actions that are a mapping of nothing", shows: ["checked-definition"], ...definition("actions: {}\n") },
  { name: "attributes of a node that are not YAML", ...definition(DEFINITION, { attributes: "a: [\n" }) },
  { name: "attributes of a node that are a list", ...definition(DEFINITION, { attributes: "[a]\n" }) },

  {
    name: "a startup-config alone",
    everySetting: true,
    content: node("n1", { "startup-config": "hostname n1\n" }),
    requests: [get("/nodes/n1"), get("/nodes/n1/startup-config"), post(facts("n1"))],
  },
  {
    name: "a startup-config and a definition with always_execute",
    content: node("n1", { "startup-config": "x", definition: DEFINITION.replaceAll("$domain", "literal") }),
    requests: [get("/nodes/n1")],
  },
  {
    name: "the values of always_execute",
    content: node("n1", {
      "startup-config": "x",
      definition: `actions: [${["yes", "no", "1", "0", "''", "'no'", "[]", "[0]", "{}", "null", "0.0"].map((value, index) => `{action: a${index}, always_execute: ${value}}`).join(", ")}]`,
    }),
    requests: [get("/nodes/n1")],
  },
  {
    name: "a startup-config and look-up in the definition's attributes",
    shows: ["own-attributes"],
    content: node("n1", { "startup-config": "x", definition: DEFINITION, attributes: "hostname: leaf1\n" }),
    requests: [get("/nodes/n1")],
  },
  {
    name: "a startup-config and a broken definition",
    content: node("n1", { "startup-config": "x", definition: "actions: [\n" }),
    requests: [get("/nodes/n1"), get("/nodes/n1/startup-config")],
  },
  {
    name: "a startup-config of a node with an unusual id",
    shows: ["encoded-urls"],
    content: { ...node("a b", { "startup-config": "x" }), ...node("%+;", { "startup-config": "y" }) },
    requests: ["a b", "%+;"].flatMap((id) => [
      get(`/nodes/${encodeURIComponent(id)}`),
      get(`/nodes/${encodeURIComponent(id)}/startup-config`),
      post(facts(id)),
    ]),
  },
  {
    name: "a node with letters that are not ASCII",
    shows: ["non-ascii", "encoded-urls"],
    content: node("ü", { "startup-config": "x" }),
    requests: [get("/nodes/%C3%BC"), get("/nodes/%C3%BC/startup-config"), get("/meta/nodes/%C3%BC/startup-config"), post(facts("ü"))],
  },
  {
    name: "an empty startup-config",
    content: node("n1", { "startup-config": "" }),
    requests: [post(facts("n1")), get("/nodes/n1"), get("/nodes/n1/startup-config")],
  },
  {
    name: "a startup-config with CRLF line ends, or not UTF-8",
    shows: ["bytes-kept"],
    content: { ...node("n1", { "startup-config": "a\r\nb\r\n" }), ...node("n2", { "startup-config": Buffer.from([0xff, 0x00, 0xfe]) }) },
    requests: [get("/nodes/n1/startup-config"), get("/nodes/n2/startup-config"), get("/nodes/n2"), get("/meta/nodes/n2/startup-config")],
  },
  {
    name: "a node id with a dot",
    shows: ["dots"],
    content: node("AB.12", { "startup-config": "x" }),
    requests: [get("/nodes/AB.12/startup-config"), get("/nodes/AB.12"), get("/meta/nodes/AB.12/startup-config")],
  },

  {
    name: "a static node without a pattern",
    settings: "default",
    shows: ["no-pattern"],
    content: { ...node("n1", { definition: DEFINITION, pattern: undefined }), ...node("n2", { "startup-config": "x", pattern: undefined }) },
    requests: [get("/nodes/n1"), get("/nodes/n2")],
  },
  {
    name: "a static node without a pattern, validation off",
    settings: "unchecked",
    content: node("n1", { definition: DEFINITION, attributes: ATTRIBUTES, pattern: undefined }),
    requests: [get("/nodes/n1")],
  },
  {
    name: "a node that never sent its facts",
    everySetting: true,
    shows: ["never-posted"],
    content: { "nodes/n1/startup-config": "x", "nodes/n2/definition": "actions: []\n" },
    requests: [get("/nodes/n1"), get("/nodes/n2")],
  },
  {
    name: "an unknown node",
    everySetting: true,
    content: { "nodes/n2/attributes": "a: 1\n", ...node("n3", {}) },
    requests: [get("/nodes/n1"), get("/nodes/n1/startup-config"), get("/nodes/n2"), get("/nodes/n2/startup-config"), get("/nodes/n3")],
  },

  ...["definition", "startup-config"].map((record) => ({
    name: `POST of a node with a ${record}`,
    everySetting: true,
    content: { [`nodes/001c73010203/${record}`]: "actions: []\n", [`nodes/n1/${record}`]: "actions: []\n" },
    requests: [post(facts("n1", { neighbors: sees({ Ethernet1: "spine1:Ethernet7, spine2:Ethernet8", Management1: "oob:17", Ethernet2: "" }) }))],
  })),
  {
    name: "POST with a config",
    shows: ["config-keeps-facts"],
    everySetting: true,
    requests: [post({ ...facts("n1"), config: "hostname ü\n" }), get("/nodes/n1/startup-config"), post(facts("n1"))],
  },
  {
    name: "POST with a config, and no other POST",
    shows: ["config-keeps-facts"],
    requests: [post({ ...facts("n1"), config: "hostname n1\n" }), get("/meta/nodes/n1/startup-config")],
  },
  {
    name: "POST with an empty config",
    shows: ["config-keeps-facts"],
    requests: [post({ ...facts("n1"), config: "" }), get("/nodes/n1/startup-config")],
  },
  {
    name: "POST with a config that is nothing",
    shows: ["checked-facts"],
    requests: [post({ ...facts("n1"), config: null })],
  },
  {
    name: "POST with a config of a known node",
    content: { "nodes/n1/startup-config": "mine" },
    requests: [post({ ...facts("n1"), config: "theirs" }), get("/nodes/n1/startup-config")],
  },
  {
    name: "POST again with other facts",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1")), post(facts("n1")), post(facts("n1", { version: "4.99", model: "other", neighbors: sees({ Ethernet9: "x:y" }) }))],
  },
  {
    name: "POST of a node with attributes alone",
    shows: ["attributes-alone"],
    settings: "default",
    content: { "nodes/n1/attributes": "a: 1\n", neighbordb: "patterns: [{name: all, definition: leaf, interfaces: []}]\n", "definitions/leaf": "name: x\nactions: []\n" },
    requests: [post(facts("n1"))],
  },
  {
    name: "facts that are not known",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post({ serialnumber: "n1" })],
  },
  {
    name: "facts that are null or empty",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post({ serialnumber: "n1", model: null, systemmac: "", version: "", neighbors: {} })],
  },
  {
    name: "unknown facts",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post({ ...facts("n1"), hostname: "x", neighbors: { Ethernet1: [{ device: "s", port: "p", ttl: 120 }] } })],
  },
  {
    name: "types that POST is sent with",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: ["text/html", "application/json; charset=utf-8", "application/octet-stream", ""].map((type) =>
      post(facts("n1"), { headers: { "Content-Type": type } }),
    ),
  },
  {
    name: "POST without a type, with a byte order of keys, with escapes",
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [
      post(facts("n1"), { headers: {} }),
      post('  {"neighbors": {"Ethernet1": [{"port": "\\u00fc", "device": "\\ud83d\\ude00"}]}, "serialnumber": "n1", "serialnumber": "n1", "version": "\\/"}\n'),
    ],
  },
  {
    name: "the neighbors' ports as the specification has them",
    shows: ["remote-interface"],
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1", { neighbors: { Ethernet1: [{ device: "spine1", remote_interface: "Ethernet7" }] } }))],
  },
  {
    name: "a body that is not JSON",
    shows: ["malformed-json"],
    requests: ["", "{", '{"serialnumber": "n1"', "{'serialnumber': 'n1'}", "serialnumber=n1", Buffer.from([0x22, 0xff, 0x22])].map((body) => post(body)),
  },
  { name: "a body that is not an object", requests: ["[]", "null", "7", '"n1"', "true"].map((body) => post(body)) },
  {
    name: "no identifier",
    everySetting: true,
    requests: [post({}), post({ model: "x" }), post({ ...facts(""), systemmac: "" }), post({ ...facts(null), systemmac: null })],
  },
  {
    name: "facts of the wrong type",
    requests: [
      post(facts("n1", { neighbors: [] })), post(facts("n1", { neighbors: "x" })), post(facts("n1", { neighbors: { Ethernet1: [{ device: "s" }] } })),
      post(facts("n1", { neighbors: { Ethernet1: [{ port: "s" }] } })), post(facts("n1", { neighbors: { Ethernet1: ["s"] } })),
      post(facts(["n1"])), post(facts({ a: 1 })),
    ],
  },
  {
    name: "facts of the wrong type, of a known node",
    shows: ["checked-facts"],
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1", { version: ["4"] })), post(facts("n1", { model: { a: 1 } }))],
  },
  {
    name: "a version that is a number",
    shows: ["numeric-facts"],
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1", { version: 7 }))],
  },
  {
    name: "a serial number that is a number",
    shows: ["numeric-facts"],
    content: { "nodes/12345/definition": "actions: []\n" },
    requests: [post(facts(12345))],
  },
  {
    name: "spaces around a serial number",
    shows: ["trimmed-serials"],
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1 ")), get("/nodes/n1%20"), get("/nodes/n1")],
  },
  {
    name: "ids that cannot be a folder's name",
    shows: ["folder-escape"],
    requests: ["a/b", "..", ".", "../../x", "a\nb"].map((id) => post({ ...facts(id), config: "x" })),
  },
  { name: "an id that is too long", shows: ["limits"], requests: [post({ ...facts("x".repeat(201)), config: "x" })] },
  {
    name: "more facts than a switch has",
    shows: ["limits"],
    content: { "nodes/n1/definition": "actions: []\n" },
    requests: [post(facts("n1", { padding: "x".repeat(1 << 20) }))],
  },

  {
    name: "PUT of a stored startup-config",
    shows: ["put-created"],
    everySetting: true,
    content: node("n1", { "startup-config": "old and longer" }),
    requests: [put("/nodes/n1/startup-config", "hostname ü\n! end\n", "text/plain"), get("/nodes/n1/startup-config"), get("/meta/nodes/n1/startup-config"), get("/nodes/n1")],
  },
  {
    name: "PUT of an empty startup-config",
    shows: ["empty-config"],
    content: node("n1", { "startup-config": "old" }),
    requests: [put("/nodes/n1/startup-config", "", "text/plain"), put("/nodes/n1/startup-config", " \n", "text/plain")],
  },
  {
    name: "PUT of a startup-config with unusual types",
    shows: ["put-created"],
    content: node("n1", { "startup-config": "old" }),
    requests: [
      put("/nodes/n1/startup-config", "a", undefined), get("/nodes/n1/startup-config"),
      put("/nodes/n1/startup-config", "b", "text/plain; charset=utf-8"), put("/nodes/n1/startup-config", "c", "application/octet-stream"), get("/nodes/n1/startup-config"),
    ],
  },
  {
    name: "PUT of the startup-config of a node with a definition",
    shows: ["put-created"],
    content: node("n1", { definition: DEFINITION.replaceAll("$domain", "x") }),
    requests: [get("/nodes/n1"), put("/nodes/n1/startup-config", "x", "text/plain"), get("/nodes/n1"), post(facts("n1"))],
  },
  {
    name: "PUT of the startup-config of an unknown node",
    shows: ["put-created"],
    requests: [put("/nodes/n1/startup-config", "x", "text/plain")],
  },
  {
    name: "PUT of bytes that are not UTF-8 text",
    shows: ["put-created", "bytes-kept"],
    content: { ...node("n1", { "startup-config": "old" }), ...node("n2", { "startup-config": "old" }) },
    requests: [
      put("/nodes/n1/startup-config", '{"a": 1}', "application/json"), get("/meta/nodes/n1/startup-config"),
      put("/nodes/n2/startup-config", Buffer.from([0xff, 0xfe]), "text/plain"),
    ],
  },
];
