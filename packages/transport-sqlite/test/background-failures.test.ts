// Background work that fails is reported to the bus, and goes on when its cause is gone.
import { type BackgroundFailure, openBus } from '@busbar/api';
import { tempDir, waitFor } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqlite } from '../src/index.ts';

test('maintenance that the file refuses is reported, and is done later', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  const failures: BackgroundFailure[] = [];
  await using bus = openBus(await openSqlite({ file }), { onError: (failure) => failures.push(failure) });
  const { queues } = bus.transport;
  await queues.send('work', [{ id: 'other', body: new Uint8Array(1) }]);
  const database = new Database(file);
  database.exec(`CREATE TRIGGER broken BEFORE DELETE ON delayed BEGIN SELECT RAISE(ABORT, 'injected'); END`);
  // The receive of another queue is due for nothing, so that only maintenance makes the message ready.
  const waiting = queues.receive('none', { waitMs: 60_000 }).catch(() => []);
  await queues.send('work', [{ id: 'late', body: new Uint8Array(1), delayMs: 50 }]);
  await waitFor(() => failures.length > 0, { what: 'the report', timeoutMs: 20_000 });
  expect(failures[0]).toMatchObject({ kind: 'background', work: 'maintenance', place: 'background maintenance' });
  expect(failures[0]?.error.message).toContain('injected');
  database.exec('DROP TRIGGER broken');
  database.close();
  const states = async (): Promise<string[]> =>
    (await bus.transport.admin.browse('work')).messages.map(({ message, state }) => `${message.id} ${state}`);
  await waitFor(async () => (await states()).includes('late ready'), { what: 'the message', timeoutMs: 20_000 });
  await bus.close();
  await waiting;
});
