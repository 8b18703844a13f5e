/** A consumer that asks for messages, as against one that is given them. */

import type { Stop } from '../client.ts';

/** Calls `take` again and again until it is stopped; `signal` fires then. */
export function pull(take: (signal: AbortSignal) => Promise<unknown>): Stop {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    while (!signal.aborted) await take(signal);
  };
  const ended = loop().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return () => {
    stopping.abort();
    return ended;
  };
}
