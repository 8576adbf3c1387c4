// The module that the runtime loads: it takes requests into wasm, and out of it if a panic ends them.
// A panic ends a wasm instance, with everything that is being worked on in it; another takes over.

import { DurableObject } from "cloudflare:workers";
import { apology, currentInstance } from "./glue.js";
import { ResourcePool as Pool, answer, initSync } from "./index.js";
import module from "./index_bg.wasm";

initSync({ module });

export default {
  fetch(request, env, context) {
    currentInstance();
    try {
      return answer(request, request.method, request.url, env, context);
    } catch (error) {
      return apology(error);
    }
  },
};

/** A resource pool. What it knows is in its database, so a new wasm instance takes over where one ended. */
export class ResourcePool extends DurableObject {
  #pool;
  #instance;

  fetch(request) {
    const instance = currentInstance();
    if (this.#instance !== instance) {
      this.#pool = new Pool(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#pool.fetch(request);
  }
}
