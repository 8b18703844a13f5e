/** Steps that drain a queue. */

import type { Delivery, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';

/** Receives and acks all ready messages. Returns them in order. */
export async function drain(test: TestContext, transport: Transport, queue: string): Promise<Delivery[]> {
  const all: Delivery[] = [];
  for (;;) {
    const got = await transport.queues.receive(queue, { max: 1_000 });
    if (got.length === 0) return all;
    test.recorder.add(got);
    await test.ack(transport, got);
    all.push(...got);
  }
}

/** Drains until nothing is ready, delayed or leased, including leases of dead consumers. */
export async function drainFully(
  test: TestContext,
  transport: Transport,
  queue: string,
  withinMs = 10_000,
): Promise<Delivery[]> {
  const all: Delivery[] = [];
  await test.until(
    `${queue} is empty`,
    async () => {
      all.push(...(await drain(test, transport, queue)));
      const [info] = await transport.admin.queues({ names: [queue] });
      return info === undefined || info.ready + info.delayed + info.leased === 0;
    },
    withinMs,
  );
  return all;
}
