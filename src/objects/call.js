// A call of a Durable Object, in one step of wasm: each step of it there, and each promise, has its cost.

/**
 * The reply of an object to a message, both as texts. It fails after `timeout` milliseconds. The timer is not one of Rust: a
 * panic replaces the wasm instance, and its timers never fire.
 */
export async function call(stub, message, timeout) {
  // The stub selects the object; the host is ignored.
  const response = await stub.fetch("http://object/", { method: "POST", body: message, signal: AbortSignal.timeout(timeout) });
  return response.text();
}
