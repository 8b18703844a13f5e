/** Hand-over of a lock between two processes. */

import { setTimeout as sleep } from 'node:timers/promises';
import { cost, latency, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

const HANDOVERS = 50;
const SHORT_HANDOVERS = 20;
const ALONE = 100;
const WAIT_MS = 15;

export const lock: Scenario = {
  title: 'A lock: from its release in one process until the waiting process has it, and taking it without a rival',
  once: true,
  mostRuns: 2,
  seconds: ({ short }) => (short ? 1.2 : 3),
  async run(sandbox, { short }) {
    let holder = await sandbox.actor();
    let waiter = await sandbox.actor();
    const times: number[] = [];
    await holder.call('takeLock');
    for (let turn = 0; turn < (short ? SHORT_HANDOVERS : HANDOVERS); turn += 1) {
      const taken = waiter.call('takeLock');
      // The other process waits for it by now.
      await sleep(WAIT_MS);
      const releasedAt = await holder.call('releaseLock');
      times.push((await taken) - releasedAt);
      [holder, waiter] = [waiter, holder];
    }
    await holder.call('releaseLock');
    const aloneMs = await timed(() => holder.call('takeLocks', ALONE));
    return [
      latency('hand-over p50', times, 0.5),
      cost('hand-over slowest', 'ms', Math.max(...times)),
      rate('taken and released', ALONE, aloneMs),
    ];
  },
};
