// The memory of a Worker's isolate, from its inspector.

import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The timeout of a request to the inspector, in milliseconds. */
const BOUND = 60_000;

/**
 * Connects to the inspector of a Worker in a runtime, which is the child process `pid`. The inspector
 * starts a garbage collection only at the next event of the isolate: `wake` sends it a request.
 */
export async function inspect({ port, name, pid, wake }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/core:user:${name}`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`no inspector at ${socket.url}`));
  });
  const waiting = new Map();
  let last = 0;
  let context;
  socket.onmessage = ({ data }) => {
    const { id, result, error, method, params } = JSON.parse(data);
    if (method === "Runtime.executionContextCreated") context = params.context.uniqueId;
    waiting.get(id)?.({ result, error });
    waiting.delete(id);
  };
  const call = async (method, params = {}) => {
    last += 1;
    const id = last;
    const response = new Promise((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const late = sleep(BOUND, undefined, { ref: false }).then(() => ({ error: { message: `no response in ${BOUND} ms` } }));
    const { result, error } = await Promise.race([response, late]);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };

  await call("Runtime.enable");
  await call("HeapProfiler.enable");
  const prototype = await call("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype", uniqueContextId: context });

  /** The size of the wasm memories of all instances, in bytes. */
  const wasmBytes = async () => {
    const { objects } = await call("Runtime.queryObjects", { prototypeObjectId: prototype.result.objectId, objectGroup: "memories" });
    const { result } = await call("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }",
      returnByValue: true,
    });
    await call("Runtime.releaseObjectGroup", { objectGroup: "memories" });
    return result.value;
  };
  const collectGarbage = async () => {
    let done = false;
    const collected = call("HeapProfiler.collectGarbage").finally(() => (done = true));
    while (!done) await Promise.race([collected, wake().then(() => sleep(20))]);
    await collected;
  };
  /** In bytes: the JavaScript `heap`, its `buffers`, and `rss` of the process. */
  const usage = async () => {
    const { usedSize, embedderHeapUsedSize, backingStorageSize } = await call("Runtime.getHeapUsage");
    return { heap: usedSize + embedderHeapUsedSize, buffers: backingStorageSize, rss: resident(pid) };
  };
  return {
    usage,
    /** The same after a garbage collection, and the `wasm` memory. */
    async live() {
      await collectGarbage();
      return { ...(await usage()), wasm: await wasmBytes() };
    },
    close: () => socket.close(),
  };
}

/** Resident memory of a process, in bytes; NaN if the system does not report it. */
function resident(pid) {
  if (pid === undefined) return NaN;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(status.match(/^VmRSS:\s+(\d+) kB/m)[1]) * 1024;
}

/** The process id of the workerd that this process has started; undefined without /proc. */
export function runtimePid() {
  if (!existsSync("/proc/self/task")) return undefined;
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
  const found = children.filter((pid) => /workerd/.test(readFileSync(`/proc/${pid}/comm`, "utf8")));
  if (found.length !== 1) throw new Error(`${found.length} children of this process are workerd`);
  return Number(found[0]);
}
