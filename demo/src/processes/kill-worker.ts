/** Kills a worker while it holds a lease. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from 'busbar';
import { AUDITS } from '../bus/names.ts';
import { retryWhileUnavailable } from '../bus/retry-while-unavailable.ts';
import type { RunProcess, Workers } from './workers.ts';

/** A killed worker, and the ids of the tasks that it held. */
export interface Kill {
  readonly worker: string;
  readonly held: readonly string[];
}

const RETRY_EVERY_MS = 10;
const PAGE = 1_000;

/**
 * Stops a worker that holds leases, and kills it if it still holds one: a stopped process cannot settle, so its tasks are
 * certain to be delivered again. Undefined when `isOver` becomes true first.
 */
export async function killWorkerAtWork(bus: Bus, workers: Workers, isOver: () => boolean): Promise<Kill | undefined> {
  while (!isOver()) {
    const leases = await leasesByConsumer(bus);
    const worker = workers.withRole('worker').find(({ name }) => leases.has(name));
    const kill = worker && (await killIfAtWork(bus, workers, worker));
    if (kill !== undefined) return kill;
    await sleep(RETRY_EVERY_MS);
  }
  return undefined;
}

async function killIfAtWork(bus: Bus, workers: Workers, worker: RunProcess): Promise<Kill | undefined> {
  worker.child.stop();
  const held = (await leasesByConsumer(bus)).get(worker.name);
  if (held === undefined) {
    worker.child.cont();
    return undefined;
  }
  await workers.kill(worker);
  return { worker: worker.name, held };
}

/** The ids of leased tasks by consumer. */
async function leasesByConsumer(bus: Bus): Promise<Map<string | undefined, string[]>> {
  const browse = () => bus.transport.admin.browse(AUDITS, { state: 'leased', limit: PAGE });
  const { messages } = await retryWhileUnavailable(browse);
  const held = new Map<string | undefined, string[]>();
  for (const { consumer, message } of messages) held.set(consumer, [...(held.get(consumer) ?? []), message.id]);
  return held;
}
