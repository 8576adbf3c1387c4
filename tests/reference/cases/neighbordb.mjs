// POST of unknown nodes, GET of their definitions, and patterns of static nodes.

import { facts, get, post, put, sees, stored } from "./requests.mjs";

const LEAF = `# The actions of a leaf.
name: leaf
attributes: {ntp: 192.0.2.1, domain: example.net}
actions:
  - name: configure
    action: add_config
    attributes: {url: files/leaf, variables: {ntp: $ntp, domain: $domain, hostname: $hostname}}
  - action: install_image
    always_execute: true
`;
const spines = sees({ Ethernet1: "spine1:Ethernet7", Ethernet2: "spine2:Ethernet7" });

/** A case: POST of the nodes in `seen` (by id, with their neighbors) with a neighbordb, and GET of each. */
// The keys of a definition are in alphabetical order, because ztpserver sorts them in its copy.
function matching(name, { neighbordb, seen = { n1: spines }, others = {}, asked = true, content = {}, ...rest }) {
  const ids = Object.keys(seen);
  return {
    name,
    content: { neighbordb, "definitions/leaf": "actions: []\nname: leaf\n", "definitions/spine": "actions: []\nname: spine\n", ...content },
    requests: [
      ...ids.map((id) => post(facts(id, { neighbors: seen[id], ...others }))),
      ...(asked ? ids.map((id) => get(`/nodes/${id}`)) : []),
    ],
    ...rest,
  };
}

const pattern = (lines, more = "") => `patterns:\n- name: p\n  definition: leaf\n${more}  interfaces:\n${lines.map((line) => `  - ${line}\n`).join("")}`;

/** Nodes of which each form of a line matches some, but not all. */
const VARIED = {
  n1: sees({ Ethernet1: "spine1:Ethernet7" }),
  n2: sees({ Ethernet1: "spine1:Ethernet8" }),
  n3: sees({ Ethernet1: "spine2:Ethernet7" }),
  n4: sees({ Ethernet2: "spine1:Ethernet7" }),
  n5: sees({ Ethernet1: "other:Ethernet9", Ethernet2: "spine1:Ethernet7" }),
  n6: sees({ Ethernet1: "" }),
  n7: {},
};

/** Every combination of keyword and name in the three parts of a line, and the difference that it shows, if any. */
const FORMS = ["any", "none", "Ethernet1"].flatMap((local) =>
  ["any", "none", "spine1"].flatMap((device) =>
    ["any", "none", "Ethernet7"].map((port) => {
      const neverMet = port === "none" && (local === "any" ? device === "spine1" : local === "Ethernet1" && device !== "none");
      return { local, device, port, shows: neverMet ? ["port-none"] : [] };
    }),
  ),
);

const SPELLINGS = [
  "Ethernet1", "ethernet1", "ETHERNET1", "eth1", "et1", "e1", "E1", "Ethernet1-2", "Ethernet1,2",
  "Ethernet1, 2", "et1-et2", "Ethernet2,Ethernet1", "Ethernet1-2,Management1", "Ethernet1-2,2",
  "Ethernet1,4", "Ethernet1-3", "Management1", "Ethernet1/1", "Ethernet1/1-1/2",
  "Ether1", "Ethernet", "Ethernet0", "Ethernet2-1", "Ethernet1-1", "Ethernet1-", "Ethernet1-2-3",
  "Ethernet1/2-2/3", "Vlan1", "Port-Channel1", "Ethernet1/2/3/4", "Ethernet1-Management2", "'1-2'", "ethernet 1",
];

const PEERS = [
  "spine1", "spine2", "SPINE1", "spine", "any", "'spine1:Ethernet7'", "'spine1:Ethernet8'", "'spine1:any'", "'any:Ethernet7'",
  "{device: spine1}", "{device: spine1, port: Ethernet7}", "{device: spine1, port: any}", "{device: any, port: Ethernet7}", "{device: spine1, port: Ethernet8}",
  "exact('spine1')", "exact('spine')", "regex('spine')", "regex('pine')", "regex('spine\\d$')", "regex('.*1')", "regex('^spine1$')", "regex('SPINE')",
  "regex('(?i)SPINE')", "regex('(spine|leaf)\\d+')", "regex('(?P<n>s)pine1')", "regex('(.)p(?!q)ine1')", "regex('spine1\\Z')", "regex(\"spine[0-9]\")",
  "includes('pin')", "includes('x')", "excludes('pin')", "excludes('x')", "\"regex('spine.'):regex('Eth.*7')\"", "{device: regex('s'), port: includes('7')}",
  "{device: includes('1'), port: excludes('8')}", "'$spine'", "'$spine:$port'", "{device: $spine, port: $port}", "'$own'", "'$undefined'", "matches('spine1')",
  "{port: Ethernet7}", "{}", "[spine1]", "two words",
];

export default [
  ...FORMS.map(({ local, device, port, shows }) =>
    matching(`a line ${local}: ${device}:${port}`, { neighbordb: pattern([`${local}: {device: ${device}, port: ${port}}`]), seen: VARIED, shows }),
  ),
  ...SPELLINGS.map((spelling) =>
    matching(`interfaces written ${spelling}`, {
      neighbordb: pattern([`${spelling}: any`]),
      seen: {
        n1: spines,
        n2: sees({ Ethernet1: "a:b" }),
        n3: sees({ Ethernet1: "a:b", Ethernet2: "a:b", Management1: "a:b" }),
        n4: sees({ "Ethernet1/1": "a:b", "Ethernet1/2": "a:b" }),
      },
    }),
  ),
  ...PEERS.map((peer) =>
    matching(`a peer written ${peer}`, {
      neighbordb: `variables: {spine: "regex('spine')", port: Ethernet7, own: spine9}\n${pattern([`Ethernet1: ${peer}`], "  variables: {own: spine1}\n")}`,
    }),
  ),

  matching("the definition that is copied and sent", {
    shows: ["copied-definition"],
    neighbordb: pattern(["Ethernet1: spine1"]),
    content: { "definitions/leaf": LEAF },
  }),
  matching("the first of several patterns that match", {
    neighbordb: `patterns:
- {name: none, definition: leaf, interfaces: [Ethernet1: core1]}
- {name: first, definition: spine, interfaces: [Ethernet1: spine1]}
- {name: second, definition: leaf, interfaces: [any: any]}
`,
    seen: { n1: spines, n2: sees({ Ethernet1: "x:y" }), n3: {} },
  }),
  matching("lines with fewer interfaces", {
    neighbordb: pattern(["any: spine1", "any: \"regex('spine')\"", "Ethernet1: any"]),
    seen: { n1: spines, n2: sees({ Ethernet1: "spine2:x", Ethernet2: "spine1:x", Ethernet3: "spine3:x" }), n3: sees({ Ethernet3: "spine1:x", Ethernet2: "spine2:x", Ethernet1: "z:x" }) },
  }),
  matching("several lines in one entry", { neighbordb: "patterns:\n- {name: p, definition: leaf, interfaces: [{Ethernet1: spine1, Ethernet2: spine2}]}\n" }),
  matching("two neighbors on a port", {
    shows: ["every-neighbor"],
    neighbordb: pattern(["Ethernet1: spine2", "none: core1"]),
    seen: { n1: sees({ Ethernet1: "spine1:x, spine2:x" }), n2: sees({ Ethernet1: "spine2:x, core1:x" }), n3: sees({ Ethernet1: "spine2:x, spine1:x" }) },
  }),
  matching("a line that forbids after one that is satisfied", {
    shows: ["forbidden-first"],
    neighbordb: pattern(["Ethernet1: any", "none: core1"]),
    seen: { n1: sees({ Ethernet1: "core1:x" }), n2: sees({ Ethernet1: "spine1:x" }) },
  }),
  matching("a neighbor with a name like a keyword", {
    shows: ["keyword-prefix"],
    neighbordb: pattern(["none: {device: anycast1, port: anyport}"]),
    seen: { n1: spines, n2: sees({ Ethernet1: "anycast1:anyport" }) },
  }),
  ...[
    ["none: none"],
    ["none: 'none:none'", "none: none"],
    ["none: none", "none: core1", "Ethernet1: none"],
    ["none: none", "Ethernet1: spine1"],
    ["none: none", "any: any"],
    ["Ethernet1: spine1", "none: none"],
    ["any: any", "none: none"],
    ["any: any", "none: none", "any: any"],
    ["Ethernet1-2: any", "none: none"],
    ["any: \"regex('spine')\"", "none: none", "none: spine2"],
    ["none: '$nobody:$nobody'"],
    ["none: {device: $nobody, port: none}"],
    ["none: {device: none, port: $nobody}"],
    ["none: 'none:none '"],
    ["any: 'none:none'"],
    ["Ethernet1: 'none:none'"],
  ].map((lines) =>
    matching(`no neighbors: ${lines.join(", ")}`, {
      neighbordb: `variables: {nobody: none}\n${pattern(lines)}`,
      seen: {
        n1: {},
        n2: sees({ Ethernet1: "spine1:x" }),
        n3: sees({ Ethernet1: "spine1:x", Ethernet2: "spine2:x" }),
        n4: sees({ Ethernet2: "spine2:x", Ethernet1: "spine1:x" }),
        n5: sees({ Ethernet1: "", Management1: "oob:7" }),
        n6: sees({ Ethernet1: "", Ethernet2: "" }),
      },
    }),
  ),
  matching("Management0", {
    shows: ["management-0"],
    neighbordb: pattern(["Management0: oob1"]),
    seen: { n1: sees({ Management0: "oob1:Ethernet7" }), n2: sees({ Management1: "oob1:Ethernet7" }) },
  }),
  matching("a device whatever its domain and case", {
    shows: ["host-function"],
    neighbordb: pattern(["Ethernet1: host('spine1')"]),
    seen: { n1: sees({ Ethernet1: "SPINE1.example.net:Ethernet7" }), n2: sees({ Ethernet1: "spine2:Ethernet7" }) },
  }),
  matching("ports in the short form of EOS", {
    shows: ["short-ports"],
    neighbordb: pattern(["Ethernet1: spine1:Et49/1", "any: spine2:Po1"]),
    seen: {
      n1: sees({ Ethernet1: "spine1:Ethernet49/1", Ethernet2: "spine2:Port-Channel1" }),
      n2: sees({ Ethernet1: "spine1:Et49/1", Ethernet2: "spine2:Po1" }),
      n3: sees({ Ethernet1: "spine1:Ethernet49/2", Ethernet2: "spine2:Po1" }),
    },
  }),
  matching("a node without neighbors and one with", {
    neighbordb: "patterns:\n- {name: nothing connected, definition: leaf, interfaces: [none: 'none:none']}\n- {name: anything connected, definition: spine, interfaces: [any: 'any:any']}\n",
    seen: { n1: {}, n2: spines, n3: sees({ Ethernet1: "" }) },
  }),
  ...["regex(spine)", "regex('spine1", "regex('spine1')x", "'spine1:Ethernet7:x'", "{device: spine1, prot: x}", "exact('')"].map((peer) =>
    matching(`a peer that ztpserver interprets otherwise, ${peer}`, {
      shows: ["checked-neighbordb"],
      neighbordb: `${pattern([`any: ${peer}`])}- {name: catch, definition: spine, interfaces: []}\n`,
    }),
  ),
  matching("an invalid regular expression for an interface that the node does not have", {
    shows: ["checked-neighbordb"],
    neighbordb: `patterns:\n- {name: first, definition: leaf, interfaces: [Ethernet1: spine1]}\n- {name: bad, definition: leaf, interfaces: [Ethernet9: "regex('(')"]}\n`,
  }),
  matching("an invalid regular expression after a pattern that matches", {
    neighbordb: `patterns:\n- {name: first, definition: leaf, interfaces: [Ethernet1: spine1]}\n- {name: bad, definition: leaf, interfaces: [Ethernet1: "regex('(')"]}\n`,
  }),
  matching("an invalid regular expression", { neighbordb: pattern(["Ethernet1: \"regex('(')\""]) }),

  matching("a pattern for one node", {
    shows: ["usable-patterns"],
    neighbordb: `patterns:
- {name: all, definition: spine, interfaces: [any: any]}
- {name: one, definition: leaf, node: n1}
- {name: wired, definition: leaf, node: n2, interfaces: [Ethernet1: spine1]}
- {name: again, definition: spine, node: n1}
`,
    seen: { n1: spines, n2: spines, n3: spines },
  }),
  matching("a pattern for one node that does not match", {
    neighbordb: "patterns:\n- {name: all, definition: spine, interfaces: [any: any]}\n- {name: one, definition: leaf, node: n1, interfaces: [Ethernet1: core1]}\n",
  }),
  matching("a node that is a number", { shows: ["number-names", "usable-patterns"], neighbordb: "patterns:\n- {name: one, definition: leaf, node: 1234}\n", seen: { 1234: {} } }),
  matching("a definition that is a number", { shows: ["number-names"], neighbordb: "patterns:\n- {name: p, definition: 7, interfaces: [any: any]}\n", content: { "definitions/7": "actions: []\n" } }),
  matching("a variable that is a number", { shows: ["number-names"], neighbordb: `variables: {spine: 7}\n${pattern(["Ethernet1: $spine"])}`, seen: { n1: sees({ Ethernet1: "7:x" }) } }),
  matching("a name that is a number", { neighbordb: "patterns:\n- {name: 7, definition: leaf, interfaces: [any: any]}\n" }),
  ...["DCS-7050", "DCS-7050TX-64-F$", "7050", ".*TX", "(?i)dcs", "vEOS"].map((model) =>
    matching(`the model ${model}`, { shows: model === "7050" || model === "vEOS" ? [] : ["usable-patterns"], neighbordb: `patterns:\n- {name: p, definition: leaf, model: '${model}'}\n` }),
  ),
  matching("a model with its vendor", {
    shows: ["model-vendor"],
    neighbordb: pattern(["any: any"], "  model: Arista DCS-7050\n"),
  }),
  matching("a model and interfaces", { neighbordb: pattern(["Ethernet1: spine1"], "  model: DCS\n"), seen: { n1: spines, n2: sees({ Ethernet1: "core1:x" }) } }),
  matching("a model, of a node that did not say its own", {
    shows: ["no-model"],
    neighbordb: "patterns:\n- {name: first, definition: leaf, model: DCS}\n- {name: second, definition: spine, interfaces: [any: any]}\n",
    others: { model: null },
  }),
  matching("a config-handler", {
    shows: ["config-handler"],
    neighbordb: pattern(["any: any"], "  config-handler: save\n"),
    content: { "config-handlers/save": "#!/bin/sh\n# ü\n" },
  }),
  matching("a missing config-handler", { neighbordb: pattern(["any: any"], "  config-handler: save\n") }),

  ...[
    ["nothing", ""],
    ["comments", "# none\n"],
    ["no patterns", "variables: {a: b}\n"],
    ["patterns of nothing", "patterns:\n"],
    ["an empty list of patterns", "patterns: []\n"],
    ["invalid YAML", "patterns: [\n"],
    ["a list", "- name: p\n"],
    ["a text", "patterns\n"],
    ["patterns that are a number", "patterns: 7\n"],
    ["variables that are a list", `variables: [a]\n${pattern(["any: any"])}`],
    ["a variable named any", `variables: {any: b}\n${pattern(["any: any"])}`],
    ["a pattern without a name", "patterns: [{definition: leaf, interfaces: []}]\n"],
    ["a pattern without a definition", "patterns: [{name: p, interfaces: []}]\n"],
    ["a pattern with nothing to match", "patterns: [{name: p, definition: leaf}]\n"],
    ["a pattern with node and model", "patterns: [{name: p, definition: leaf, node: n1, model: x}]\n"],
    ["a pattern with an unknown key", "patterns: [{name: p, definition: leaf, interfaces: [], color: red}]\n"],
    ["a pattern with a space in the definition", "patterns: [{name: p, definition: a b, interfaces: []}]\n"],
    ["a pattern whose interfaces are a number", "patterns: [{name: p, definition: leaf, interfaces: 7}]\n"],
    ["a pattern whose interfaces are nothing", "patterns: [{name: p, definition: leaf, interfaces: }]\n"],
    ["a line that is a text", "patterns: [{name: p, definition: leaf, interfaces: [any]}]\n"],
    ["a peer that is nothing", "patterns: [{name: p, definition: leaf, interfaces: [any: ]}]\n"],
    ["an invalid pattern after one that matches", `${pattern(["any: any"])}- {name: bad, definition: leaf, interfaces: [Vlan1: any]}\n`],
  ].map(([what, neighbordb]) => matching(`a neighbordb with ${what}`, { neighbordb })),
  matching("a pattern that is empty", { shows: ["usable-patterns"], neighbordb: "patterns: [{name: p, definition: leaf, interfaces: []}]\n" }),
  { name: "no neighbordb", requests: [post(facts("n1")), get("/nodes/n1")] },
  matching("a missing definition", { neighbordb: "patterns: [{name: p, definition: absent, interfaces: [any: any]}]\n" }),
  matching("a definition in a folder", { neighbordb: "patterns: [{name: p, definition: site/leaf, interfaces: [any: any]}]\n", content: { "definitions/site/leaf": "actions: []\n" } }),
  matching("a definition that is not YAML", { neighbordb: pattern(["any: any"]), content: { "definitions/leaf": "actions: [\n" } }),
  matching("a definition without actions", { shows: ["checked-definition"], neighbordb: pattern(["any: any"]), content: { "definitions/leaf": "name: x\n" } }),
  matching("a definition out of its folder", { shows: ["folder-escape"], neighbordb: "patterns: [{name: p, definition: ../bootstrap/bootstrap.conf, interfaces: [any: any]}]\n", content: { "bootstrap/bootstrap.conf": "actions: []\n" } }),
  matching("a MAC address as node", {
    settings: "systemmac",
    neighbordb: "patterns: [{name: p, definition: leaf, node: 001c73010203}]\n",
    asked: false,
  }),
  matching("a MAC address with colons as node", {
    settings: "systemmac",
    shows: ["mac-spelling"],
    neighbordb: "patterns: [{name: p, definition: leaf, node: '00:1c:73:01:02:03'}]\n",
    asked: false,
  }),
  matching("a node that is not a MAC address", {
    settings: "systemmac",
    neighbordb: "patterns: [{name: p, definition: leaf, node: leaf-1}, {name: q, definition: leaf, interfaces: []}]\n",
    asked: false,
  }),

  {
    name: "a node whose cabling changed",
    everySetting: true,
    content: { neighbordb: pattern(["any: spine1"]), "definitions/leaf": "actions: []\nname: leaf\n" },
    requests: ["n1", "001c73010203"].flatMap((id) => [
      post(facts("n1", { neighbors: spines })),
      get(`/nodes/${id}`),
      post(facts("n1", { neighbors: sees({ Ethernet1: "core1:x" }) })),
      get(`/nodes/${id}`),
      post(facts("n1", { neighbors: spines })),
      get(`/nodes/${id}`),
    ]),
  },
  {
    name: "a node that saves its startup-config and boots again",
    shows: ["put-created", "copied-definition"],
    content: { neighbordb: pattern(["Ethernet1: spine1"]), "definitions/leaf": LEAF.replace("always_execute: true", "always_execute: yes") },
    requests: [
      post(facts("n1", { neighbors: spines })),
      put("/nodes/n1/startup-config", "hostname n1\n", "text/plain"),
      post(facts("n1", { neighbors: spines })),
      get("/nodes/n1"),
      get("/nodes/n1/startup-config"),
    ],
  },

  ...[
    ["that matches", "name: x\ninterfaces:\n- Ethernet1: spine1\n", []],
    ["that does not match", "name: x\ninterfaces:\n- Ethernet1: core1\n", []],
    ["that forbids", "interfaces:\n- none: spine2\n", []],
    ["that forbids every neighbor", "interfaces:\n- none: none:none\n", []],
    ["that forbids every other neighbor", "interfaces:\n- Ethernet1: spine1\n- Ethernet2: spine2\n- none: none:none\n", []],
    ["with a variable", "interfaces:\n- Ethernet1: $s\nvariables: {s: \"includes('pine')\"}\n", []],
    ["with an undefined variable", "interfaces:\n- Ethernet1: $s\n", []],
    ["as ztpserver stores it", "config-handler: null\ninterfaces:\n- Ethernet1: spine1\nmodel: null\nname: p\n", []],
    ["of a model", "interfaces:\n- any: any\nmodel: DCS\n", []],
    ["of another model", "interfaces:\n- any: any\nmodel: vEOS\n", []],
    ["of a model alone", "model: DCS\nname: x\n", []],
    ["for a node", "node: n1\nname: x\n", []],
    ["for another node", "node: n2\nname: x\n", []],
    ["for a node and a model", "node: n1\nmodel: DCS\n", []],
    ["with a definition", "name: x\ndefinition: leaf\ninterfaces: []\n", []],
    ["with a config-handler", "name: x\nconfig-handler: save\ninterfaces: []\n", []],
    ["with an unknown key", "name: x\ninterfaces: []\ncolor: red\n", []],
    ["that is invalid", "name: x\ninterfaces: [any: none]\n", []],
    ["that is not YAML", "interfaces: [\n", []],
    ["that is empty", "", []],
    ["that is a list", "- any: any\n", []],
    ["without anything to check", "name: x\n", []],
    ["with interfaces of nothing", "name: x\ninterfaces:\n", []],
    ["as ztpserver stores it without interfaces", "config-handler: null\ninterfaces:\n- any:\n    any: any\nmodel: null\nname: p\n", ["usable-patterns"]],
    ["as ztpserver stores it for a node", "config-handler: null\ninterfaces:\n- Ethernet1: spine1\nmodel: null\nname: p\nnode: n1\n", ["usable-patterns"]],
  ].map(([what, text, shows]) => ({
    name: `a static node with a pattern ${what}`,
    shows,
    settings: "default",
    content: { "nodes/n1/.node": stored("n1", { neighbors: spines }), "nodes/n1/pattern": text, "nodes/n1/startup-config": "x" },
    requests: [get("/nodes/n1")],
  })),
  {
    name: "a pattern that does not match, validation off",
    settings: "unchecked",
    content: { "nodes/n1/.node": stored("n1", { neighbors: spines }), "nodes/n1/pattern": "interfaces: [\n", "nodes/n1/startup-config": "x" },
    requests: [get("/nodes/n1")],
  },
  {
    name: "a pattern, and no facts to check",
    settings: "default",
    content: { "nodes/n1/pattern": "interfaces: [Ethernet1: spine1]\n", "nodes/n1/startup-config": "x" },
    requests: [get("/nodes/n1")],
  },
  {
    name: "stored facts that are broken",
    settings: "default",
    content: { "nodes/n1/.node": "{", "nodes/n1/pattern": "interfaces: [Ethernet1: spine1]\n", "nodes/n1/startup-config": "x" },
    requests: [get("/nodes/n1")],
  },
];
