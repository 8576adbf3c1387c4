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
  const bytes = Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), content]);
  return { bytes, name: `${method} ${path}`, statuses };
}

/** Sends a request; resolves to the number of bytes of the response, and what it starts with. */
function send(port, wanted) {
  return new Promise((resolve, reject) => {
    let [bytes, start] = [0, ""];
    const callback = (length) => {
      bytes += length;
      start ||= BUFFER.toString("latin1", 0, Math.min(length, 1000));
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
      if (wanted.statuses.includes(Number(start.slice(9, 12)))) resolve({ bytes, start });
      else fail(`the status is not ${wanted.statuses.join(" or ")}: ${start}`);
    });
    socket.write(wanted.bytes);
  });
}

/** Sends a request; resolves to the status and the headers, as pairs, of the response, and to the size of its body. */
export async function exchange(port, wanted) {
  const { bytes, start } = await send(port, wanted);
  const head = start.split("\r\n\r\n")[0];
  const [first, ...lines] = head.split("\r\n");
  const headers = lines.map((line) => line.split(/: ?(.*)/s, 2));
  return { status: Number(first.slice(9, 12)), headers, bytes: bytes - head.length - 4 };
}

/** Sends a request; resolves to the seconds that the response took, which has at least `least` bytes. */
export async function time(port, wanted, least = 0) {
  const started = performance.now();
  const { bytes } = await send(port, wanted);
  if (bytes < least) throw new Error(`${wanted.name} on port ${port}: ${bytes} bytes, not ${least}`);
  return (performance.now() - started) / 1000;
}

/**
 * Sends requests for `seconds`, as many at once as ztpserver's queue takes; `each()` makes a function that makes them.
 * Resolves to how many there were, and how many per second.
 */
export async function drive(port, each, seconds) {
  const started = performance.now();
  let count = 0;
  const sender = async () => {
    for (const next = each(); performance.now() < started + seconds * 1000; count += 1) await send(port, next());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  return { count, perSecond: (count * 1000) / (performance.now() - started) };
}
