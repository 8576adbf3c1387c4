// GET /bootstrap and GET /bootstrap/config.

import { get } from "./requests.mjs";

const script = (text) => ({ "bootstrap/bootstrap": text });
const conf = (text) => ({ "bootstrap/bootstrap.conf": text });

export default [
  {
    name: "the server URL in the bootstrap script",
    everySetting: true,
    content: script("#!/usr/bin/env python\nSERVER = '$SERVER'\nagain = '${SERVER}/x'\n"),
    requests: [get("/bootstrap")],
  },
  {
    name: "text that resembles the server URL",
    content: script("$$SERVER $$$SERVER $SERVERX ${SERVERX} $server ${SERVER $ $1 5$ ${} $é$SERVER ${SERVERé}\n$"),
    requests: [get("/bootstrap")],
  },
  { name: "a bootstrap script without the server URL", content: script("print(1)\n"), requests: [get("/bootstrap")] },
  { name: "an empty bootstrap script", content: script(""), requests: [get("/bootstrap")] },
  { name: "no bootstrap script", shows: ["built-in"], requests: [get("/bootstrap")] },
  {
    name: "a bootstrap script with CRLF line ends",
    content: script("a\r\nb $SERVER\r\n"),
    requests: [get("/bootstrap")],
  },
  {
    name: "a bootstrap script with a byte order mark",
    shows: ["byte-order-mark"],
    content: script("\ufeff#!/usr/bin/python\nb = '$SERVER'\n"),
    requests: [get("/bootstrap")],
  },
  {
    name: "a bootstrap script that is not UTF-8",
    shows: ["broken-content"],
    content: script(Buffer.from([0x24, 0xff, 0xfe])),
    requests: [get("/bootstrap")],
  },
  {
    name: "a query, a body and a content type with GET",
    content: script("$SERVER"),
    requests: [
      get("/bootstrap?x=1&y=/nodes"),
      get("/bootstrap", { body: "null", headers: { "Content-Type": "application/json" } }),
      get("/bootstrap", { headers: { "Content-Type": "text/html", Accept: "image/png" } }),
    ],
  },

  { name: "no bootstrap.conf", shows: ["xmpp"], requests: [get("/bootstrap/config")] },
  { name: "an empty bootstrap.conf", shows: ["xmpp"], content: conf(""), requests: [get("/bootstrap/config")] },
  { name: "bootstrap.conf with comments only", shows: ["xmpp"], content: conf("# none\n"), requests: [get("/bootstrap/config")] },
  {
    name: "bootstrap.conf with every kind of destination",
    shows: ["xmpp"],
    content: conf(`logging:
  - destination: file:/tmp/ztps-log
    level: DEBUG
  - destination: ztps.example.net:514
    level: CRITICAL
  - {destination: 192.0.2.1, level: ~, note: kept}
other: ignored
`),
    requests: [get("/bootstrap/config"), get("/bootstrap/config", { body: "null" })],
  },
  { name: "logging of nothing", shows: ["xmpp"], content: conf("logging:\nxmpp:\n"), requests: [get("/bootstrap/config")] },
  {
    name: "an XMPP account",
    shows: ["xmpp"],
    content: conf("xmpp: {server: x, port: 5222, username: u, domain: d, password: p, rooms: [r, s]}\n"),
    requests: [get("/bootstrap/config")],
  },
  { name: "bootstrap.conf that is not YAML", content: conf("logging: [\n"), requests: [get("/bootstrap/config")] },
  ...["7", "- logging\n"].map((text) => ({
    name: `bootstrap.conf that is ${text.trim()}`,
    content: conf(text),
    requests: [get("/bootstrap/config")],
  })),
  ...[
    ["a text", "DEBUG\n"],
    ["logging that is a mapping", "logging: {destination: localhost, level: DEBUG}\n"],
    ["a logging entry without level", "logging: [{destination: localhost}]\n"],
    ["an invalid port", "logging: [{destination: 'localhost:syslog', level: DEBUG}]\n"],
  ].map(([what, text]) => ({
    name: `bootstrap.conf that has ${what}`,
    shows: ["checked-conf"],
    content: conf(text),
    requests: [get("/bootstrap/config")],
  })),
];
