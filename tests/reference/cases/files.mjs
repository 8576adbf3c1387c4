// GET /files, /actions and /meta: names, contents, missing ones.

import { get, head, stored } from "./requests.mjs";

const BINARY = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
const every = (path) => [get(`/files/${path}`), get(`/meta/files/${path}`)];

export default [
  {
    name: "files of every kind of name",
    content: {
      "files/plain": "text\n",
      "files/images/EOS-4.14.5F.swi": BINARY,
      "files/a/b/c/deep": "deep",
      "files/empty": "",
      "files/a b": "blank",
      "files/.hidden": "h",
      "files/100%": "percent",
      "files/a+b": "plus",
      "files/a?b#c": "query",
      "files/x.tar.gz": BINARY,
      "files/page.html": "<html>",
      "files/...": "dots",
      "files/a~b_c-d;e=f,g@h:i!j'k(l)*": "marks",
    },
    requests: [
      "plain",
      "images/EOS-4.14.5F.swi",
      "a/b/c/deep",
      "empty",
      "a%20b",
      ".hidden",
      "100%25",
      "a+b",
      "a%3Fb%23c",
      "x.tar.gz",
      "page.html",
      "...",
      "a~b_c-d;e=f,g@h:i!j'k(l)*",
      "images%2FEOS-4.14.5F.swi",
      "pl%61in",
      "plain?v=2",
    ].flatMap(every),
  },
  {
    name: "parts of a file",
    content: { "files/ten": "0123456789", "files/empty": "" },
    requests: ["bytes=0-0", "bytes=2-5", "bytes=2-", "bytes=-3", "bytes=0-99", "bytes=9-9", "bytes=10-", "bytes=99-100", "bytes=5-2", "bytes=", "bytes=a-b", "items=0-1", "0-1"].flatMap((range) => [
      get("/files/ten", { headers: { Range: range } }),
      get("/files/empty", { headers: { Range: range } }),
    ]),
  },
  {
    name: "other Range headers",
    shows: ["ranges"],
    content: { "files/ten": "0123456789", "files/empty": "" },
    requests: ["bytes=0-", "bytes=-99", "bytes=-0", "bytes=0-1,3-4"].flatMap((range) => [
      get("/files/ten", { headers: { Range: range } }),
      get("/files/empty", { headers: { Range: range } }),
    ]),
  },
  {
    name: "missing files",
    requests: ["none", "images/none.swi", "a%20c", "%C3%BC", "100%25", "none/", "a%00b"].flatMap(every),
  },
  {
    name: "invalid escapes",
    shows: ["escapes"],
    requests: [...every("%zz"), ...every("%f"), ...every("%"), ...every("%ff"), get("/actions/%ff")],
  },
  {
    name: "folders",
    shows: ["folders"],
    content: { "files/images/a.swi": "a", "actions/folder/x": "x", "nodes/N1/definition": "actions: []" },
    requests: [
      get("/files/images"),
      get("/files/images/"),
      get("/files/"),
      get("/files/%2e"),
      get("/meta/files/images"),
      get("/meta/files/images/"),
      get("/meta/files/"),
      get("/actions/folder"),
      get("/meta/nodes/N1"),
    ],
  },
  {
    name: "paths out of the folder",
    shows: ["folder-escape"],
    content: { "neighbordb": "secret: 1\n", "files/sub/a": "a", "nodes/N1/startup-config": "x", "actions/act": "a" },
    requests: [
      ...["sub/../../neighbordb", "%2e%2e/neighbordb", "sub/%2e%2e%2f%2e%2e/neighbordb", "/neighbordb", "%2Fneighbordb", "sub//a", "./sub/a", "sub/../sub/a"].flatMap(every),
      get("/actions/%2e%2e%2Fneighbordb"),
      get("/actions/%2Fneighbordb"),
      get("/meta/actions/../neighbordb"),
      get("/meta/nodes/../neighbordb"),
      get("/nodes/%2e%2e%2Fnodes%2FN1/startup-config"),
    ],
  },
  {
    name: "actions",
    content: { "actions/add_config": "def main(attributes):\n    pass\n", "actions/empty": "", "actions/a b": "b" },
    requests: ["add_config", "empty", "a%20b", "none", "no%2Fne", "add_config?x"].flatMap((name) => [
      get(`/actions/${name}`),
      get(`/meta/actions/${name}`),
    ]),
  },
  {
    name: "files and actions with letters that are not ASCII",
    shows: ["non-ascii"],
    content: { "files/über.txt": "ü", "actions/ü": "# ü\n" },
    requests: [...every("%C3%BCber.txt"), get("/actions/%C3%BC"), get("/meta/actions/%C3%BC")],
  },
  {
    name: "stock actions that are not stored",
    shows: ["built-in"],
    requests: [get("/actions/replace_config"), get("/meta/actions/replace_config")],
  },
  {
    name: "actions with a dot in the name",
    shows: ["dots"],
    content: { "actions/install.py": "new", "actions/install": "old" },
    requests: [get("/actions/install.py"), get("/actions/install"), get("/meta/actions/install.py")],
  },
  {
    name: "actions with CRLF line ends, or not UTF-8",
    shows: ["bytes-kept"],
    content: { "actions/dos": "a\r\nb\rc", "actions/latin": Buffer.from([0x23, 0xfc]) },
    requests: [get("/actions/dos"), get("/actions/latin"), get("/meta/actions/dos"), get("/meta/actions/latin")],
  },
  {
    name: "metadata of a node's records",
    content: {
      "nodes/N1/.node": stored("N1"),
      "nodes/N1/definition": "actions: []\n",
      "nodes/N1/startup-config": "hostname ü\r\n",
      "nodes/N1/attributes": "",
      "nodes/N1/pattern": "name: x\n",
      "nodes/a b/startup-config": "x",
    },
    requests: [
      ...[".node", "definition", "startup-config", "attributes", "pattern", "config-handler", "none"].map((name) => get(`/meta/nodes/N1/${name}`)),
      get("/meta/nodes/a%20b/startup-config"),
      get("/meta/nodes/N2/.node"),
      get("/meta/nodes/N1/x/y"),
    ],
  },
  {
    name: "metadata of other files in a node's folder",
    shows: ["records-only"],
    content: { "nodes/N1/notes": "mine", "nodes/N1/backup/old": "x" },
    requests: [get("/meta/nodes/N1/notes"), get("/meta/nodes/N1/backup/old")],
  },
  {
    name: "metadata of other things",
    content: { neighbordb: "x", "definitions/leaf": "x", "bootstrap/bootstrap": "x" },
    requests: [get("/meta"), get("/meta/"), get("/meta/files"), get("/meta/definitions/leaf"), get("/meta/bootstrap/bootstrap"), get("/meta/neighbordb"), get("/meta/Files/x")],
  },
  {
    name: "HEAD",
    content: {
      "bootstrap/bootstrap": "$SERVER",
      "files/a": "a",
      "actions/a": "a",
      "nodes/N1/startup-config": "x",
      "nodes/N1/.node": stored("N1"),
      "nodes/N1/pattern": "name: x\ninterfaces: []\n",
    },
    requests: [
      ...["/bootstrap", "/bootstrap/config", "/nodes/N1", "/nodes/N1/startup-config", "/actions/a", "/files/a", "/meta/files/a", "/meta/nodes/N1/.node"].map(head),
      ...["/nodes/N2", "/nodes/N2/startup-config", "/actions/none", "/files/none", "/meta/files/none", "/nope"].map(head),
    ],
  },
];
