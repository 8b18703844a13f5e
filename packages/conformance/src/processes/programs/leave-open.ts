/** Leaves every kind of work open in a client that is closed afterwards. Runs in its own process. */

import type { Transport } from '@busbar/api/transport';

const FOREVER = Number.POSITIVE_INFINITY;
const body = Uint8Array.of(1);

/** Leaves receives, leases, subscriptions, watches, bindings and calls open. `close` must end them. */
export async function leaveWorkOpen(transport: Transport): Promise<string> {
  const { queues, topics, kv, calls } = transport;
  for (const queue of ['empty', 'also.empty']) ignore(queues.receive(queue, { waitMs: FOREVER }));
  await queues.receive('inbox', { max: 3 });
  await topics.subscribe('>', { from: 'start' }, () => undefined);
  await topics.publish('news', [{ body }]);
  await topics.bind('bound', '>');
  await kv.put('kept', body, { ttlMs: 60_000 });
  await kv.watch('', () => undefined);
  const delayed = { body, delayMs: 60_000, ttlMs: 120_000 };
  await queues.send('later', [delayed]);
  await calls?.serve('answering', {}, async function* (_message, { signal }) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    yield { body };
  });
  if (calls) ignore(calls.call('answering', { body }, { timeoutMs: 60_000 })[Symbol.asyncIterator]().next());
  return 'leaveWorkOpen';
}

/** Leaves nothing open. */
export function leaveNothing(): string {
  return 'leaveNothing';
}

function ignore(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}
