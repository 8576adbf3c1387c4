// A switch without a process: the test sends its requests, with the retry rules of assets/bootstrap.
// 500 Pythons at once would measure the machine; one of these costs a few milliseconds.
//
// All that decides which request a switch sends, and when, is as in the client: headers, one connection
// per request, budgets and waits, the wait for LLDP, meta before each download, a resumed download, and a
// startup-config that takes its place as the last step. Change it with the client.

import { generator } from "../security/random.mjs";
import { actionSource, sha1 } from "./content.mjs";
import { fetchBootstrap, GaveUp, send } from "./exchange.mjs";
import { readingAt } from "./switches.mjs";

// Seconds, as in assets/bootstrap.
const TIMEOUT = 30;
const META_TIMEOUT = 4 * TIMEOUT;
const RETRY_BUDGET = 300;
const LAG_BUDGET = 180;
const [FIRST_WAIT, LONGEST_WAIT] = [1, 60];
const [CHECKSUM_ATTEMPTS, STALE] = [3, 15];
const PROGRESS = 64 * 1024;
const [LLDP_AGREE, LLDP_QUIET, LLDP_BUDGET] = [5, 35, 90];
const [REFUSED_WAIT, REFUSED_BUDGET] = [10, 90];

/** An attempt failed, and another one, `wait` seconds later or more, may not. */
class RetryError extends Error {
  constructor(problem, { wait = 0, progress = false } = {}) {
    super(problem);
    this.wait = wait;
    this.progress = progress;
  }
}

/**
 * Boots a switch once. Resolves when its startup-config is in place; rejects with GaveUp if the client
 * gives up, with PowerCut if the power is cut. `flash` maps names to contents, and outlasts both.
 */
export async function boot(one, flash, life, site) {
  await new Client(one, flash, life, site).run();
}

class Client {
  constructor(one, flash, life, site) {
    this.one = one;
    this.flash = flash;
    this.life = life;
    this.site = site;
    this.actions = new Set();
    this.random = generator(one.random);
  }

  async run() {
    this.server = (await fetchBootstrap(this.one, this.life, this.site)).server;
    await this.config();
    const definition = await this.definition();
    const staged = [];
    for (const entry of definition.actions) {
      await this.action(entry.action);
      await this[entry.action](entry.attributes ?? {}, staged);
    }
    if (staged.join("").trim() === "") throw new GaveUp("no action left a startup-config");
    this.flash.set("startup-config", staged.join(""));
  }

  // ------------------------------ requests
  /** Calls `attempt` until it raises no RetryError, or makes no progress for `budget` seconds. */
  async retry(name, budget, attempt, longest = LONGEST_WAIT) {
    let [number, left, wait, since] = [1, budget, FIRST_WAIT, performance.now()];
    for (;;) {
      let delay;
      try {
        return await attempt(number);
      } catch (error) {
        if (!(error instanceof RetryError)) throw error;
        this.site.retried(this.one, `${name}: ${error.message}`);
        left -= (performance.now() - since) / 1000;
        if (error.progress) [left, wait] = [budget, FIRST_WAIT];
        if (left <= 0) throw new GaveUp(`${name}: ${error.message} (gave up after ${number} attempts)`);
        delay = Math.min(Math.max(wait * (0.5 + this.random.below(1000) / 2000), error.wait), left);
      }
      await this.life.sleep(delay);
      left -= delay;
      [number, wait, since] = [number + 1, Math.min(wait * 2, longest), performance.now()];
    }
  }

  url(url) {
    return /^[a-z]+:/.test(url) ? url : `${this.server}/${url.replace(/^\/+/, "")}`;
  }

  /** Sends one request: its response, of any status. RetryError without a response. */
  async open(url, { data, headers = {}, timeout = TIMEOUT } = {}) {
    const sent = { "Accept-Encoding": "identity", "User-Agent": "ztp-edge", ...headers };
    try {
      return await send(this.url(url), { method: data ? "POST" : "GET", headers: sent, body: data, timeout, life: this.life });
    } catch (error) {
      if (error.isPowerCut) throw error;
      throw new RetryError(error.message);
    }
  }

  async request(name, url, { isFinal = () => false, ...options } = {}) {
    return this.retry(name, RETRY_BUDGET, async () => {
      const response = await this.open(url, options);
      if (response.broken) throw new RetryError(`the response ended early at byte ${response.bytes.length}`);
      if (!isFinal(response)) raiseIfTransient(response);
      return response;
    });
  }

  async config() {
    const response = await this.request("GET bootstrap/config", "bootstrap/config");
    if (response.status !== 400) this.json("GET bootstrap/config", response);
  }

  /** The definition, for the neighbors that are seen once they have settled. */
  async definition() {
    await this.settle();
    let location = await this.introduce();
    const definition = await this.retry(
      "GET definition",
      LAG_BUDGET,
      async () => {
        let refusal = await this.request("GET definition", location);
        if (refusal.status !== 400) return this.json("GET definition", refusal);
        if (this.look()) {
          const response = await this.post();
          if (response.status === 400) refusal = response;
          else location = response.headers.location;
        }
        throw new RetryError(`the server responded 400: ${refusal.text}`);
      },
      REFUSED_WAIT,
    );
    const { actions } = definition;
    if (!Array.isArray(actions) || !actions.every(({ action }) => action)) throw new GaveUp("the definition has no list of actions");
    return definition;
  }

  /** Reads LLDP until each connected port has its neighbor and two readings agree, nothing new comes, or time is up. */
  async settle() {
    this.look();
    for (let waited = 0, changed = 0; waited - changed < LLDP_QUIET && waited < LLDP_BUDGET; ) {
      await this.life.sleep(LLDP_AGREE);
      waited += LLDP_AGREE;
      const before = this.connected;
      const isNew = this.look() || this.connected.some((port) => !before.includes(port));
      if (isNew) changed = waited;
      else if (isComplete(this.neighbors, this.connected)) return;
    }
  }

  /** Reads LLDP: whether the neighbors are others than before. */
  look() {
    const before = JSON.stringify(this.neighbors);
    ({ neighbors: this.neighbors, connected: this.connected } = readingAt(this.one, this.life.age()));
    return JSON.stringify(this.neighbors) !== before;
  }

  /** POST /nodes, and again whenever LLDP changes while the response is 400: the URL of the definition. */
  async introduce() {
    for (let left = REFUSED_BUDGET; ; ) {
      const response = await this.post();
      if (response.status !== 400) return response.headers.location;
      this.site.refused(this.one);
      do {
        if (left <= 0) throw new GaveUp(`the server refuses this node (400): ${response.text}`);
        await this.life.sleep(REFUSED_WAIT);
        left -= REFUSED_WAIT;
      } while (!this.look());
    }
  }

  async post() {
    const { model, version, systemmac, serial } = this.one;
    const neighbors = Object.fromEntries(Object.entries(this.neighbors).map(([port, peer]) => [port, [peer]]));
    const data = JSON.stringify({ model, version, systemmac, serialnumber: serial, neighbors });
    const response = await this.request("POST nodes", "nodes", { data, headers: { "Content-Type": "application/json" } });
    if (![201, 400, 409].includes(response.status)) throw new GaveUp(`POST nodes: the server responded ${response.status}: ${response.text}`);
    if (response.status !== 400 && !response.headers.location) throw new GaveUp(`POST nodes: the response ${response.status} has no Location`);
    return response;
  }

  json(name, response) {
    require(name, response, "application/json");
    try {
      return JSON.parse(response.text);
    } catch (error) {
      throw new GaveUp(`${name}: this is not a JSON object: ${error.message}`);
    }
  }

  /** GET /actions/NAME, once. GaveUp unless it is the stock action, to the byte. */
  async action(name) {
    if (this.actions.has(name)) return;
    const response = await this.request(`GET actions/${name}`, `actions/${name}`);
    require(`GET actions/${name}`, response, "text/x-python");
    if (!response.bytes.equals(actionSource(name))) throw new GaveUp(`actions/${name} is not the action that ships`);
    this.actions.add(name);
  }

  async meta(name) {
    const isFinal = ({ status, text }) => status === 500 && text.trimStart().startsWith("{");
    const response = await this.request(`GET meta/${name}`, `meta/${name}`, { timeout: META_TIMEOUT, isFinal });
    return this.json(`GET meta/${name}`, response);
  }

  /** Downloads a file: its meta, its bytes in one or more requests, and the comparison of both. */
  async retrieve(url) {
    const name = this.url(url).slice(this.server.length + 1);
    for (let attempt = 0; ; attempt += 1) {
      await this.life.sleep(attempt * STALE);
      const meta = await this.meta(name);
      const bytes = await this.receiveAll(name);
      if (bytes.length === meta.size && sha1(bytes) === meta.sha1) return bytes;
      if (attempt + 1 === CHECKSUM_ATTEMPTS) throw new GaveUp(`${name}: size or sha1 differ from meta's, ${CHECKSUM_ATTEMPTS} times`);
      this.site.retried(this.one, `${name}: it has ${bytes.length} bytes, or another sha1: meta says ${meta.size}`);
    }
  }

  async receiveAll(name) {
    let part = Buffer.alloc(0);
    let etag;
    await this.retry(`GET ${name}`, RETRY_BUDGET, async () => {
      const start = part.length;
      const headers = start > 0 ? { Range: `bytes=${start}-`, ...(etag && { "If-Range": etag }) } : {};
      const response = await this.open(name, { headers });
      if (![200, 206, 416].includes(response.status)) raiseIfTransient(response);
      const isResumed = response.status === 206 && (response.headers["content-range"] ?? "").startsWith(`bytes ${start}-`);
      if (!isResumed) {
        if (start > 0 && response.headers["content-range"] === `bytes */${start}`) return;
        part = Buffer.alloc(0);
        if (response.status === 206 || response.status === 416) throw new RetryError("the server does not have the part asked for, starting again");
      }
      require(`GET ${name}`, response, "text/plain");
      etag = response.headers.etag?.startsWith("W/") ? undefined : response.headers.etag;
      part = Buffer.concat([part, response.bytes]);
      if (response.broken) throw new RetryError(`it ended early (at byte ${part.length})`, { progress: part.length - start >= PROGRESS });
    });
    return part;
  }

  // ------------------------------ the stock actions that this site uses
  async add_config({ url, variables = {}, substitution_mode: mode = "loose" }, staged) {
    const template = (await this.retrieve(url)).toString();
    staged.push(
      template.replace(/\$(\w+)/g, (whole, name) => {
        if (variables[name] === null) throw new GaveUp(`${url} uses '${name}', which is null`);
        if (variables[name] === undefined && mode === "strict") throw new GaveUp(`${url}: no value for '${name}'`);
        return variables[name] ?? whole;
      }),
    );
  }

  async replace_config({ url }, staged) {
    const config = (await this.retrieve(url)).toString();
    staged.splice(0, staged.length, config);
  }

  async install_image({ url, version }) {
    if (version === this.one.version) return;
    const image = `EOS-${version}.swi`;
    await this.save(image, url);
    this.flash.set("boot-config", `SWI=flash:/${image}\n`);
  }

  async copy_file({ src_url: url }) {
    await this.save(url.slice(url.lastIndexOf("/") + 1), url);
  }

  /** Downloads a file to flash, unless it is there from before a power cut. Keeps its hash only. */
  async save(name, url) {
    const kept = this.flash.get(name);
    if (kept !== undefined && (await this.meta(url)).sha1 === digest(kept)) return;
    const bytes = await this.retrieve(url);
    this.flash.set(name, { sha1: sha1(bytes) });
  }
}

/** The SHA-1 of a file on `flash`. */
export const digest = (kept) => kept.sha1 ?? sha1(kept);

/** Whether each connected port has a neighbor, and none outside Management is seen by its MAC address only. */
function isComplete(neighbors, connected) {
  const isUnnamed = ([port, { device }]) => !port.startsWith("Management") && /^[0-9a-f]{12}$/.test(device.replace(/[.:-]/g, ""));
  return connected.length > 0 && connected.every((port) => port in neighbors) && !Object.entries(neighbors).some(isUnnamed);
}

function raiseIfTransient(response) {
  if (response.status !== 429 && response.status < 500) return;
  const wait = response.headers["retry-after"] ?? "";
  throw new RetryError(`the server responded ${response.status}: ${response.text}`, { wait: /^\d+$/.test(wait) ? Number(wait) : 0 });
}

function require(name, response, type) {
  if (response.status !== 200 && response.status !== 206) throw new GaveUp(`${name}: the server responded ${response.status}: ${response.text}`);
  const found = (response.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  if (found !== type) throw new GaveUp(`${name}: expected ${type}, got '${found}'`);
}
