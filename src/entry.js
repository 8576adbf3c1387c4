// The module that the runtime loads: it takes requests into wasm, and makes a new wasm instance if
// one is lost. A panic ends an instance, with everything that was being worked on in it.

import { DurableObject } from "cloudflare:workers";
import { abandon, apology } from "./glue.js";
import { ResourcePool as Pool, __worker_init_state as instanceState, answer, initSync } from "./index.js";
import module from "./index_bg.wasm";

initSync({ module });

export default {
  fetch(request, env, context) {
    try {
      return answer(request, request.method, request.url, env, context);
    } catch (error) {
      abandon();
      return apology(error);
    }
  },
};

/** A resource pool. What it knows is in its database, so a new wasm instance takes over where one ended. */
export class ResourcePool extends DurableObject {
  #pool;
  #instance;

  async fetch(request) {
    // Asking for the state is what makes a new instance, if one is needed.
    const { instanceId } = instanceState();
    if (this.#instance !== instanceId) {
      this.#pool = new Pool(this.ctx, this.env);
      this.#instance = instanceId;
    }
    try {
      return await this.#pool.fetch(request);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) abandon();
      throw error;
    }
  }
}
