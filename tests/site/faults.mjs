// The choice of the storage operations that fail. It runs in the test and in workerd: it imports nothing.

/** One operation in so many fails, by default. */
export const ONE_IN = 200;

/**
 * Decides for each operation whether it fails: by the seed, its store, kind and key, and the number of
 * equal ones before it. So the choice does not depend on the order in which switches send requests.
 */
export class Faults {
  #seed;
  #oneIn;
  #seen = new Map();
  operations = 0;
  injected = 0;

  constructor(seed, oneIn = ONE_IN) {
    this.#seed = seed;
    this.#oneIn = oneIn;
  }

  /**
   * How the next such operation fails: undefined, `before` it is done, or `after`: it is done, and its
   * result is lost.
   */
  next(store, operation, key) {
    const name = `${store} ${operation} ${key}`;
    const number = this.#seen.get(name) ?? 0;
    this.#seen.set(name, number + 1);
    this.operations += 1;
    const drawn = hash(`${this.#seed} ${name} ${number}`);
    if (drawn % this.#oneIn !== 0) return undefined;
    this.injected += 1;
    return Math.floor(drawn / this.#oneIn) % 2 === 0 ? "before" : "after";
  }
}

/** A number of 32 bits for a text (FNV-1a, and the last steps of murmur3). */
export function hash(text) {
  let state = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}
