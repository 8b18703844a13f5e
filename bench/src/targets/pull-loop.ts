/** The loop of a consumer that pulls messages. */

import type { Stop } from '../client.ts';

/** Calls `take` repeatedly until it is stopped, which aborts `signal`. */
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
