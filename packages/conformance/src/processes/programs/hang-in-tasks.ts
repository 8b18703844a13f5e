/** A worker in its own process whose handlers never end. */

import { type BatchWorkerOptions, openBus, type WorkerOptions } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

let begun = 0;

/** Takes tasks of `queue`. */
export async function hangInTasks(
  transport: Transport,
  { queue, ...options }: { readonly queue: string } & (WorkerOptions | BatchWorkerOptions),
): Promise<void> {
  const bus = openBus(transport, { onError: () => undefined, ownsTransport: false });
  const hang = (): Promise<never> => {
    begun += 1;
    return new Promise(() => undefined);
  };
  await bus.process(queue, hang, options as WorkerOptions);
}

/** How many handlers began so far. */
export function begunHandlers(): number {
  return begun;
}
