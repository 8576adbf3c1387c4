// The requests that are measured: every line of the budget, cold and warm where that differs.

import { KNOWN_NODES, LARGER, NEW_NODES, TEMPLATE, backedUpNode, facts, knownNode, startupConfig } from "./content.mjs";
import { request } from "./load.mjs";

let unique = 0;

/**
 * `shape` is what the floor's answers are filed under; `clocks` says under which clock the row is
 * measured, and which storage operations a request then costs. `next(server)` makes a function that
 * gives one request after the other.
 */
export const rows = [
  {
    name: "GET /bootstrap",
    shape: "GET /bootstrap",
    clocks: { cold: "1 KV read", warm: "none" },
    next: () => always(get("/bootstrap")),
  },
  {
    name: "GET /bootstrap/config",
    shape: "GET /bootstrap/config",
    clocks: { cold: "1 KV read", warm: "none" },
    next: () => always(get("/bootstrap/config")),
  },
  {
    name: "GET /actions/{name}",
    shape: "GET /actions",
    clocks: { cold: "1 R2 get", warm: "none" },
    next: () => always(get("/actions/add_config")),
  },
  {
    name: "GET /files, 4 KiB",
    shape: "GET /files",
    clocks: { cold: "1 R2 get", warm: "none" },
    next: () => always(get(`/files/${TEMPLATE}`)),
  },
  {
    name: "GET /files, 1 MiB",
    shape: "GET /files",
    clocks: { warm: "1 R2 get" },
    next: () => always(get(`/files/${LARGER}`)),
  },
  {
    name: "POST /nodes, known",
    shape: "POST /nodes 409",
    clocks: { warm: "1 bulk KV read, 1 look" },
    next: () => inTurn((index) => post(knownNode(index), 409)),
  },
  {
    name: "POST /nodes, new",
    shape: "POST /nodes 201",
    clocks: { cold: "1 bulk and 2 KV reads, 1 look, 3 writes", warm: "1 bulk KV read, 1 look, 3 writes" },
    next: () => () => post(newNode(), 201),
  },
  {
    name: "GET /nodes/{id}",
    shape: "GET /nodes",
    clocks: { warm: "1 bulk KV read, 1 look" },
    next: () => inTurn((index) => get(`/nodes/${knownNode(index)}`)),
  },
  {
    name: "PUT startup-config, changed",
    shape: "PUT startup-config",
    clocks: { warm: "1 KV write" },
    next: (server) => () => putConfig(backedUpNode((unique += 1)), unique, server.putStatus),
  },
  {
    name: "GET startup-config",
    shape: "GET startup-config",
    clocks: { warm: "1 KV read" },
    next: () => always(get(`/nodes/${knownConfigNode}/startup-config`)),
  },
  {
    name: "GET /meta/files, remembered",
    shape: "GET /meta",
    clocks: { cold: "1 R2 head, 1 KV read", warm: "none" },
    next: () => always(get(`/meta/files/${TEMPLATE}`)),
  },
  {
    name: "GET /meta/nodes",
    shape: "GET /meta",
    clocks: { warm: "1 KV read" },
    next: () => always(get(`/meta/nodes/${knownConfigNode}/startup-config`)),
  },
];

/** What the floor answers without any storage operation: workerd alone, and with a log line. */
export const emptyRequests = { silent: () => silent, logged: () => logged };

/** Requests of a boot. */
export const BOOT_LENGTH = 9;

/**
 * The conversations of new nodes, one after the other, on a connection per request as switches make
 * them.
 */
export function boots(server) {
  let left = [];
  return () => {
    if (left.length === 0) left = conversation(server, newNode());
    return left.shift();
  };
}

/** What a node asks from power-on to the backup of its configuration. */
function conversation(server, node) {
  const close = true;
  return [
    get("/bootstrap", { close }),
    get("/bootstrap/config", { close }),
    post(node, 201, { close }),
    get(`/nodes/${node}`, { close }),
    get("/actions/add_config", { close }),
    get(`/meta/files/${TEMPLATE}`, { close }),
    get(`/files/${TEMPLATE}`, { close }),
    putConfig(node, 0, server.putStatus, { close }),
    get(`/nodes/${node}/startup-config`, { close }),
  ];
}

/** What every server has to be sent before it is measured. */
export function* preparations(server) {
  for (let index = 0; index < KNOWN_NODES; index += 1) {
    yield post(knownNode(index), 201);
    yield post(backedUpNode(index), 201);
  }
  yield post(knownConfigNode, 201);
  yield putConfig(knownConfigNode, 0, server.putStatus);
}

const knownConfigNode = "SAVED000001";

const get = (path, options) => request("GET", path, options);

const silent = get("/");
const logged = get("/logged");

const post = (node, status, options) =>
  request("POST", "/nodes", { body: facts(node), type: "application/json", status, ...options });

const putConfig = (node, version, status, options) =>
  request("PUT", `/nodes/${node}/startup-config`, { body: startupConfig(version), status, ...options });

/** The serial number of a node that no server has seen. */
const newNode = () => `${NEW_NODES}${String((unique += 1)).padStart(8, "0")}`;

const always = (wanted) => () => wanted;

function inTurn(make) {
  const all = Array.from({ length: KNOWN_NODES }, (_, index) => make(index));
  let at = 0;
  return () => all[(at += 1) % all.length];
}
