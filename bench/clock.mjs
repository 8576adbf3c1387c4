// Loaded before a Worker that is to be measured cold: each look at the clock finds that 11 seconds
// have passed, so that whatever was kept in memory for 10 seconds is too old.

const STEP_MS = 11_000;
const SystemDate = Date;
let passed = 0;

globalThis.Date = class extends SystemDate {
  constructor(...given) {
    super(...(given.length > 0 ? given : [Date.now()]));
  }

  static now() {
    passed += STEP_MS;
    return SystemDate.now() + passed;
  }
};
