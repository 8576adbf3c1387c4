// JSON by the rules of Python: keys in order, integers distinct from floats, no number rounded.

/** A value that is `===`-comparable through JSON.stringify; `undefined` if the text is not valid JSON. */
export function readJson(text) {
  try {
    return JSON.parse(text, (_, value, { source }) => {
      if (typeof value === "number") return { number: /^-?\d+$/.test(source) ? source : `float ${value}` };
      return value;
    });
  } catch {
    return undefined;
  }
}

/** Whether two values are equal, including the order of keys. */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Whether two values are equal except for the order of keys. */
export const sameButOrder = (one, other) => same(sorted(one), sorted(other));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
