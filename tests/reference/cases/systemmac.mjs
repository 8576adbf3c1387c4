// Nodes that are known by their MAC address.

import { facts, get, post, put, stored } from "./requests.mjs";

const known = (id) => ({ [`nodes/${id}/definition`]: "actions: []\n" });
const settings = "systemmac";

export default [
  {
    name: "a MAC address with colons, dots or nothing",
    settings,
    content: known("001c73010203"),
    requests: ["00:1c:73:01:02:03", "001c.7301.0203", "001c73010203"].map((systemmac) => post(facts("N1", { systemmac }))),
  },
  {
    name: "a MAC address with hyphens",
    settings,
    shows: ["mac-spelling"],
    content: known("001c73010203"),
    requests: [post(facts("N1", { systemmac: "00-1c-73-01-02-03" }))],
  },
  {
    name: "a MAC address in capitals",
    settings,
    shows: ["mac-spelling"],
    content: known("001c73010203"),
    requests: [post(facts("N1", { systemmac: "00:1C:73:01:02:03" }))],
  },
  {
    name: "a MAC address in a path",
    settings,
    shows: ["mac-spelling"],
    content: { "nodes/001c73010203/startup-config": "x", "nodes/001c73010203/.node": stored("N1"), "nodes/001c73010203/pattern": "name: x\ninterfaces: []\n" },
    requests: [
      get("/nodes/001c73010203"), get("/nodes/001c73010203/startup-config"),
      get("/nodes/00:1C:73:01:02:03/startup-config"), get("/nodes/001c.7301.0203"), get("/meta/nodes/00-1c-73-01-02-03/startup-config"),
      put("/nodes/00:1c:73:01:02:03/startup-config", "y", "text/plain"),
    ],
  },
  {
    name: "a MAC address in capitals, known by another",
    settings: "default",
    shows: ["mac-spelling"],
    content: known("N1"),
    requests: [post(facts("N1", { systemmac: "00-1C-73-01-02-03" }))],
  },
  {
    name: "no MAC address",
    settings,
    content: known("veos"),
    requests: [post({ serialnumber: "", systemmac: "", neighbors: {} }), post({ serialnumber: "N1", neighbors: {} })],
  },
];
