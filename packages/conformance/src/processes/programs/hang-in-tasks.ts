/** A worker in its own process whose handlers never end. */

import { type BatchWorkerOptions, openBus, type WorkerOptions } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';

/** Takes tasks of `queue`. */
export async function hangInTasks(
  transport: Transport,
  { queue, ...options }: { readonly queue: string } & (WorkerOptions | BatchWorkerOptions),
): Promise<void> {
  const bus = openBus(transport, { onError: () => undefined, ownsTransport: false });
  await bus.process(queue, () => new Promise<never>(() => undefined), options as WorkerOptions);
}
