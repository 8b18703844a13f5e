/** Kills a worker that is at work: one that holds a lease, as the bus sees it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { BrowsedMessage, Bus } from 'busbar';
import { AUDITS } from '../bus/names.ts';
import { patiently } from '../bus/retry-while-unavailable.ts';
import type { Crew, Member } from './workers.ts';

/** A worker that was killed, and the ids of the tasks that it held. */
export interface Kill {
  readonly worker: string;
  readonly held: readonly string[];
}

const TRY_AGAIN_MS = 10;
const PAGE = 1_000;

/**
 * Picks a worker that holds leases, stops it, and kills it if it still holds one. While it stands still it cannot settle
 * anything, so what it holds is delivered again for certain. Undefined once `isOver` says that all work is done.
 */
export async function killWorkerAtWork(bus: Bus, crew: Crew, isOver: () => boolean): Promise<Kill | undefined> {
  while (!isOver()) {
    const leases = await leasesByConsumer(bus);
    const worker = crew.workers.find(({ name }) => leases.has(name));
    const kill = worker && (await killIfAtWork(bus, crew, worker));
    if (kill !== undefined) return kill;
    await sleep(TRY_AGAIN_MS);
  }
  return undefined;
}

async function killIfAtWork(bus: Bus, crew: Crew, worker: Member): Promise<Kill | undefined> {
  await worker.child.stop();
  const held = (await leasesByConsumer(bus)).get(worker.name);
  if (held === undefined) {
    worker.child.cont();
    return undefined;
  }
  await crew.kill(worker);
  return { worker: worker.name, held: held.map(({ message }) => message.id) };
}

async function leasesByConsumer(bus: Bus): Promise<Map<string | undefined, BrowsedMessage[]>> {
  const { messages } = await patiently(() => bus.transport.admin.browse(AUDITS, { state: 'leased', limit: PAGE }));
  return Map.groupBy(messages, ({ consumer }) => consumer);
}
