// Where a cursor goes on after a reset of the store.
import { expect, test } from 'vitest';
import type { ReconnectingClient } from '../src/connection/client.ts';
import { RedisEventCursor } from '../src/topics/event-cursor.ts';

/** A cursor that has read a log up to 5-0, and where each of its reads began. */
async function openCursor(): Promise<{ cursor: RedisEventCursor; reads: unknown[] }> {
  const reads: unknown[] = [];
  const run = async (_: unknown, [after]: readonly unknown[]): Promise<unknown> => {
    reads.push(after);
    return [0, Buffer.from(String(after)), 1];
  };
  const client = { run, past: { storeId: 's' } } as unknown as ReconnectingClient;
  const cursor = new RedisEventCursor('live.>', client, () => undefined);
  cursor.begin('5-0');
  void cursor.next(10);
  await new Promise(setImmediate);
  // An event that does not match.
  cursor.onLogged('9-0', '9-0', false);
  return { cursor, reads };
}

test.each([
  ['a log that has all that was read is read on, though a later event was announced', '7-0', '7-0'],
  ['a log that ends before what was read is read from its start', '3-0', '0-0'],
])('%s', async (_, last, after) => {
  const { cursor, reads } = await openCursor();
  cursor.rewind('0-0', last);
  cursor.wake();
  await new Promise(setImmediate);
  expect(reads).toEqual(['5-0', after]);
  await cursor.close();
});
