// Hostile requests, as bytes.

const WORDS = [
  "bootstrap", "config", "nodes", "JPE1", "OTHER", "startup-config", "actions", "files", "own", "meta", "admin", "pools", "t",
  ".node", "definition", "pattern", "attributes", "site", "neighbordb", "definitions", "resources", "config-handlers", "secret",
  "digests", "openapi.yaml", "add_config", "bootstrap.conf",
];
const TRICKS = [
  "", ".", "..", "...", "%2e", "%2e%2e", "%2E.", "..%2f", "%2f", "%2F..", "%5c..", "..\\", "\\", "%252e%252e", "%00", "%0a", "%0d%0a",
  "%", "%z", "%4", "%ff", "%c0%ae", "%c0%ae%c0%ae", "%ef%bb%bf", "%e2%80%ae", "%c3%bc", "%F0%9F%92%A9", "%ed%a0%80", "*", "~", ";", ":",
  "@", "&", "+", "=", "'", "%22", "%3Cscript%3E", "$SERVER", "${SERVER}", "{id}", "nul", "con", "__proto__", "constructor",
];
const METHODS = ["GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"];
const HEADERS = [
  "Range", "If-None-Match", "If-Range", "If-Match", "If-Modified-Since", "Authorization", "X-Arista-Serial", "X-Arista-SystemMAC",
  "Content-Type", "Accept", "Accept-Encoding", "Cookie", "X-Forwarded-For", "X-Forwarded-Host", "X-Original-URL", "X-HTTP-Method-Override",
  "CF-Connecting-IP", "Expect", "Referer", "TE", "Origin",
];
const VALUES = [
  "", " ", "*", "bytes=0-", "bytes=-1", "bytes=0-0", "bytes=5-2", "bytes=18446744073709551615-", "bytes=0-18446744073709551615",
  "bytes=-18446744073709551615", "bytes=-0", "bytes=0-1,2-3", "bytes=a-b", "W/\"x\"", "\"x\"", "Bearer ", "Bearer x", "Basic Og==",
  "JPE1", "OTHER", "../OTHER", "00:1c:73:00:00:01", "application/json", "gzip, br", "/nodes/OTHER/startup-config", "PUT", "100-continue",
  "Thu, 01 Jan 1970 00:00:00 GMT", "null", "https://example.net",
];
const FACTS = [
  "null", "[]", "{}", "{", "\"x\"", "{\"serialnumber\": null}", "{\"serialnumber\": \"../OTHER\"}", "{\"serialnumber\": \"OTHER/startup-config\"}",
  "{\"serialnumber\": {\"a\": 1}}", "{\"serialnumber\": \"JPE1\", \"config\": \"x\"}", "{\"serialnumber\": \"JPE1\", \"neighbors\": []}",
  "{\"serialnumber\": \"a\\u0000b\"}", "{\"serialnumber\": \"\\ud800\"}", "{\"serialnumber\": 1e400}", "{\"serialnumber\": -0}",
  `{"serialnumber": "JPE1", "neighbors": ${"[".repeat(5000)}`, `{"a": ${"{\"a\":".repeat(3000)}1${"}".repeat(3001)}`,
  "{\"serialnumber\": \"OTHER\", \"neighbors\": {\"Ethernet1\": [{\"device\": \"spine1\", \"port\": \"Ethernet1\"}]}}",
  "{\"serialnumber\": \"NEW\", \"model\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\", \"neighbors\": {\"Ethernet99999999999\": [{\"device\": \"x\", \"port\": 1}]}}",
];

/**
 * One request: its `bytes` (Latin-1), its `target`, and `cut`: whether it ends before its declared end. Then
 * the client closes its side, and the server need not respond.
 */
export function hostileRequest(random, prefixes) {
  const method = random.pick(METHODS);
  const target = makeTarget(random, random.pick(prefixes));
  const lines = [`${method} ${target} HTTP/1.1`, "Connection: close", `Host: ${makeHost(random)}`];
  for (let count = random.below(3); count > 0; count -= 1) lines.push(makeHeader(random));
  let body = "";
  let cut = false;
  if (["POST", "PUT", "PATCH"].includes(method) || random.chance(0.05)) {
    body = random.chance(0.5) ? random.pick(FACTS) : random.bytes(random.below(2000));
    const framing = makeFraming(random, body);
    lines.push(...framing.lines);
    body = framing.body;
    cut = framing.cut;
  }
  return { bytes: `${lines.join("\r\n")}\r\n\r\n${body}`, target, cut };
}

function makeTarget(random, prefix) {
  const segments = [];
  for (let count = 1 + random.below(6); count > 0; count -= 1) segments.push(random.chance(0.7) ? random.pick(WORDS) : random.pick(TRICKS));
  let path = `${prefix}/${segments.join("/")}`;
  if (random.chance(0.6)) path = routed(random, prefix);
  const mutations = random.chance(0.35) ? 1 + random.below(2) : 0;
  for (let count = mutations; count > 0; count -= 1) path = mutate(random, path);
  if (random.chance(0.05)) path = `http://evil.example${path}`;
  if (random.chance(0.1)) path += random.pick(["?", "?node=OTHER", "?node=%00", "#x", "?/nodes/OTHER/startup-config", "?a=b&&=%ff"]);
  // A space or a line break would end the target: they occur as percent escapes, and unescaped in headers.
  return path.replace(/[ \r\n]/g, "_");
}

/** A path of the API with a hostile name. */
function routed(random, prefix) {
  const name = () => {
    const parts = [];
    if (random.chance(0.4)) return random.pick(["OTHER", "JPE1", "own", "secret", "add_config", "NEW"]);
    for (let count = 1 + random.below(4); count > 0; count -= 1) parts.push(random.chance(0.5) ? random.pick(TRICKS) : random.pick(WORDS));
    return parts.join(random.pick(["", "/", "%2f"]));
  };
  const shapes = ["/nodes/X", "/nodes/X/startup-config", "/actions/X", "/files/X", "/meta/actions/X", "/meta/files/X", "/meta/nodes/X/X", "/admin/pools/X", "/t/X/bootstrap", "/t/X.X.X/nodes/OTHER"];
  return prefix + random.pick(shapes).replaceAll("X", name);
}

function mutate(random, path) {
  const at = random.below(path.length + 1);
  const insert = (text) => path.slice(0, at) + text + path.slice(at);
  const hex = (character) => `%${(character.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`;
  switch (random.below(9)) {
    case 0:
      return random.chance(0.3) ? insert(random.bytes(1 + random.below(4))) : path;
    case 1:
      return insert(random.pick(TRICKS));
    case 2:
      return path.replace(/[a-z]/gi, (character) => (random.chance(0.3) ? hex(character) : character));
    case 3:
      return path.replace(/%/g, "%25");
    case 4:
      return path.replace(/\//g, () => random.pick(["/", "//", "%2f", "\\", "/./"]));
    case 5:
      return path.slice(0, at);
    case 6:
      return random.chance(0.5) ? path.toUpperCase() : insert("/".repeat(random.below(300)));
    case 7:
      return insert(random.pick(["a", "%41", "../", "%2e%2e%2f"]).repeat(random.below(random.pick([200, 2000, 20000]))));
    default:
      return insert(random.pick(["\u00fc", "\u00c0\u00ae", "\0", "\t", "\x7f", "\u00ff\u00fe"]));
  }
}

function makeHost(random) {
  if (random.chance(0.96)) return "ztp.example.net";
  return random.pick(["", "a b", "x\"+y+\"", "x'y", "$(id)", "user:pw@h", "h/t/x", "h?x", "[::1]", "h:99999", "%22", "a,b", random.bytes(20).replace(/[\r\n]/g, ""), "a".repeat(5000)]);
}

function makeHeader(random) {
  const name = random.pick(HEADERS);
  switch (random.below(25)) {
    case 0:
      return `${name}: ${random.bytes(1 + random.below(300)).replace(/[\r\n]/g, "")}`;
    case 1:
      return `${name}: ${random.pick(["x", "%", "bytes=0-0,", "\"x\","]).repeat(random.below(30000))}`;
    case 2:
      return `${name}: a\r\n ${random.pick(VALUES)}`;
    case 3:
      return `${name}: ${random.pick(VALUES)}\r\n${name}: ${random.pick(VALUES)}`;
    case 4:
      return random.pick(["NoColon", ": empty name", "A B: c", `${name} : x`, "\0: x", `${name}: a\0b`, `${name}: a\nSet-Cookie: x`]);
    default:
      return `${name}: ${random.pick(VALUES)}`;
  }
}

/** The headers that declare the length of a body, in some cases wrongly. */
function makeFraming(random, body) {
  const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
  const length = `Content-Length: ${body.length}`;
  switch (random.below(20)) {
    case 0:
      return { lines: [`Content-Length: ${body.length + 1 + random.below(1000)}`], body, cut: true };
    case 1:
      return { lines: [random.pick(["Content-Length: -1", "Content-Length: x", "Content-Length: 99999999999999999999", "Content-Length: 0x10", "Content-Length:"])], body, cut: true };
    case 2:
      return { lines: [length, `Content-Length: ${body.length + 1}`], body, cut: true };
    case 3:
      return { lines: ["Transfer-Encoding: chunked"], body: `${chunk(body)}0\r\n\r\n`, cut: false };
    case 4:
      return { lines: ["Transfer-Encoding: chunked"], body: random.pick(["zz\r\nx\r\n0\r\n\r\n", "-1\r\n", "ffffffffffffffff\r\nx", "5\r\nx", chunk("x"), "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n"]), cut: true };
    case 5:
      return { lines: ["Transfer-Encoding: chunked", length], body: `${chunk(body)}0\r\n\r\n`, cut: true };
    case 6:
      return { lines: [random.pick(["Transfer-Encoding: gzip", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked"])], body, cut: true };
    case 7:
      return { lines: [`Content-Length: ${random.below(body.length + 1)}`], body, cut: true };
    default:
      return { lines: [length], body, cut: false };
  }
}
