/** How soon does an idle consumer in another process get a message, and what does waiting cost? */

import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@busbar/testbed';
import { Actor } from '../actor.ts';
import { percentile } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

const PINGS = 200;
const IDLE_MS = 3000;

export const wake: Scenario = {
  question: 'Wake-up of an idle consumer in another process, from the call of send on, and its CPU while it waits',
  async run(subject, place) {
    await using sender = await Actor.start(subject, place);
    await using listener = await Actor.start(subject, place);
    if (!listener.can('listen')) return undefined;
    await listener.do('listen');
    await hear(sender, listener, 1);
    const before = await listener.usage();
    await sleep(IDLE_MS);
    const after = await listener.usage();
    const times = await hear(sender, listener, PINGS);
    return [
      { name: 'p50', unit: 'ms', better: 'down', values: [percentile(times, 0.5)] },
      { name: 'p99', unit: 'ms', better: 'down', values: [percentile(times, 0.99)] },
      { name: 'idle CPU', unit: '%', better: 'down', values: [((after.cpuMs - before.cpuMs) / IDLE_MS) * 100] },
    ];
  },
};

/** Sends at intervals that no poll can be in step with, and resolves when all were heard. */
async function hear(sender: Actor, listener: Actor, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    await sender.do('ping');
    await sleep(5 + ((index * 7) % 13));
  }
  const all = async (): Promise<boolean> => times.push(...(await listener.heard())) >= count;
  await waitFor(all, { what: 'all pings', timeoutMs: 30_000 });
  return times;
}
