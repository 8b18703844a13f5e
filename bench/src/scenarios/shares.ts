/** Several consumers that share a queue. */

import { setTimeout as sleep } from 'node:timers/promises';
import { sharedClockMs } from '../client.ts';
import type { ActorProcess } from '../processes/actor-process.ts';
import { countShares } from '../processes/share.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';

const POLL_MS = 10;
/** Consumers that get nothing for so long have lost the rest. */
const STALL_MS = 30_000;

/** Messages that several consumers share. */
export interface SharedLoad {
  readonly count: number;
  readonly inFlight: number;
}

/** Runs `produce` while the consumers share `count` messages. Resolves with the time up to the last arrival. */
export async function consumeTogether(
  sandbox: Sandbox,
  consumers: readonly ActorProcess[],
  { count, inFlight }: SharedLoad,
  produce: () => Promise<unknown>,
): Promise<number> {
  const began = sharedClockMs();
  const working = Promise.all(consumers.map((consumer) => consumer.call('beginShare', count, inFlight)));
  const [lastAtMs] = await Promise.all([lastArrival(consumers, count), working, produce()]);
  const shares = await Promise.all(consumers.map((consumer) => consumer.call('endShare')));
  sandbox.account({ expected: count, reordered: 0, ...countShares(count, shares) });
  return lastAtMs - began;
}

/** When the last of `count` messages arrived. */
async function lastArrival(consumers: readonly ActorProcess[], count: number): Promise<number> {
  let before = 0;
  let since = sharedClockMs();
  for (;;) {
    const all = await Promise.all(consumers.map((consumer) => consumer.call('share')));
    const arrived = all.reduce((sum, share) => sum + share.arrived, 0);
    if (arrived > before) since = sharedClockMs();
    if (arrived >= count || sharedClockMs() - since > STALL_MS) return Math.max(...all.map((share) => share.lastAtMs));
    before = arrived;
    await sleep(POLL_MS);
  }
}
