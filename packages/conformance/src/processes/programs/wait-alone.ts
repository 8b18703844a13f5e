/** Work that alone keeps a process alive until it is done. Runs in its own process, which does not close its transport. */

import type { Transport } from '@busbar/api/transport';

const FOREVER = Number.POSITIVE_INFINITY;
const body = Uint8Array.of(1);

/** What a process waits for. */
export type Waiting = 'receive' | 'subscribe' | 'watch' | 'serve';

/** Begins to wait: for a message, an event, a key or a call, named like `what`. Then it says so in the queue `done`. */
export async function wait(transport: Transport, what: Waiting): Promise<string> {
  const { queues, topics, kv, calls } = transport;
  const say = (): Promise<unknown> => queues.send('done', [{ body, headers: { what } }]);
  if (what === 'receive') void queues.receive(what, { waitMs: FOREVER }).then(say);
  else if (what === 'subscribe') {
    const subscription = await topics.subscribe(what, { from: 'new' }, async () => {
      await say();
      void subscription.close();
    });
  } else if (what === 'watch') {
    const watch = await kv.watch(what, async (changes) => {
      if (!changes.some(({ kind }) => kind === 'put')) return;
      await say();
      void watch.close();
    });
  } else {
    const service = await calls?.serve(what, {}, async function* () {
      yield { body };
      await say();
      void service?.close();
    });
  }
  return what;
}

/** Uses every facet and leaves nothing pending. */
export async function rest(transport: Transport): Promise<string> {
  const { queues, topics, kv, admin, calls } = transport;
  await queues.send('kept', [{ body }, { body, delayMs: 60_000 }]);
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
