/** Uses each part of a transport once, over a server or with rights that may lack something. */

import type { Transport } from '@busbar/api/transport';
import { expect } from 'vitest';

/** Queues, topics, keys and admin. Leaves the namespace empty. */
export async function useEverything({ queues, topics, kv, admin }: Transport): Promise<void> {
  const seen = Promise.withResolvers<string | undefined>();
  await topics.bind('work', 'news.>', { from: 'start' });
  await using _subscription = await topics.subscribe('news.*', {}, ([event]) => seen.resolve(event?.topic));
  const changed = Promise.withResolvers<void>();
  await using _watch = await kv.watch('', (changes) => {
    if (changes.some(({ kind }) => kind === 'put')) changed.resolve();
  });
  const waiting = queues.receive('work', { waitMs: 10_000 });
  await topics.publish('news.today', [{ body: Buffer.from('x') }]);
  expect(await seen.promise).toBe('news.today');
  const [delivery] = await waiting;
  await queues.settle([{ receipt: delivery?.receipt ?? '', action: 'retry', reason: 'again' }]);
  const [again] = await queues.receive('work', { waitMs: 10_000 });
  await queues.settle([{ receipt: again?.receipt ?? '', action: 'reject', reason: 'no' }]);
  expect(await admin.redrive('work')).toBe(1);
  await queues.configure('work', { dedupeMs: 600_000 });
  await queues.send('work', [{ id: '1', body: new Uint8Array(1), delayMs: 60_000, ttlMs: 90_000, orderingKey: 'k' }]);
  expect(await admin.cancel('work', ['1'])).toMatchObject([{ status: 'done' }]);
  await kv.put('key', Buffer.from('x'), { ttlMs: 60_000 });
  await changed.promise;
  for await (const _ of admin.exportState()) {
    // Each record can be read.
  }
  expect(await admin.deleteQueue('work')).toBe(true);
  await admin.clear();
}
