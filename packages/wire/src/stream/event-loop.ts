/** Moments of the event loop, in Node and in browsers. */

type Run = (work: () => void) => void;

const { process: node, setImmediate: immediate } = globalThis as {
  readonly process?: { readonly nextTick?: Run };
  readonly setImmediate?: Run;
};
const nextTick: Run = node?.nextTick ?? queueMicrotask;

/** Runs `work` behind the microtasks of this turn. In a browser: behind those that are queued now. */
export function atTurnEnd(work: () => void): void {
  queueMicrotask(() => nextTick(work));
}

/** Runs `work` after the input that has arrived was read. */
export function afterInput(work: () => void): void {
  if (immediate === undefined) setTimeout(work);
  else immediate(work);
}
