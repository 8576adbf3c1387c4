// The stored content of the site, and the configuration that each switch must end with.
//
// This file makes the expected configurations itself, from the templates and the values of each switch,
// so it shares no rule with the Worker or the client. Only the address from the pool is not known
// before; it is checked on its own.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/run.mjs";
import { generator } from "../security/random.mjs";

export const SITE = "berlin";
export const POOL = "mgmt";
export const NEW_VERSION = "4.31.1F";
const IMAGE_BYTES = 4 << 20;
const IMAGE_NAME = `EOS-${NEW_VERSION}.swi`;
const IMAGE_KEY = `files/images/${IMAGE_NAME}`;

const NEIGHBORDB = `\
variables:
  spines: regex('spine\\d+')
  leafs: regex('leaf\\d+')

patterns:
  - name: leaf
    definition: leaf
    interfaces:
      - Ethernet49: $spines:any
      - Ethernet50: $spines:any
      - none: core1:any
  - name: spine
    definition: spine
    interfaces:
      - Ethernet1: $leafs:Ethernet49
      - Ethernet2: $leafs:Ethernet49
  - name: access in the offices
    definition: access
    model: DCS-7010.*
    interfaces:
      - Ethernet51: includes('agg'):any
BORDERS
  - name: everything else
    definition: quarantine
    interfaces:
      - any: any:any
`;

const INSTALL_IMAGE = `\
  - name: the image of this site
    action: install_image
    always_execute: true
    attributes:
      url: ${IMAGE_KEY}
      version: ${NEW_VERSION}
`;

const COPY_SCRIPT = `\
  - action: copy_file
    always_execute: true
    attributes:
      src_url: files/scripts/lamp.py
      dst_url: /mnt/flash/
      mode: "755"
`;

const BASE = `\
  - name: base
    action: add_config
    attributes:
      url: files/templates/base.template
      variables:
        hostname: $hostname
        ipaddress: allocate('${POOL}')
`;

const routing = (template) => `\
  - name: routing
    action: add_config
    attributes:
      url: files/templates/${template}.template
      substitution_mode: strict
      variables:
        asn: $asn
        router: $router
        ntp: $ntp
`;

const LAST = `\
  - name: what comes last
    action: add_config
    attributes:
      url: files/templates/last.template
      variables:
        hostname: $hostname
`;

const definition = (name, ...actions) => `name: ${name}\nattributes:\n  ntp: 192.0.2.123\nactions:\n${actions.join("")}`;

const TEMPLATES = {
  base: "hostname $hostname\n!\ninterface Management1\n   ip address $ipaddress\n!\n",
  leaf: "interface Loopback0\n   ip address $router/32\n!\nrouter bgp $asn\n   router-id $router\n   neighbor spines peer group\n!\nntp server $ntp\n!\n",
  spine: "router bgp $asn\n   router-id $router\n   neighbor leafs peer group\n   bgp listen range 10.0.0.0/8 peer-group leafs\n!\nntp server $ntp\n!\n",
  access: "vlan 10,20,30\n!\ninterface Loopback0\n   ip address $router/32\n!\nrouter bgp $asn\n   router-id $router\n!\nntp server $ntp\n!\n",
  border: "router bgp $asn\n   router-id $router\n   neighbor 203.0.113.1 remote-as 65000\n!\nntp server $ntp\n!\n",
  quarantine: "hostname quarantine\n!\ninterface Management1\n   ip address $ipaddress\n!\nno ip routing\n",
  last: "banner motd\nthis is $hostname\nEOF\n!\nend\n",
};

const SCRIPT = "#!/usr/bin/env python3\nprint('lamp')\n";

const DEFINITIONS = {
  leaf: definition("leaf", INSTALL_IMAGE, BASE, COPY_SCRIPT, routing("leaf"), LAST),
  spine: definition("spine", INSTALL_IMAGE, BASE, routing("spine"), LAST),
  access: definition("access", BASE, routing("access"), LAST),
  border: definition("border", COPY_SCRIPT, BASE, routing("border"), LAST),
  quarantine:
    "name: quarantine\nactions:\n  - action: add_config\n    attributes:\n      url: files/templates/quarantine.template\n" +
    `      variables:\n        ipaddress: allocate('${POOL}')\n`,
};

/** The definition of one node alone, in the record of the node. */
const ownDefinition = (hostname) =>
  `name: of ${hostname} alone\nattributes:\n  hostname: ${hostname}\nactions:\n${INSTALL_IMAGE}${BASE}${LAST}`;

/** The definition of a node with a startup-config: only its `always_execute` actions run. */
const ALWAYS = `name: always\nactions:\n${INSTALL_IMAGE}${COPY_SCRIPT}`;

/**
 * The roles of switches: the `templates` of its configuration in their order, whether it installs the
 * `image` and copies the `script`, and the shared `definition` that neighbordb gives it.
 */
export const ROLES = {
  /** The first three match a pattern by their neighbors. */
  leaf: { templates: ["base", "leaf", "last"], image: true, script: true, definition: "leaf" },
  spine: { templates: ["base", "spine", "last"], image: true, definition: "spine" },
  access: { templates: ["base", "access", "last"], definition: "access" },
  /** Has a `node:` pattern, its only candidate. */
  border: { templates: ["base", "border", "last"], script: true, definition: "border" },
  /** Has a definition of its own before the power-on. */
  own: { templates: ["base", "last"], image: true },
  /** Has a startup-config before the power-on. */
  registered: {},
  /** Has that, and a definition with actions that always run. */
  always: { image: true, script: true },
  /** Matches only the last pattern. */
  stranger: { templates: ["quarantine"], definition: "quarantine" },
};

/** The stored values and objects, by key: `{ kv, r2 }`. */
export function contentOf(switches, seed) {
  const borders = switches
    .filter(({ role }) => role === "border")
    .map(({ serial }) => `  - name: border ${serial}\n    definition: border\n    node: ${serial}\n    interfaces:\n      - Ethernet1: core1:any\n      - Ethernet2: core2:any\n`);
  const kv = { neighbordb: NEIGHBORDB.replace("BORDERS\n", borders.join("")), [`resources/${POOL}`]: pool(switches) };
  for (const [name, text] of Object.entries(DEFINITIONS)) kv[`definitions/${name}`] = text;
  for (const { serial, role, hostname, asn, router } of switches) {
    const node = `nodes/${serial}`;
    if (role === "own") kv[`${node}/definition`] = ownDefinition(hostname);
    else if (role === "always") kv[`${node}/definition`] = ALWAYS;
    else if (ROLES[role].templates?.[0] === "base") kv[`${node}/attributes`] = `hostname: ${hostname}\nasn: ${asn}\nrouter: ${router}\n`;
    if (isRegistered(role)) kv[`${node}/startup-config`] = registeredConfig(hostname);
  }
  const r2 = { [IMAGE_KEY]: image(seed), "files/scripts/lamp.py": Buffer.from(SCRIPT) };
  for (const [name, text] of Object.entries(TEMPLATES)) r2[`files/templates/${name}.template`] = Buffer.from(text);
  return { kv, r2 };
}

const isRegistered = (role) => role === "registered" || role === "always";

/** Whether a switch takes an address from the pool: each configuration made of templates does. */
export const hasAddress = ({ role }) => ROLES[role].templates !== undefined;

/** The reservations, and a range with more addresses than there are switches. */
function pool(switches) {
  const reserved = switches.filter((one) => one.reserved).map((one) => `${one.reserved}: ${one.serial}\n`);
  return `${reserved.join("")}10.20.0.10-10.20.3.250/22: null\n`;
}

/** The address that a switch may have: its reservation, or any of the range. */
export function isItsAddress({ reserved }, address) {
  if (reserved) return address === reserved;
  const match = /^10\.20\.(\d+)\.(\d+)\/22$/.exec(address);
  if (!match) return false;
  const number = Number(match[1]) * 256 + Number(match[2]);
  return number >= 10 && number <= 3 * 256 + 250;
}

function registeredConfig(hostname) {
  const ports = Array.from({ length: 48 }, (_, at) => `interface Ethernet${at + 1}\n   description ${hostname} port ${at + 1}\n!\n`);
  return `hostname ${hostname}\n!\n${ports.join("")}end\n`;
}

/** The startup-config that a switch must end with; `ADDRESS` stands for its value of the pool. */
export const ADDRESS = "<address>";
export function expectedConfig({ role, hostname, asn, router }) {
  if (isRegistered(role)) return registeredConfig(hostname);
  const values = { hostname, asn, router, ntp: "192.0.2.123", ipaddress: ADDRESS };
  const texts = ROLES[role].templates.map((name) => TEMPLATES[name].replace(/\$(\w+)/g, (_, variable) => values[variable]));
  return texts.join("");
}

/** The other files that the boot leaves on flash: { name: SHA-1 of its content }. */
export function expectedFiles({ role, version }, seed) {
  const files = {};
  if (ROLES[role].image && version !== NEW_VERSION) {
    files[IMAGE_NAME] = sha1(image(seed));
    files["boot-config"] = sha1(`SWI=flash:/${IMAGE_NAME}\n`);
  }
  if (ROLES[role].script) files["lamp.py"] = sha1(SCRIPT);
  return files;
}

/** The text that `nodes/<id>/definition` must have in the end; undefined if there must be none. */
export function expectedDefinition({ role, hostname }) {
  if (role === "own") return ownDefinition(hostname);
  if (role === "always") return ALWAYS;
  return DEFINITIONS[ROLES[role].definition];
}

/** The number of requests of a boot without any retry. */
export function expectedRequests({ role, version }) {
  const { templates = [], image: hasImage, script } = ROLES[role];
  const install = hasImage ? 1 + (version === NEW_VERSION ? 0 : 2) : 0;
  const config = isRegistered(role) ? 3 : 1 + 2 * templates.length;
  return 4 + install + config + (script ? 3 : 0);
}

let made;
/** The image: random bytes. */
function image(seed) {
  if (made?.seed !== seed) made = { seed, bytes: Buffer.from(generator(seed ^ 0x5eed).bytes(IMAGE_BYTES), "latin1") };
  return made.bytes;
}

export function sha1(content) {
  return createHash("sha1").update(content).digest("hex");
}

/** The source of a stock action, as it ships. */
export function actionSource(name) {
  return readFileSync(join(root, "assets", "actions", name));
}
