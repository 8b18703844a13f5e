/** The loop of a consumer that pulls messages. */

import type { Stop } from '../client.ts';

/** The steps of a consumer. */
export interface Consuming<T> {
  /** Receives and handles messages, and waits for them until `signal` aborts. */
  receive(signal: AbortSignal): Promise<T>;
  /** Settles what was received. */
  settle(received: T): Promise<unknown>;
}

/**
 * Receives and settles until it is stopped. With several messages in flight it receives the next ones while the last ones are
 * being settled, as a bare JetStream consumer does.
 */
export function pull<T>(inFlight: number, { receive, settle }: Consuming<T>): Stop {
  const stopping = new AbortController();
  const { signal } = stopping;
  const loop = async (): Promise<void> => {
    let settling: Promise<unknown> = Promise.resolve();
    try {
      while (!signal.aborted) {
        const [received] = await Promise.all([receive(signal), settling]);
        settling = settle(received);
        if (inFlight === 1) await settling;
      }
    } finally {
      await settling;
    }
  };
  const ended = loop().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return () => {
    stopping.abort();
    return ended;
  };
}
