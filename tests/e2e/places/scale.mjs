// How much the tests of places do: all of it with `npm run test:places`, which sets ZTP_PLACES=full; a sample of it
// with `npm test`.

export const IS_FULL = process.env.ZTP_PLACES === "full";

/** A number for the full run, and one for the sample. */
export const scaled = (full, sample) => (IS_FULL ? full : sample);
