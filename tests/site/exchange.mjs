// The requests of a switch, each on a connection of its own, and the power that they depend on.

import http from "node:http";

/** The client gave up, or EOS did; the message is that of the log. */
export class GaveUp extends Error {}

/** The power was cut. */
export class PowerCut extends Error {
  isPowerCut = true;
}

// EOS repeats ZTP until it receives a script. Pause and timeout, in seconds, are the test's.
const EOS_PAUSE = 5;
const EOS_ATTEMPTS = 20;
const EOS_TIMEOUT = 30;

/**
 * Gets the script as EOS does, with its headers, and repeats that until there is one: its `source`, and the
 * URL of the `server` in it, which the switch keeps. Rejects with GaveUp after EOS_ATTEMPTS.
 */
export async function fetchBootstrap(one, life, site) {
  const { serial, systemmac, model, version } = one;
  const headers = { "X-Arista-Serial": serial, "X-Arista-SystemMAC": systemmac, "X-Arista-ModelName": model, "X-Arista-SoftwareVersion": version };
  for (let attempt = 1; ; attempt += 1) {
    const problem = await fetchOnce();
    if (typeof problem !== "string") return problem;
    if (attempt === EOS_ATTEMPTS) throw new GaveUp(`GET bootstrap: ${problem}`);
    site.retried(one, `GET bootstrap: ${problem}`);
    await life.sleep(EOS_PAUSE);
  }

  async function fetchOnce() {
    try {
      const response = await send(site.bootstrapUrl, { headers, timeout: EOS_TIMEOUT, life });
      if (response.status !== 200) return `${response.status}: ${response.text}`;
      if (response.broken) return "the script ended early";
      const [, server] = /^SERVER = "([^"]+)"/m.exec(response.text) ?? [];
      if (!server) return "the script names no server";
      one.server = server.replace(/\/+$/, "");
      return { source: response.bytes, server: one.server };
    } catch (error) {
      if (error.isPowerCut) throw error;
      return error.message;
    }
  }
}

/**
 * Sends one request and reads its whole response: `{ status, headers, bytes, text, broken }`, `broken` if it
 * was cut off. Rejects if there is none, after `timeout` seconds of silence, and with PowerCut.
 */
export function send(url, { method = "GET", headers, body, timeout, life }) {
  life.step();
  const { hostname, port, pathname, search } = new URL(life.route(url));
  const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const options = { hostname, port, method, path: pathname + search, agent: false, headers: { ...headers, ...length, Connection: "close" } };
    const request = http.request(options);
    const cut = () => request.destroy(new PowerCut("the power was cut"));
    if (life.isOver) cut();
    life.onCut(cut);
    const end = (settle, value) => {
      life.offCut(cut);
      settle(value);
    };
    request.setTimeout(timeout * 1000, () => request.destroy(new Error(`no response within ${timeout} s`)));
    request.on("error", (error) => end(reject, error));
    request.on("response", (response) => {
      const chunks = [];
      const finish = (broken) => {
        if (life.isOver) return end(reject, new PowerCut("the power was cut"));
        const bytes = Buffer.concat(chunks);
        const { statusCode: status, headers } = response;
        const result = {
          status,
          headers,
          bytes,
          broken,
          get text() {
            return bytes.toString();
          },
        };
        return end(resolve, result);
      };
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => finish(false));
      response.on("error", () => finish(true));
    });
    request.end(body);
  });
}

/** The time from a power-on of a switch to its end. It counts the steps of the boot, and may be cut. */
export class Life {
  #cuts = new Set();
  #steps = 0;
  #began = performance.now();
  #scale;
  #cutAfter;
  isOver = false;

  /**
   * `scale` multiplies every wait; the power is cut `delay` ms after step `cutAfter`. `route` maps the URL of a
   * request to the one that it reaches.
   */
  constructor({ scale, cutAfter = Infinity, delay = 0, route = (url) => url }) {
    this.#scale = scale;
    this.route = route;
    this.#cutAfter = cutAfter;
    this.delay = delay;
  }

  /** Seconds since the power-on, before scaling. */
  age() {
    return (performance.now() - this.#began) / 1000 / this.#scale;
  }

  /** Counts a step of the boot. */
  step() {
    this.#steps += 1;
    if (this.#steps === this.#cutAfter) setTimeout(() => this.cut(), this.delay);
  }

  cut() {
    if (this.isOver) return;
    this.isOver = true;
    for (const cut of [...this.#cuts]) cut();
  }

  onCut(cut) {
    this.#cuts.add(cut);
  }

  offCut(cut) {
    this.#cuts.delete(cut);
  }

  /** Waits `seconds`, scaled. Rejects with PowerCut. */
  sleep(seconds) {
    return new Promise((resolve, reject) => {
      if (this.isOver) return reject(new PowerCut("the power was cut"));
      const cut = () => {
        clearTimeout(timer);
        this.offCut(cut);
        reject(new PowerCut("the power was cut"));
      };
      const timer = setTimeout(() => {
        this.offCut(cut);
        resolve();
      }, seconds * 1000 * this.#scale);
      this.onCut(cut);
    });
  }
}
