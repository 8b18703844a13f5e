/** Time as it is, also while a test clock stands still. */

const setRealTimeout = globalThis.setTimeout.bind(globalThis);
const setTurn: (callback: () => void) => unknown =
  globalThis.setImmediate?.bind(globalThis) ?? ((callback) => setRealTimeout(callback, 0));

/** The turns of the event loop after which work that waits for no timer has ended. */
const TURNS = 8;

/** The functions that a test clock replaces. */
export const realTime: Pick<typeof globalThis, 'setInterval' | 'clearInterval'> & { now(): number } = {
  setInterval: globalThis.setInterval.bind(globalThis) as typeof globalThis.setInterval,
  clearInterval: globalThis.clearInterval.bind(globalThis),
  now: performance.now.bind(performance),
};

/** Resolves after `ms` of real time. */
export function realSleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setRealTimeout(resolve, ms));
}

/** Lets work that waits for no timer run: some turns of the event loop. */
export async function turns(count: number = TURNS): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => void setTurn(resolve));
}
