/** A wall clock that a case sets wrong: only for what runs in the context of the case, since cases run side by side. */

import { AsyncLocalStorage } from 'node:async_hooks';

/** The wall clock as code in its context sees it. */
export interface WallClock {
  /** How far it is off. */
  offsetMs: number;
  /** Runs `work` outside of it, where the wall clock is right. */
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

/** Runs `work` in a context with a wall clock of its own. Clients opened in it live by that clock. */
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
