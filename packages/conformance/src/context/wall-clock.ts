/** A wrong wall clock in the asynchronous context of one case only, because cases run concurrently. */

import { AsyncLocalStorage } from 'node:async_hooks';

/** The wall clock of a context. */
export interface WallClock {
  /** Difference to the real wall clock. */
  offsetMs: number;
  /** Runs `work` outside the context, with the real wall clock. */
  outside<T>(work: () => T): T;
}

const RealDate = Date;
const clocks = new AsyncLocalStorage<WallClock | undefined>();
let users = 0;

const now = (): number => RealDate.now() + (clocks.getStore()?.offsetMs ?? 0);
const ShiftedDate = new Proxy(RealDate, {
  construct: (target, parts, self) => Reflect.construct(target, parts.length === 0 ? [now()] : parts, self),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});

/** Runs `work` in a context with its own wall clock. Clients opened inside use it. */
export async function withWallClock<T>(offsetMs: number, work: (clock: WallClock) => Promise<T>): Promise<T> {
  const clock: WallClock = { offsetMs, outside: (inner) => clocks.run(undefined, inner) };
  users += 1;
  globalThis.Date = ShiftedDate;
  try {
    return await clocks.run(clock, () => work(clock));
  } finally {
    users -= 1;
    if (users === 0) globalThis.Date = RealDate;
  }
}
