// The content of all servers, and the requests that are measured: a site of racks between two spines, with a
// neighbordb of realistic length.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../scripts/run.mjs";
import { exchange, request } from "./load.mjs";

export const MIB = 1024 * 1024;
const TEMPLATE = "templates/leaf.template";
const LARGE = "files/images/extension.swix";
const KNOWN_NODES = 16;
/** Serial numbers: of a node with a value of a pool, of one with a startup-config; the start of unknown ones. */
const [POOLED, SAVED] = ["POOL000001", "SAVED000001"];
export const NEW = "NEW";

const range = (count, make) => Array.from({ length: count }, (_, index) => make(index + 1)).join("");

const NEIGHBORDB = `variables:
  spines: regex('spine\\d+\\.dc1')
  uplink: includes('Ethernet')

patterns:
${range(20, (row) => `  - name: row ${row}
    definition: leaf
    interfaces:
      - Ethernet1: row${row}-spine1.dc1:Ethernet${row}
      - Ethernet2: row${row}-spine2.dc1:Ethernet${row}
`)}  - name: rack switch
    definition: leaf
    interfaces:
      - Ethernet49/1: $spines:$uplink
      - Ethernet50/1: $spines:$uplink
      - none: core1:any
`;
const definition = (address) => `name: leaf
attributes: {domain: dc1.example.net, ntp: 192.0.2.123}
actions:
  - name: base configuration
    action: add_config
    attributes: {url: files/${TEMPLATE}, variables: {domain: $domain, ntp: $ntp, address: ${address}}}
    onstart: installing the base configuration
    onsuccess: the base configuration is installed
`;
/** About 4 KiB. */
const CONFIGURATION = `ip domain-name $domain
ntp server $ntp
${range(48, (port) => `interface Ethernet${port}\n   description rack port ${port}\n   switchport access vlan 100\n!\n`)}`;

const CONTENT = {
  "bootstrap/bootstrap": readFileSync(join(root, "assets", "bootstrap")),
  "bootstrap/bootstrap.conf": 'logging: [{destination: "ztps.example.net:514", level: DEBUG}]\n',
  neighbordb: NEIGHBORDB,
  "definitions/leaf": definition("192.0.2.1/24"),
  [`nodes/${POOLED}/definition`]: definition("allocate('mgmt')"),
  [`nodes/${SAVED}/startup-config`]: CONFIGURATION,
  "resources/mgmt": "192.0.2.10/24: null\n192.0.2.11/24: null\n",
  "actions/add_config": readFileSync(join(root, "assets", "actions", "add_config")),
  [`files/${TEMPLATE}`]: CONFIGURATION,
  [LARGE]: Buffer.alloc(MIB, "a megabyte of extension "),
};

let made = 0;
const newNode = () => `${NEW}${String((made += 1)).padStart(8, "0")}`;
const knownNode = (prefix = "KNOWN", number = (made += 1) % KNOWN_NODES) => `${prefix}${String(number).padStart(6, "0")}`;
const get = (path) => request("GET", path);

function post(serialnumber, status) {
  const spine = (number) => [{ device: `spine${number}.dc1`, port: "Ethernet7/1" }];
  const neighbors = { "Ethernet49/1": spine(1), "Ethernet50/1": spine(2), Management1: spine(3) };
  const facts = { model: "DCS-7050TX-64", serialnumber, systemmac: "00:1c:73:aa:bb:cc", version: "4.28.0F", neighbors };
  return request("POST", "/nodes", { body: JSON.stringify(facts), type: "application/json", statuses: [status] });
}

/** ztpserver 2.1.0 sends 200, the specification says 201. */
const putConfig = (node) => request("PUT", `/nodes/${node}/startup-config`, { body: CONFIGURATION, statuses: [201, 200] });

/** Every kind of request. `depth`: storage operations that it waits for one after the other, cold and warm. */
export const KINDS = [
  { name: "GET /bootstrap", depth: [1, 0], next: () => get("/bootstrap") },
  { name: "GET /bootstrap/config", depth: [1, 0], next: () => get("/bootstrap/config") },
  { name: "GET /actions/{name}", depth: [1, 0], next: () => get("/actions/add_config") },
  { name: "GET /files/{path}, 4 KiB", depth: [1, 0], next: () => get(`/files/${TEMPLATE}`) },
  { name: "GET /files/{path}, 1 MiB", depth: [1, 1], next: () => get(`/${LARGE}`) },
  { name: "GET /meta/files/{path}", depth: [1, 0], next: () => get(`/meta/files/${TEMPLATE}`) },
  { name: "GET /meta/nodes/{id}/{record}", depth: [1, 1], next: () => get(`/meta/nodes/${SAVED}/startup-config`) },
  { name: "POST /nodes, known", depth: [1, 1], next: () => post(knownNode(), 409) },
  { name: "POST /nodes, new", depth: [3, 2], next: () => post(newNode(), 201) },
  { name: "GET /nodes/{id}", depth: [1, 1], next: () => get(`/nodes/${knownNode()}`) },
  // The plugin that allocates for ztpserver 2.1.0 does not run in Python 3.
  { name: "GET /nodes/{id}, a pool", depth: [2, 2], next: () => get(`/nodes/${POOLED}`), servers: ["worker", "floor"] },
  { name: "GET startup-config", depth: [1, 1], next: () => get(`/nodes/${SAVED}/startup-config`) },
  { name: "PUT startup-config", depth: [2, 2], next: () => putConfig(knownNode("SAVES")) },
];

/** The requests of a new node, from power-on to the backup of its configuration. */
export function boot() {
  const node = newNode();
  const before = [get("/bootstrap"), get("/bootstrap/config"), post(node, 201), get(`/nodes/${node}`)];
  const action = [get("/actions/add_config"), get(`/meta/files/${TEMPLATE}`), get(`/files/${TEMPLATE}`)];
  return [...before, ...action, putConfig(node), get(`/nodes/${node}/startup-config`)];
}

/** Boots, one after the other: a function that makes the next request. */
export function boots() {
  let left = [];
  return () => (left.length > 0 ? left : (left = boot())).shift();
}

/** Stores all content in a server, and has it meet the known nodes. */
export async function fill(server) {
  for (const [key, value] of Object.entries(CONTENT)) {
    const store = /^(actions|files)\//.test(key) ? "r2" : "kv";
    if (server.storesPort) {
      await exchange(server.storesPort, request("PUT", `/${store}/${key}`, { body: value }));
    } else {
      mkdirSync(dirname(join(server.dataRoot, key)), { recursive: true });
      writeFileSync(join(server.dataRoot, key), value);
    }
  }
  // Writes of one key wait for each other: many nodes have theirs written.
  for (const prefix of ["KNOWN", "SAVES"]) {
    for (let number = 0; number < KNOWN_NODES; number += 1) await exchange(server.port, post(knownNode(prefix, number), 201));
  }
}
