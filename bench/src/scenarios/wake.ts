/** How soon does an idle consumer in another process get a message, and what does waiting cost? */

import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@busbar/testbed';
import { Actor } from '../actor.ts';
import type { Heard, Ping } from '../client.ts';
import { type Figure, percentile } from '../figures.ts';
import type { Scenario } from '../scenarios.ts';

const PINGS = 200;
const IDLE_MS = 3000;

export const wake: Scenario = {
  question:
    'Wake-up of an idle consumer in another process, from when the message is stored, and its CPU while it waits',
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
      figure('p50', times.sinceStored, 0.5),
      figure('p99', times.sinceStored, 0.99),
      figure('p50 since the call', times.sinceCalled, 0.5),
      { name: 'idle CPU', unit: '%', better: 'down', values: [((after.cpuMs - before.cpuMs) / IDLE_MS) * 100] },
    ];
  },
};

interface Times {
  readonly sinceCalled: readonly number[];
  readonly sinceStored: readonly number[];
}

function figure(name: string, times: readonly number[], share: number): Figure {
  return { name, unit: 'ms', better: 'down', values: [percentile(times, share)] };
}

/** Sends at intervals that no poll can be in step with, and resolves when all were heard. */
async function hear(sender: Actor, listener: Actor, count: number): Promise<Times> {
  const pings: Ping[] = [];
  const heard: Heard[] = [];
  for (let index = 0; index < count; index += 1) {
    pings.push(await sender.ping());
    await sleep(5 + ((index * 7) % 13));
  }
  const all = async (): Promise<boolean> => heard.push(...(await listener.heard())) >= count;
  await waitFor(all, { what: 'all pings', timeoutMs: 30_000 });
  const heardAt = new Map(heard.map((one) => [one.calledAt, one.heardAt]));
  const since = (from: (ping: Ping) => number): number[] =>
    pings.map((ping) => (heardAt.get(ping.calledAt) ?? Number.NaN) - from(ping));
  return { sinceCalled: since(({ calledAt }) => calledAt), sinceStored: since(({ storedAt }) => storedAt) };
}
