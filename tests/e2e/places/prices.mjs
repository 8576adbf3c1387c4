// Cloudflare's list prices, and the cost of what a test has used.

/**
 * Dollars for a million, beyond what the Workers Paid plan includes, as published in August 2026
 * (developers.cloudflare.com/workers/platform/pricing, /kv/platform/pricing, /r2/pricing, /durable-objects/platform/pricing).
 * KV bills each key of a bulk read, also a missing one. An alarm is a request of its object. CPU time, the duration of
 * objects and storage are not in the table: the bench does not measure them as Cloudflare does.
 */
export const PRICES = {
  requests: 0.3,
  "KV keys read": 0.5,
  "KV keys written": 5,
  "KV keys deleted": 5,
  "KV lists": 5,
  "R2 reads": 0.36,
  "R2 writes": 4.5,
  "object requests": 0.15,
  "object rows written": 1,
};

/** The usage, by the names of PRICES, from the figures of a bench. */
export const used = ({ kv, ...figures }) => ({
  requests: figures.requests,
  "KV keys read": kv.reads,
  "KV keys written": kv.writes,
  "KV keys deleted": kv.deletes,
  "KV lists": kv.lists,
  "R2 reads": figures.r2Reads,
  "R2 writes": figures.r2Writes,
  "object requests": figures.objectRequests + figures.alarms,
  "object rows written": figures.rowsWritten,
});

/** Lines about what was used: the count, per boot, and its price; the sum comes last. */
export function bill(counts, boots) {
  const cost = (name) => (counts[name] * PRICES[name]) / 1e6;
  const dollars = (amount) => `$${amount.toFixed(6)}`;
  const line = (name, count, amount) => `  ${name.padEnd(22)}${String(count).padStart(9)}${(count / boots).toFixed(2).padStart(9)} a boot  ${dollars(amount)}`;
  const names = Object.keys(PRICES);
  const total = names.reduce((sum, name) => sum + cost(name), 0);
  return [...names.map((name) => line(name, counts[name], cost(name))), `  ${dollars(total)} for ${boots} boots, $${((total / boots) * 1e6).toFixed(2)} for a million`];
}
