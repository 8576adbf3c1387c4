// The wanted differences in which pattern a node is given; see differences.mjs.

export const selection = [];
