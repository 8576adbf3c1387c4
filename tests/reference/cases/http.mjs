// Methods, and unknown paths.

import { get, post, facts } from "./requests.mjs";

const PATHS = ["/bootstrap", "/bootstrap/config", "/nodes", "/nodes/N1", "/nodes/N1/startup-config", "/actions/a", "/files/a", "/meta/files/a"];

export default [
  {
    name: "methods that a path does not have",
    content: { "files/a": "a", "actions/a": "a", "nodes/N1/startup-config": "kept" },
    requests: PATHS.flatMap((path) =>
      ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .filter((method) => method !== "GET" || path === "/nodes")
        .filter((method) => !(method === "POST" && path === "/nodes"))
        .filter((method) => !(method === "PUT" && path === "/nodes/N1/startup-config"))
        .map((method) => ({ method, path, body: method === "GET" ? undefined : "{}" })),
    ),
  },
  {
    name: "unknown paths",
    content: { "files/a": "a", "actions/a": "a", "bootstrap/bootstrap": "x", "nodes/N1/startup-config": "x" },
    requests: [
      "/", "//", "/nope", "/bootstrap/", "/bootstrap/conf", "/bootstrap/config/", "/bootstrap/bootstrap", "/Bootstrap",
      "/nodes/", "/nodes/N1/", "/nodes/N1/startup-config/", "/nodes/N1/definition", "/nodes/N1/pattern", "/nodes/N1/.node", "/nodes/N1/attributes",
      "/nodes//startup-config", "/actions", "/actions/", "/actions/a/", "/actions/a/b", "/files", "/neighbordb", "/definitions/leaf", "/resources/net",
      "/nodes/new", "/nodes/N1/edit", "/actions/new", "/files/new", "/nodes.json", "/bootstrap.json", "/nodes/N1/startup-config.txt",
    ].map((path) => get(path)),
  },
  {
    name: "POST on paths without POST",
    requests: ["/", "/nodes/", "/nope"].map((path) => post(facts("N1"), { path })),
  },
  { name: "POST to a path with a dot", shows: ["dots"], requests: [post(facts("N1"), { path: "/nodes.json" })] },
];
