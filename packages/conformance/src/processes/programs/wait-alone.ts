/** Work that alone keeps a process alive until it is done. Runs in its own process, which does not close its transport. */

import type { Transport } from '@busbar/api/transport';

const FOREVER = Number.POSITIVE_INFINITY;
const body = Uint8Array.of(1);

/**
 * Waits for a message, then only for an event, then only for a key, then only for a call, each named `turn`. From the second
 * one on, a message in the queue `turns` says what it waits for.
 */
export function waitInTurn({ queues, topics, kv, calls }: Transport): string {
  const say = (what: string): Promise<unknown> => queues.send('turns', [{ body, headers: { what } }]);
  const serve = async (): Promise<void> => {
    const service = await calls?.serve('turn', {}, async function* () {
      yield { body };
      void service?.close();
    });
    await say(service === undefined ? 'nothing' : 'call');
  };
  const watch = async (): Promise<void> => {
    const open = await kv.watch('turn', (changes) => {
      if (changes.some(({ kind }) => kind === 'put')) void open.close().then(serve);
    });
    await say('key');
  };
  const subscribe = async (): Promise<void> => {
    const open = await topics.subscribe('turn', { from: 'new' }, () => void open.close().then(watch));
    await say('event');
  };
  void queues.receive('turn', { waitMs: FOREVER }).then(subscribe);
  return 'waitInTurn';
}

/** Uses every facet and leaves nothing pending. */
export async function rest(transport: Transport): Promise<string> {
  const { queues, topics, kv, admin, calls } = transport;
  await queues.configure('kept', { leaseMs: 600_000 });
  await queues.send('kept', [{ body }, { body, delayMs: 600_000 }]);
  await queues.receive('kept', { waitMs: 1_000 });
  await queues.receive('none', { waitMs: 10 });
  await topics.bind('kept', 'news');
  const subscription = await topics.subscribe('news', { from: 'new' }, () => undefined);
  await topics.publish('news', [{ body }]);
  await subscription.close();
  await kv.put('kept', body, { ttlMs: 60_000 });
  await (await kv.watch('', () => undefined)).close();
  await admin.queues();
  await (
    await calls?.serve('answering', {}, async function* () {
      yield { body };
    })
  )?.close();
  return 'rest';
}
