/** Steps that inspect a queue through `admin`. */

import type { BrowsedMessage, QueueInfo, Transport } from '@busbar/api/transport';
import { CheckFailed } from '../context/check.ts';
import type { TestContext } from '../context/test-context.ts';

/** Message counts of a queue by state. */
export type Counts = Pick<QueueInfo, 'ready' | 'delayed' | 'leased' | 'dead'>;

/** Returns the info of a queue. Fails if the queue does not exist. */
export async function queueInfo(transport: Transport, queue: string): Promise<QueueInfo> {
  const [info] = await transport.admin.queues({ names: [queue] });
  if (info === undefined) throw new CheckFailed(`queue ${queue} does not exist`);
  return info;
}

/** Whether nothing is ready, delayed or leased in the queue. */
export async function isEmpty(transport: Transport, queue: string): Promise<boolean> {
  const { ready, delayed, leased } = await queueInfo(transport, queue);
  return ready + delayed + leased === 0;
}

/** Waits until the counts of the queue are as `expected`, and asserts it. */
export async function assertCounts(
  test: TestContext,
  transport: Transport,
  queue: string,
  expected: Partial<Counts>,
): Promise<void> {
  const states = Object.keys(expected) as (keyof Counts)[];
  const deadline = performance.now() + 5_000;
  await test.until(`the counts of ${queue}`, async () => {
    const info = await queueInfo(transport, queue);
    const isSo = states.every((state) => info[state] === expected[state]);
    if (!isSo && performance.now() < deadline) return false;
    test.check.equal(
      Object.fromEntries(states.map((state) => [state, info[state]])),
      { ...expected },
      `held by ${queue}`,
    );
    return true;
  });
}

/** Waits for `count` dead letters and returns them, oldest first. Fails if there are more. */
export async function deadLetters(
  test: TestContext,
  transport: Transport,
  queue: string,
  count: number,
): Promise<readonly BrowsedMessage[]> {
  const letters = await test.until(`${count} dead letters in ${queue}`, async () => {
    const { messages } = await transport.admin.browse(queue, { state: 'dead', limit: 1_000 });
    return messages.length >= count && messages;
  });
  test.check.equal(letters.length, count, `dead letters in ${queue}`);
  return letters;
}
