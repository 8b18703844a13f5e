/** Callbacks of an abort signal that many calls share. */

import { ChurnSet } from './churn.ts';

const callbacksOf = new WeakMap<AbortSignal, ChurnSet<() => void>>();

/**
 * Calls `callback` when `signal` fires, until the returned function is called. A signal of Node keeps its listeners in a linked
 * list: each one that was removed keeps later ones alive until a full garbage collection, with all that they refer to. So the
 * callbacks share one listener.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = callbacksOf.get(signal) ?? listen(signal);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
  };
}

function listen(signal: AbortSignal): ChurnSet<() => void> {
  const callbacks = new ChurnSet<() => void>();
  const onFired = (): void => {
    for (const callback of callbacks) callback();
  };
  signal.addEventListener('abort', onFired, { once: true });
  callbacksOf.set(signal, callbacks);
  return callbacks;
}
