// What the kernel says about a process: the time it computed, and the memory that it holds.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";

const TICKS_PER_SECOND = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** CPU time of a process so far, in microseconds, with that of its threads and ended children. */
export function cpuMicroseconds(pid) {
  // The second field is the program's name in parentheses, and may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ");
  const [user, system, childrenUser, childrenSystem] = fields.slice(11, 15).map(Number);
  return ((user + system + childrenUser + childrenSystem) * 1e6) / TICKS_PER_SECOND;
}

/** Resident memory in bytes: `now`, and `peak` since the last forgetPeak(). */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]) * 1024;
  return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
}

/** Makes the present memory of a process its peak (proc(5), clear_refs). */
export function forgetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/**
 * Which CPUs do what: the load generator has the last one for itself, the servers share the others.
 * `undefined` where there is only one. Settled before this process gives any up.
 */
export const division = divide(availableParallelism());

function divide(cpus) {
  return cpus < 2 ? undefined : { cpus, servers: cpus === 2 ? "0" : `0-${cpus - 2}`, generator: String(cpus - 1) };
}

/** Moves this process, with all of its threads, to the CPU of the load generator. */
export function becomeGenerator() {
  if (!division) return;
  const args = ["--all-tasks", "--cpu-list", "--pid", division.generator, String(process.pid)];
  execFileSync("taskset", args, { stdio: "ignore" });
}

/** A command line that runs a program on the CPUs of the servers. */
export function onServerCpus(program, args) {
  return division ? ["taskset", ["--cpu-list", division.servers, program, ...args]] : [program, args];
}
