// The settings of every Worker that a test starts, unless the test has others.

/**
 * Without tokens of sites any client has access. The secrets are empty, which means not set: a checkout in which
 * `npm start` was run has some in .dev.vars, and wrangler reads that file for tests, too.
 */
export const DEFAULTS = { ALLOW_ANYONE: "True", ZTP_TOKENS: "", ZTP_ADMIN_TOKEN: "" };
