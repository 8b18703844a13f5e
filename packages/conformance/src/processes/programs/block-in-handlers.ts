/** A worker in its own process whose handlers block its event loop. */

import { openBus } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

/** A handler that began. */
export interface Begun {
  readonly id: string;
  /** By the wall clock of the machine. */
  readonly at: number;
}

const begun: Begun[] = [];

/** Takes tasks of `queue`, four at a time. Each handler blocks the event loop for `blockMs`. */
export async function blockInHandlers(
  transport: Transport,
  { queue, leaseMs, blockMs }: { queue: string; leaseMs: number; blockMs: number },
): Promise<void> {
  const bus = openBus(transport, { onError: () => undefined, ownsTransport: false });
  const work = ({ id }: { readonly id: string }): void => {
    begun.push({ id, at: Date.now() });
    for (const until = performance.now() + blockMs; performance.now() < until; );
  };
  await bus.process(queue, work, { concurrency: 4, leaseMs });
}

/** The handlers that began so far. */
export function begunHandlers(): readonly Begun[] {
  return begun;
}
