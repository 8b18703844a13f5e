/** Another process holds the write lock. */

import { statSync } from 'node:fs';
import { type Child, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = Uint8Array.of(1);

test('waiting for the lock does not block the event loop or reads', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.kv.put('key', BODY);
  const events = Array.from({ length: 600 }, () => ({ body: BODY }));
  await transport.topics.publish('news', events);
  const gate = Promise.withResolvers<void>();
  let read = 0;
  await transport.topics.subscribe('news', { from: 'start' }, async (batch) => {
    await gate.promise;
    read += batch.length;
  });
  await using holder = await holderOf(file);
  await tell(holder, 'lock');
  expect((await transport.kv.get('key'))?.value).toEqual(BODY);
  const sending = transport.queues.send('work', [{ body: BODY }]);
  gate.resolve();
  await waitFor(() => read === events.length, { what: 'the history to be read' });
  const from = performance.now();
  let turns = 0;
  while (performance.now() - from < 200) {
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
  expect(turns).toBeGreaterThan(100);
  await tell(holder, 'unlock');
  expect(await sending).toMatchObject([{ status: 'stored' }]);
});

test('a call that never gets the lock rejects with UNAVAILABLE and is not done later', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await using holder = await holderOf(file);
  await tell(holder, 'lock');
  await holder.stop();
  const late = transport.queues.send('work', [{ body: BODY }], { timeoutMs: 300 });
  await expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE', outcome: 'failed', retryable: true });
  const abort = new AbortController();
  const aborted = transport.queues.send('work', [{ body: BODY }], { signal: abort.signal });
  abort.abort();
  await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
  const patient = transport.queues.send('work', [{ id: 'patient', body: BODY }]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  holder.cont();
  await tell(holder, 'unlock');
  await patient;
  const got = await transport.queues.receive('work', { max: 10 });
  expect(got.map(({ id }) => id)).toEqual(['patient']);
});

test('a receive that does not wait keeps its own bound on a locked store', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await using holder = await holderOf(file);
  await tell(holder, 'lock');
  const from = performance.now();
  const bounded = transport.queues.receive('work', { waitMs: 0, timeoutMs: 200 });
  const other = transport.queues.receive('work', { waitMs: 100, timeoutMs: 300 });
  await expect(bounded).rejects.toMatchObject({ code: 'TIMEOUT' });
  await expect(other).rejects.toMatchObject({ code: 'TIMEOUT' });
  await expect(transport.queues.receive('work')).rejects.toMatchObject({ code: 'TIMEOUT' });
  expect(performance.now() - from).toBeLessThan(20_000);
  await tell(holder, 'unlock');
  await transport.queues.send('work', [{ body: BODY }]);
  expect(await transport.queues.receive('work')).toHaveLength(1);
});

test('a reader that never ends is named, and the log that it keeps does not grow without bound', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await transport.queues.send('work', [{ body: BODY }]);
  await using reader = await holderOf(file);
  await tell(reader, 'read');
  const body = new Uint8Array(8_388_608).fill(1);
  const fill = async (): Promise<void> => {
    for (;;) await transport.queues.send('large', [{ body }]);
  };
  await expect(fill()).rejects.toMatchObject({
    code: 'BACKPRESSURE',
    message: expect.stringContaining('a reader'),
    hint: expect.stringContaining(process.platform === 'linux' ? `process ${reader.pid} ` : 'End the read transaction'),
  });
  expect(statSync(`${file}-wal`).size).toBeLessThan(150_000_000);
  const [taken] = await transport.queues.receive('work');
  const settled = await transport.queues.settle([{ receipt: taken?.receipt ?? '', action: 'ack' }]);
  expect(settled).toMatchObject([{ status: 'done' }]);
  const doctor = await openSqlite({ file });
  expect(doctor.warnings).toMatchObject([{ text: expect.stringContaining('a reader'), hint: expect.any(String) }]);
  await doctor.close();
  await tell(reader, 'unlock');
  expect(await transport.queues.send('large', [{ body }])).toMatchObject([{ status: 'stored' }]);
});

async function holderOf(file: string): Promise<Child> {
  const child = spawnChild({ file: new URL('./lock-holder.ts', import.meta.url), args: [file] });
  await child.next((message) => message === 'ready');
  return child;
}

async function tell(child: Child, what: 'lock' | 'unlock' | 'read'): Promise<void> {
  child.send(what);
  await child.next((message) => message === what);
}
