// Starting a server, whichever it is.

import { spawn } from "node:child_process";
import { exchange } from "./load.mjs";
import { onServerCpus } from "./process.mjs";

/**
 * Starts a program that will listen on `port`, on the CPUs of the servers. Resolves once `firstAnswer`,
 * a request, is answered, to { port, pid, startMs, stop }; `startMs` is the time that this took.
 */
export async function startServer(program, args, { port, firstAnswer, env = process.env }) {
  const [command, words] = onServerCpus(program, args);
  const started = performance.now();
  // What it logs goes nowhere: a reader of it would be measured, too.
  const child = spawn(command, words, { stdio: "ignore", env });
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status, signal) => resolve(signal ?? status));
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await ended;
  };
  try {
    await answered(child, port, firstAnswer);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: child.pid, startMs: performance.now() - started, stop };
}

async function answered(child, port, wanted) {
  for (;;) {
    try {
      return await exchange(port, wanted);
    } catch (error) {
      if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(" ")} ended with ${child.exitCode}`);
      // Reset: where nobody listens yet, the kernel may have connected the port with itself.
      if (!/ECONNREFUSED|ECONNRESET/.test(error.message)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
