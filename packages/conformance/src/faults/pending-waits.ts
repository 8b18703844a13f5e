/** Pending waits of a client during a fault. Each must wake exactly once after it. */

import type { KvChange, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** A client with every kind of pending wait. */
export interface PendingWaits {
  /** Sends one of each kind from `sender`, and asserts that each arrives once. */
  assertWake(sender: Transport, name: string): Promise<void>;
}

/** Makes `transport` wait on a queue, a subscription, a bound queue and a watch. */
export async function waitEverywhere(test: TestContext, transport: Transport): Promise<PendingWaits> {
  const seen: string[] = [];
  const stop = new AbortController();
  await transport.topics.bind('bound', 'news.*');
  const subscription = await transport.topics.subscribe('news.>', {}, (events) => {
    for (const event of events) seen.push(`event ${test.text(event)}`);
  });
  const watch = await transport.kv.watch('watched/', (changes) => {
    for (const change of changes) seen.push(...textOf(test, change));
  });
  const loops = ['inbox', 'bound'].map((queue) => consumeInto(test, transport, queue, seen, stop.signal));
  test.defer(async () => {
    stop.abort();
    await Promise.allSettled([...loops, subscription.close(), watch.close()]);
  });
  return {
    async assertWake(sender, name) {
      const body = Buffer.from(name);
      const before = seen.length;
      await test.send(sender, 'inbox', [{ body }]);
      await sender.topics.publish('news.today', [{ body }]);
      await sender.kv.put(`watched/${name}`, body);
      const expected = [`bound ${name}`, `entry ${name}`, `event ${name}`, `inbox ${name}`];
      const all = (): boolean => expected.every((one) => seen.includes(one, before));
      await test
        .until(`all pending waits to wake for ${name}, beyond ${seen.slice(before)}`, all, 20_000)
        .catch((error) => {
          test.check.equal(seen.slice(before).toSorted(), expected, `waits woken for ${name} within 20 s`);
          throw error;
        });
      await new Promise((resolve) => setTimeout(resolve, 150));
      test.check.equal(seen.slice(before).toSorted(), expected, `waits woken for ${name}`);
    },
  };
}

function textOf(test: TestContext, change: KvChange): string[] {
  return change.kind === 'put' ? [`entry ${test.text({ body: change.entry.value })}`] : [];
}

async function consumeInto(
  test: TestContext,
  { queues }: Transport,
  queue: string,
  seen: string[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const got = await queues.receive(queue, { max: 10, waitMs: Number.POSITIVE_INFINITY, signal });
    for (const delivery of got) seen.push(`${queue} ${test.text(delivery)}`);
    await queues.settle(got.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
}
