/** The id by which bridges know a store. It is in the store, so it stays the same by each way to it, and in a move. */

import { BusbarError, type CallOptions, newId, type Transport } from '@busbar/api/transport';

const KEY = '$bridge/store';
const TRIES = 5;

/** The id of a store, which gets one if it has none. */
export async function storeIdOf({ kv }: Transport, bounds: CallOptions = {}): Promise<string> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const entry = await kv.get(KEY, bounds);
    if (entry !== undefined) return Buffer.from(entry.value).toString();
    const id = newId();
    const put = await kv.put(KEY, Buffer.from(id), { ifRevision: 0, ...bounds });
    if (put.status === 'stored') return id;
  }
  throw new BusbarError('CONFLICT', 'the id of the store changes all the time', {
    hint: 'Try again.',
    retryable: true,
  });
}
