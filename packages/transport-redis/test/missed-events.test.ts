/** A subscription reads what it missed before it goes by the messages of its next connection. */

import { expect, test } from 'vitest';
import type { ReconnectingClient } from '../src/connection/client.ts';
import { READ_LOG } from '../src/lua/event-log.ts';
import type { Script } from '../src/lua/script.ts';
import { EventCursors } from '../src/topics/cursors.ts';

test('an event that was stored during an outage is read, though the first message is of a later one', async () => {
  const reads: unknown[] = [];
  const listeners: ((change: { readonly state: string }) => void)[] = [];
  let receive: (payload: Buffer) => void = () => undefined;
  let isAway = false;
  const client = {
    past: { storeId: 'store' },
    onState: (listener: (typeof listeners)[number]) => listeners.push(listener),
    onReconnect: () => undefined,
    channels: {
      subscribe: async (_: string, listener: typeof receive) => {
        receive = listener;
      },
    },
    // The log ends at 1-0. While the server is away, reads wait.
    run: (script: Script, [after]: readonly unknown[]) => {
      if (script === READ_LOG) reads.push(after);
      const reply = script === READ_LOG ? [0, Buffer.from('1-0'), 1] : [Buffer.from('1-0'), Buffer.from('0-0')];
      return isAway ? new Promise(() => undefined) : Promise.resolve(reply);
    },
  };
  const cursors = new EventCursors(client as unknown as ReconnectingClient);
  const cursor = await cursors.open('news.*', 'new', {} as never);
  void cursor.next(1);
  await expect.poll(() => reads).toEqual(['1-0']);
  isAway = true;
  for (const listener of listeners) listener({ state: 'reconnecting' });
  // 2-0 of the topic news.today was missed.
  receive(Buffer.from('L3-0 3-0 other'));
  cursor.wake();
  await expect.poll(() => reads.length).toBeGreaterThan(1);
  expect(reads).toEqual(['1-0', '1-0']);
});
