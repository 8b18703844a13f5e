/** How soon does an idle consumer in another process get a message? */

import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@busbar/testbed';
import { cost, percentile } from '../figures.ts';
import type { Actor } from '../processes/actor-process.ts';
import type { Heard, Ping } from '../processes/client-actor.ts';
import type { Scenario } from './scenarios.ts';

const PINGS = 200;
const IDLE_MS = 3000;

export const wake: Scenario = {
  question:
    'Wake-up of an idle consumer in another process, from when the message is stored, and its CPU while it waits',
  once: true,
  async run(setting) {
    const sender = await setting.actor();
    const listener = await setting.actor();
    await listener.tell('listen');
    await hear(sender, listener, 1);
    const before = await listener.tell('cpuMs');
    await sleep(IDLE_MS);
    const after = await listener.tell('cpuMs');
    const { sinceStored, sinceCalled } = await hear(sender, listener, PINGS);
    return [
      cost('p50', 'ms', percentile(sinceStored, 0.5)),
      cost('p99', 'ms', percentile(sinceStored, 0.99)),
      cost('p50 since the call', 'ms', percentile(sinceCalled, 0.5)),
      cost('slowest since the call', 'ms', Math.max(...sinceCalled)),
      cost('idle CPU', '%', ((after - before) / IDLE_MS) * 100),
    ];
  },
};

interface Times {
  readonly sinceCalled: readonly number[];
  readonly sinceStored: readonly number[];
}

/** Sends at intervals that no poll can be in step with, and resolves when all were heard. */
async function hear(sender: Actor, listener: Actor, count: number): Promise<Times> {
  const pings: Ping[] = [];
  const heard: Heard[] = [];
  for (let index = 0; index < count; index += 1) {
    pings.push(await sender.tell('ping'));
    await sleep(5 + ((index * 7) % 13));
  }
  const all = async (): Promise<boolean> => heard.push(...(await listener.tell('heard'))) >= count;
  await waitFor(all, { what: 'all pings', timeoutMs: 30_000 });
  const heardAt = new Map(heard.map((one) => [one.calledAt, one.heardAt]));
  const since = (from: (ping: Ping) => number): number[] =>
    pings.map((ping) => (heardAt.get(ping.calledAt) ?? Number.NaN) - from(ping));
  return { sinceCalled: since(({ calledAt }) => calledAt), sinceStored: since(({ storedAt }) => storedAt) };
}
