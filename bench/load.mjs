// The load generator: HTTP/1.1 on raw sockets, each request on a connection of its own, as switches make them.
// It parses as little as possible, so that one core of it outruns one core of any server measured here.

import net from "node:net";

const TIMEOUT_MS = 30_000;
const AT_ONCE = 6;
/** For all connections: nothing keeps the bytes of a read beyond its callback. */
const BUFFER = Buffer.allocUnsafe(256 * 1024);

/** Every server has ZTPServer's default URL as its own, so that responses have the same size. */
export const SERVER_URL = "http://ztpserver:8080";

/** A request as bytes. Any status but those of `statuses` is an error. */
export function request(method, path, { body, type = "text/plain", statuses = [200] } = {}) {
  const content = Buffer.from(body ?? "");
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${new URL(SERVER_URL).host}`, "Connection: close"];
  if (body !== undefined) lines.push(`Content-Type: ${type}`, `Content-Length: ${content.length}`);
  return { bytes: Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), content]), name: `${method} ${path}`, statuses };
}

/** Sends a request, and gives the parts of the response to `onPart`; resolves after the last one. */
function send(port, wanted, onPart) {
  return new Promise((resolve, reject) => {
    let start;
    const callback = (length) => {
      const part = BUFFER.subarray(0, length);
      start ??= part.toString("latin1", 0, 1000);
      onPart?.(part);
      return true;
    };
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true, onread: { buffer: BUFFER, callback } });
    const fail = (problem) => {
      socket.destroy();
      reject(new Error(`${wanted.name} on port ${port}: ${problem}`));
    };
    socket.setTimeout(TIMEOUT_MS, () => fail("timeout"));
    socket.on("error", (error) => fail(error.message));
    socket.on("end", () => {
      if (wanted.statuses.includes(Number(start?.slice(9, 12)))) resolve();
      else fail(`the status is not ${wanted.statuses.join(" or ")}: ${start}`);
    });
    socket.write(wanted.bytes);
  });
}

/** Sends a request; resolves to `{ status, headers, body }`, the headers as pairs. */
export async function exchange(port, wanted) {
  const parts = [];
  await send(port, wanted, (part) => parts.push(Buffer.from(part)));
  const bytes = Buffer.concat(parts);
  const end = bytes.indexOf("\r\n\r\n");
  const [first, ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = lines.map((line) => line.split(/: ?(.*)/s, 2));
  return { status: Number(first.slice(9, 12)), headers, body: bytes.subarray(end + 4) };
}

/** Sends a request and drops the response, of at least `bytes` bytes; resolves to the seconds that it took. */
export async function time(port, wanted, bytes = 0) {
  const started = performance.now();
  let received = 0;
  await send(port, wanted, (part) => (received += part.length));
  if (received < bytes) throw new Error(`${wanted.name} on port ${port}: ${received} bytes, not ${bytes}`);
  return (performance.now() - started) / 1000;
}

/**
 * Sends requests for `seconds`, as many at once as ztpserver's queue takes. `each()` makes a function that makes one
 * request after the other. Resolves to the number of responses, how many there were per second, and the share of
 * one CPU that this generator took.
 */
export async function drive(port, each, seconds) {
  const usage = process.cpuUsage();
  const started = performance.now();
  let count = 0;
  const sender = async () => {
    for (const next = each(); performance.now() < started + seconds * 1000; count += 1) await send(port, next());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  const elapsed = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(usage);
  return { count, perSecond: count / elapsed, generator: (user + system) / 1e6 / elapsed };
}
