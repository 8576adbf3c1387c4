// The load generator: HTTP/1.1 on raw sockets, one request at a time on each of several connections.
//
// It parses as little as it can, so that one core of it outruns one core of any server measured
// here; how busy it was is part of every result.

import net from "node:net";

const HOST = "127.0.0.1";
const END_OF_HEAD = Buffer.from("\r\n\r\n");
const SILENCE_MS = 30_000;
/** One buffer per connection: chunks are gone when they have been looked at. */
const READ_BYTES = 256 * 1024;

/** Every server believes to be ZTPServer's default URL, so that answers have the same size. */
export const SERVER_URL = "http://ztpserver:8080";

/**
 * A request as bytes. `status` is what has to come back.
 *
 * `close` asks for one connection per request, as a switch makes them.
 */
export function request(method, path, { body, type = "text/plain", status = 200, close = false } = {}) {
  const content = body === undefined ? undefined : Buffer.from(body);
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${new URL(SERVER_URL).host}`];
  if (content) lines.push(`Content-Type: ${type}`, `Content-Length: ${content.length}`);
  if (close) lines.push("Connection: close");
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  return { bytes: content ? Buffer.concat([head, content]) : head, name: `${method} ${path}`, status, close };
}

/** Sends one request; resolves to its whole answer, headers in lower case. */
export async function exchange(port, wanted) {
  const chunks = [];
  const connection = new Connection(port, (chunk) => chunks.push(Buffer.from(chunk)));
  try {
    const head = await connection.send(wanted);
    const headers = Object.fromEntries(
      head.text.split("\r\n").slice(1).map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    return { status: head.status, headers, body: Buffer.concat(chunks) };
  } finally {
    connection.close();
  }
}

/** Sends one request and drops the body; resolves to the seconds that took, and the bytes of the body. */
export async function time(port, wanted) {
  let bytes = 0;
  const connection = new Connection(port, (chunk) => (bytes += chunk.length));
  const sent = performance.now();
  try {
    await connection.send(wanted);
  } finally {
    connection.close();
  }
  return { seconds: (performance.now() - sent) / 1000, bytes };
}

/**
 * Keeps `connections` connections busy for `seconds`, and waits for what is under way then.
 *
 * `each()` gives, for a connection, a function that gives its next request. Resolves to the number
 * of answers, answers per second, the sorted latencies in milliseconds, and the share of one CPU
 * that the generator took.
 */
export async function drive(port, each, { connections = 16, seconds }) {
  const latencies = [];
  const usage = process.cpuUsage();
  const started = performance.now();
  const until = started + seconds * 1000;
  const busy = async () => {
    const next = each();
    const connection = new Connection(port, () => {});
    try {
      while (performance.now() < until) {
        const sent = performance.now();
        if (!(await connection.send(next(), until))) break;
        latencies.push(performance.now() - sent);
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: connections }, busy));
  const elapsed = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(usage);
  return {
    count: latencies.length,
    perSecond: latencies.length / elapsed,
    latencies: latencies.sort((a, b) => a - b),
    generator: (user + system) / 1e6 / elapsed,
  };
}

/** A connection that opens again whenever the server has closed it. */
class Connection {
  #port;
  #onBody;
  #socket;
  #answer;
  #buffer;

  constructor(port, onBody) {
    this.#port = port;
    this.#onBody = onBody;
  }

  /**
   * Sends a request; resolves to status and head once the body has gone by, or to nothing if the
   * server has not even taken the connection by `until`.
   */
  send(wanted, until = Infinity) {
    return new Promise((resolve, reject) => {
      this.#answer = { wanted, resolve, reject, head: undefined, pending: undefined, left: 0, start: undefined };
      if (!this.#socket) {
        this.#socket = this.#open();
        if (until < Infinity) this.#giveUpAt(until, this.#socket);
      }
      this.#socket.write(wanted.bytes);
    });
  }

  /** A server with a short queue drops attempts to connect, and the kernel repeats them after seconds. */
  #giveUpAt(until, socket) {
    const timer = setTimeout(() => {
      const { resolve } = this.#answer;
      this.#answer = undefined;
      this.close();
      resolve();
    }, until - performance.now());
    const settled = () => clearTimeout(timer);
    socket.once("connect", settled).once("close", settled);
  }

  close() {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open() {
    const onread = {
      buffer: () => (this.#buffer ??= Buffer.allocUnsafe(READ_BYTES)),
      callback: (length, buffer) => this.#read(buffer.subarray(0, length)) ?? true,
    };
    const socket = net.connect({ host: HOST, port: this.#port, noDelay: true, onread });
    socket.setTimeout(SILENCE_MS, () => this.#fail(`no answer for ${SILENCE_MS / 1000} s`));
    socket.on("error", (error) => this.#fail(error.message));
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      // A server that speaks HTTP/1.0 may end a body by closing.
      if (this.#answer?.head && this.#answer.left === Infinity) this.#done();
      else this.#fail("the server closed the connection before its answer was complete");
    });
    return socket;
  }

  #read(chunk) {
    const answer = this.#answer;
    if (!answer) return;
    if (answer.head) {
      this.#body(chunk);
      return;
    }
    const seen = answer.pending ? Buffer.concat([answer.pending, chunk]) : chunk;
    const end = seen.indexOf(END_OF_HEAD);
    if (end < 0) {
      answer.pending = Buffer.from(seen);
      return;
    }
    const text = seen.latin1Slice(0, end);
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    answer.head = { status: Number(text.slice(9, 12)), text };
    answer.closes = answer.wanted.close || text.startsWith("HTTP/1.0") || /\r\nconnection: *close/i.test(text);
    answer.left = length ? Number(length[1]) : Infinity;
    if (!length && /\r\ntransfer-encoding: *chunked/i.test(text)) {
      this.#fail("the answer is chunked: every answer here has a known length");
      return;
    }
    this.#body(seen.subarray(end + END_OF_HEAD.length));
  }

  #body(chunk) {
    const answer = this.#answer;
    answer.left -= chunk.length;
    if (chunk.length > 0) {
      this.#onBody(chunk);
      if (answer.head.status !== answer.wanted.status) answer.start ??= chunk.toString("utf8", 0, 300);
    }
    if (answer.left <= 0) this.#done();
  }

  #done() {
    const answer = this.#answer;
    if (answer.closes) this.close();
    if (answer.head.status !== answer.wanted.status) {
      this.#fail(`wanted ${answer.wanted.status}, got ${answer.head.status}: ${answer.start ?? ""}`);
      return;
    }
    this.#answer = undefined;
    answer.resolve(answer.head);
  }

  #fail(reason) {
    const answer = this.#answer;
    this.#answer = undefined;
    this.close();
    answer?.reject(new Error(`${answer.wanted.name} on port ${this.#port}: ${reason}`));
  }
}
