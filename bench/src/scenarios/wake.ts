/** Latency from a stored message to an idle consumer in another process. */

import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@busbar/testbed';
import { cost, latency, tailLatency } from '../figures.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import type { Ping, Pong } from '../processes/ping.ts';
import type { Scenario } from './scenario.ts';

const LONG = { pings: 200, idleMs: 2000 };
const SHORT = { pings: 50, idleMs: 1000 };

export const wake: Scenario = {
  title: 'Wake-up of an idle consumer in another process, from the stored message, and its CPU while it waits',
  once: true,
  mostRuns: 1,
  seconds: ({ short }) => (short ? 3 : 6),
  async run(sandbox, { short }) {
    const { pings, idleMs } = short ? SHORT : LONG;
    const sender = await sandbox.actor();
    const listener = await sandbox.actor();
    await listener.call('listen');
    await ping(sender, listener, 1);
    const before = await listener.call('cpuMs');
    await sleep(idleMs);
    const after = await listener.call('cpuMs');
    const { sinceStored, sinceCalled } = await ping(sender, listener, pings);
    return [
      latency('p50', sinceStored, 0.5),
      tailLatency('p99', sinceStored, 0.99),
      latency('p50 since the call', sinceCalled, 0.5),
      cost('slowest since the call', 'ms', Math.max(...sinceCalled)),
      cost('idle CPU', '%', ((after - before) / idleMs) * 100),
    ];
  },
};

interface WakeTimes {
  readonly sinceCalled: readonly number[];
  readonly sinceStored: readonly number[];
}

/** Sends at irregular intervals, so that no poll is in step, and resolves when all pings have arrived. */
async function ping(sender: ActorProcess, listener: ActorProcess, count: number): Promise<WakeTimes> {
  const pings: Ping[] = [];
  const pongs: Pong[] = [];
  for (let index = 0; index < count; index += 1) {
    pings.push(await sender.call('ping'));
    await sleep(5 + ((index * 7) % 13));
  }
  const all = async (): Promise<boolean> => pongs.push(...(await listener.call('pongs'))) >= count;
  await waitFor(all, { what: 'all pings', timeoutMs: 30_000 });
  const arrivedAt = new Map(pongs.map((pong) => [pong.calledAt, pong.arrivedAt]));
  const since = (from: (ping: Ping) => number): number[] =>
    pings.map((ping) => (arrivedAt.get(ping.calledAt) ?? Number.NaN) - from(ping));
  return { sinceCalled: since(({ calledAt }) => calledAt), sinceStored: since(({ storedAt }) => storedAt) };
}
