// What all servers serve: a site of racks behind two spines, with a neighbordb of realistic length.

import { createHash } from "node:crypto";
import { createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { root } from "../scripts/run.mjs";
import { exchange, request } from "./load.mjs";

export const MIB = 1024 * 1024;
export const TEMPLATE = "templates/leaf.template";
export const LARGER = "images/extension.swix";
export const KNOWN_NODES = 64;

/** Patterns that a rack switch does not fit, before the one that it fits. */
const OTHER_PATTERNS = 20;

const neighbordb = `variables:
  spines: regex('spine\\d+\\.dc1')
  uplink: includes('Ethernet')

patterns:
${Array.from(
  { length: OTHER_PATTERNS },
  (_, row) => `  - name: row ${row + 1}
    definition: leaf
    interfaces:
      - Ethernet1: row${row + 1}-spine1.dc1:Ethernet${row + 1}
      - Ethernet2: row${row + 1}-spine2.dc1:Ethernet${row + 1}
`,
).join("")}  - name: rack switch
    definition: leaf
    interfaces:
      - Ethernet49/1: $spines:$uplink
      - Ethernet50/1: $spines:$uplink
      - none: core1:any
`;

const definition = `name: leaf
attributes:
  domain: dc1.example.net
  ntp: 192.0.2.123

actions:
  - name: base configuration
    action: add_config
    attributes:
      url: files/${TEMPLATE}
      variables:
        domain: $domain
        ntp: $ntp
    onstart: installing the base configuration
    onsuccess: the base configuration is in place
`;

const bootstrapConf = `logging:
  - destination: "ztps.example.net:514"
    level: DEBUG
  - destination: file:/tmp/ztps-log
    level: DEBUG
xmpp:
  server: xmpp.example.net
  port: 5222
  username: bootstrap
  password: eosplus
  domain: xmpp.example.net
  nickname: ztp
  rooms:
    - ztps
    - ztps-room2
`;

/** A configuration of about `bytes` bytes, as an operator would write one. */
function configuration(bytes) {
  const lines = ["hostname $hostname", "ip domain-name $domain", "ntp server $ntp"];
  for (let port = 1, length = 0; length < bytes; port += 1) {
    lines.push(`interface Ethernet${port}`, `   description rack port ${port}`, "   switchport access vlan 100", "!");
    length += 90;
  }
  return `${lines.join("\n")}\n`;
}

const savedConfiguration = configuration(4096);

/** The startup-config that a node backs up; each `version` differs. */
export const startupConfig = (version) => `! saved ${String(version).padStart(9, "0")}\n${savedConfiguration}`;

/** Every key and its content, the large files apart. */
export function content() {
  return {
    "bootstrap/bootstrap": readFileSync(join(root, "assets", "bootstrap")),
    "bootstrap/bootstrap.conf": bootstrapConf,
    neighbordb,
    "definitions/leaf": definition,
    "actions/add_config": readFileSync(join(root, "assets", "actions", "add_config")),
    [`files/${TEMPLATE}`]: configuration(4096),
    [`files/${LARGER}`]: Buffer.alloc(MIB, "a megabyte of extension "),
  };
}

/** What a switch says of itself when it boots; it fits the last pattern of neighbordb. */
export function facts(serialnumber) {
  return JSON.stringify({
    model: "DCS-7050TX-64",
    serialnumber,
    systemmac: "00:1c:73:aa:bb:cc",
    version: "4.28.0F",
    neighbors: {
      "Ethernet49/1": [{ device: "spine1.dc1", port: "Ethernet7/1" }],
      "Ethernet50/1": [{ device: "spine2.dc1", port: "Ethernet7/1" }],
      Management1: [{ device: "mgmt-sw4", port: "Ethernet12" }],
    },
  });
}

/** What the serial number of a node that no server has seen begins with. */
export const NEW_NODES = "NEW";

/** The serial number of a node that is stored before anything is measured. */
export const knownNode = (index) => `KNOWN${String(index % KNOWN_NODES).padStart(6, "0")}`;

/** The same of a node that backs up its startup-config while it is measured. */
export const backedUpNode = (index) => `SAVES${String(index % KNOWN_NODES).padStart(6, "0")}`;

/** The largest object that the runtime's store keeps in memory, in bytes. */
const MAX_IN_MEMORY = 64 * 1024;

/** Stores a key through the loader of a runtime, or a larger file in its folder. */
export async function put(runtime, key, value) {
  if (key.startsWith("files/") && value.length > MAX_IN_MEMORY) {
    write(runtime.dataRoot, key, value);
    return;
  }
  const store = /^(actions|files)\//.test(key) ? "r2" : "kv";
  const { status } = await exchange(runtime.loaderPort, request("PUT", `/${store}/${key}`, { body: value, status: 201 }));
  if (status !== 201) throw new Error(`storing ${key} was answered ${status}`);
}

/** Has a runtime forget every node that has come up while it was measured. */
export async function forgetNewNodes(runtime) {
  const { status } = await exchange(runtime.loaderPort, request("DELETE", `/kv/nodes/${NEW_NODES}`));
  if (status !== 200) throw new Error(`forgetting new nodes was answered ${status}`);
}

/** Stores a file of `size` bytes in a server's data_root; a different `seed` gives different content. */
export async function writeImage({ dataRoot }, path, size, seed) {
  const target = join(dataRoot, "files", path);
  mkdirSync(dirname(target), { recursive: true });
  await pipeline(Readable.from(image(size, seed)), createWriteStream(target));
}

/** Removes it again. */
export function removeImage({ dataRoot }, path) {
  rmSync(join(dataRoot, "files", path));
}

/** Writes content as ztpserver keeps it. */
export function writeContent(dataRoot) {
  for (const [key, value] of Object.entries(content())) write(dataRoot, key, value);
}

function write(dataRoot, key, value) {
  mkdirSync(dirname(join(dataRoot, key)), { recursive: true });
  writeFileSync(join(dataRoot, key), value);
}

/** Bytes that do not compress, a megabyte at a time. */
function* image(size, seed) {
  const block = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 32) createHash("sha256").update(`${seed} ${at}`).digest().copy(block, at);
  for (let left = size; left > 0; left -= MIB) yield left < MIB ? block.subarray(0, left) : block;
}
