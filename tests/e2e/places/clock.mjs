// The clock of an isolate of the bench: it shows a simulated time, and timers follow it. Every isolate computes the
// same time from the same three numbers, so that nothing has to be sent while it runs. It is imported before all
// else, and runs in workerd.

const RealDate = Date;
const { setTimeout: realTimeout } = globalThis;

/** At the real time `real`, it is `simulated`, and passes `rate` times as fast. Milliseconds since 1970. */
let clock = { real: 0, simulated: 0, rate: 1 };

export const setClock = (next) => (clock = next);
/** The simulated time of a real one, and the reverse. */
export const simulated = (real) => clock.simulated + (real - clock.real) * clock.rate;
export const real = (time) => clock.real + (time - clock.simulated) / clock.rate;
export const now = () => simulated(RealDate.now());

globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length > 0 ? args : [now()]));
  }
  static now() {
    return Math.round(now());
  }
};
globalThis.setTimeout = (callback, milliseconds = 0, ...args) => realTimeout(callback, milliseconds / clock.rate, ...args);
