// Receives that start while the claim of another one is in progress.
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

test('a receive that starts while another one looks into an empty queue ends in its time', async () => {
  await using dir = tempDir('busbar-receives');
  await using transport = await openSqlite({ file: dir.join('bus.db') });
  const { queues } = transport;
  await queues.configure('empty', {});
  const receive = (): Promise<unknown> => queues.receive('empty', { waitMs: 20 });
  await receive();
  for (let round = 0; round < 20; round += 1) {
    // The send delays the look of the first receive. The second one starts up to four microtasks later.
    const sent = queues.send('other', [{ body: Buffer.from('x') }]);
    const first = receive();
    for (let turn = 0; turn < round % 5; turn += 1) await Promise.resolve();
    const all = Promise.all([sent, first, receive()]).then(() => 'done');
    const timeout = new Promise((resolve) => setTimeout(resolve, 5_000, 'a receive does not end'));
    expect(await Promise.race([all, timeout])).toBe('done');
  }
});
