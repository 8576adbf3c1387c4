// Numbers and tables as the report writes them.

/** A ratio with two digits, never rounded up to what it does not reach. */
export const hundredths = (value) => (Math.floor(value * 100) / 100).toFixed(2);

export const whole = (value) => Math.round(value).toString();

/** What a measured line is called where its columns are not at hand. */
export const label = ({ row, clock }) => (row.clocks.cold ? `${row.name} (${clock})` : row.name);

/** A Markdown table; the first `texts` columns are text, the others numbers. */
export function table(head, body, texts) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => (index < texts ? "---" : "---:"));
  return [head, rule, ...body].map(line).join("\n");
}
