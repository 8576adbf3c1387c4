// The three servers on the same content. The Workers run twice: under the real clock, and under one
// that makes them cold.

import { join } from "node:path";
import { content, put, writeContent } from "./content.mjs";
import { exchange, request } from "./load.mjs";
import { startReference } from "./reference.mjs";
import { preparations, rows } from "./requests.mjs";
import { cold, floorModules, startRuntime, workerModules } from "./runtime.mjs";

/** ztpserver 2.1.0 answers a PUT with 200, the specification says 201. */
const PUT_STATUS = { worker: 201, floor: 201, reference: 200 };
/** Headers that are the runtime's, not the Worker's. */
const OF_THE_RUNTIME = ["content-length", "transfer-encoding", "connection", "date"];
const FIRST_ANSWER = request("GET", "/bootstrap");
/** What the floor stores under these keys: the Worker's answers to these rows. */
const ANSWERS_AS_CONTENT = {
  "bootstrap/bootstrap": "GET /bootstrap",
  "bootstrap/bootstrap.conf": "GET /bootstrap/config",
  "definitions/leaf": "GET /nodes/{id}",
};

/** A server that can be started again on the documents that it had. */
class Server {
  #launch;
  #running;
  #documents = {};

  /** `launch` starts it and resolves to { port, pid, dataRoot, startMs, stop } and more. */
  constructor(name, clock, launch) {
    this.name = name;
    this.clock = clock;
    this.putStatus = PUT_STATUS[name];
    this.#launch = launch;
  }

  async start() {
    this.#running = await this.#launch();
    const { stop, ...facts } = this.#running;
    Object.assign(this, facts);
    await this.#store(this.#documents);
    return this;
  }

  /** Stores documents by key, and everything else that the measured requests need. */
  async fill(documents) {
    this.#documents = documents;
    await this.#store(documents);
    for (const wanted of preparations(this)) {
      const { status } = await exchange(this.port, wanted);
      if (status === wanted.status) continue;
      throw new Error(`${this.name} answered ${wanted.name} with ${status}, not ${wanted.status}`);
    }
  }

  async #store(documents) {
    for (const [key, value] of Object.entries(documents)) await put(this, key, value);
  }

  async stop() {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** Ends its process at once, whatever it is doing. */
  kill() {
    if (!this.#running) return;
    try {
      process.kill(this.pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
}

/**
 * Starts them all in the folder `place`; every one goes into `started` as soon as it may have to be
 * stopped. Resolves to the servers by name and clock, and to notes on where the floor answers
 * otherwise than the Worker.
 */
export async function startServers(place, started) {
  const server = (name, clock, launch) => {
    const made = new Server(name, clock, launch);
    started.push(made);
    return made;
  };
  const runtime = (name, clock, modules, bindings) => {
    const measured = clock === "cold" ? cold(modules) : modules;
    const options = { modules: measured, bindings, firstAnswer: FIRST_ANSWER };
    return server(name, clock, () => startRuntime(join(place, `${name}-${clock}`), options));
  };

  const worker = {
    warm: runtime("worker", "warm", workerModules()),
    cold: runtime("worker", "cold", workerModules()),
  };
  for (const one of [worker.warm, worker.cold]) {
    await one.start();
    await one.fill(content());
  }
  const answers = await askAll(worker.warm);

  const shapes = rows.map((row) => [row.shape, envelope(answers.get(row.name))]);
  const bindings = { ANSWERS: Object.fromEntries(shapes.reverse()) };
  const floor = {
    warm: runtime("floor", "warm", floorModules(), bindings),
    cold: runtime("floor", "cold", floorModules(), bindings),
  };
  const answered = Object.entries(ANSWERS_AS_CONTENT).map(([key, row]) => [key, answers.get(row).body]);
  for (const one of [floor.warm, floor.cold]) {
    await one.start();
    await one.fill({ ...content(), ...Object.fromEntries(answered) });
  }
  const notes = differences(answers, await askAll(floor.warm));

  const reference = server("reference", "warm", () =>
    startReference(join(place, "reference"), async (dataRoot) => writeContent(dataRoot), FIRST_ANSWER),
  );
  await reference.start();
  await reference.fill({});
  await askAll(reference);
  return { worker, floor, reference, notes };
}

/** The answer to one request of each row. */
async function askAll(server) {
  const answers = new Map();
  for (const row of rows) answers.set(row.name, await exchange(server.port, row.next(server)()));
  return answers;
}

/** Status and headers of an answer, as the floor gives them to its own. */
function envelope({ status, headers }) {
  const own = Object.entries(headers).filter(([name]) => !OF_THE_RUNTIME.includes(name));
  return { status, headers: Object.fromEntries(own) };
}

/** Where the floor's answers are not of the size or under the headers that the Worker's have. */
function differences(wanted, given) {
  return rows.flatMap(({ name }) => {
    const [worker, floor] = [wanted.get(name), given.get(name)];
    const names = ({ headers }) => Object.keys(headers).sort().join(", ");
    const found = [];
    if (worker.body.length !== floor.body.length) {
      found.push(`${name}: ${floor.body.length} bytes, the Worker answers ${worker.body.length}`);
    }
    if (names(worker) !== names(floor)) {
      found.push(`${name}: the headers ${names(floor)}, the Worker answers ${names(worker)}`);
    }
    return found;
  });
}
