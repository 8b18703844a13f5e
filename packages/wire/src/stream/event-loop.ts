/** Moments of the event loop, in Node and in browsers. */

type Run = (work: () => void) => void;

const nextTick: Run = globalThis.process === undefined ? queueMicrotask : globalThis.process.nextTick;
const afterTurn: Run = globalThis.process === undefined ? setTimeout : setImmediate;

/** Runs `work` behind the microtasks of this turn. In a browser: behind those that are queued now. */
export function atTurnEnd(work: () => void): void {
  queueMicrotask(() => nextTick(work));
}

/** Runs `work` after the input that has arrived was read. */
export function afterInput(work: () => void): void {
  afterTurn(work);
}
