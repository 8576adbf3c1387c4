// Random choices from a seed.

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function generator(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit) => Math.floor(next() * limit);
  return {
    below,
    /** True with this probability. */
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)],
    /** Bytes as a Latin-1 string: each character is sent as one byte. */
    bytes: (length) => Array.from({ length }, () => String.fromCharCode(below(256))).join(""),
  };
}

/** The number that follows an option such as --seed on the command line. */
export function numberOption(name, otherwise) {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}
