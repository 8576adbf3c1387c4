// The main module of the runtime: the built Worker with one change. A call of a pool fails now and then,
// before the pool receives it or after.

import worker, { ResourcePool as Pool } from "./index.js";
import { Faults } from "./faults.mjs";

export * from "./index.js";
export default worker;

let faults;

export class ResourcePool extends Pool {
  #env;

  constructor(context, env) {
    super(context, env);
    this.#env = env;
  }

  async fetch(request) {
    faults ??= new Faults(this.#env.SITE_TEST_SEED);
    const failure = faults.next("pool", request.method, this.#env.SITE_TEST_POOL);
    console.log(JSON.stringify({ pool_operation: failure ?? "done" }));
    if (failure === "before") throw new Error("injected fault: the call is lost");
    const response = await super.fetch(request);
    if (failure === "after") throw new Error("injected fault: the result is lost");
    return response;
  }
}
