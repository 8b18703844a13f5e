/** Waiting consumers, subscribers and watchers are woken by other processes, with and without a wake-up file. */

import { readdirSync, writeFileSync } from 'node:fs';
import type { Transport } from '@busbar/api/transport';
import { spawnChild, tempDir, waitFor } from '@busbar/testbed';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqlite } from '../../src/index.ts';

const BODY = Uint8Array.of(1);

test.each(['watched', 'polling'])(
  'a %s consumer, subscriber and watcher of another connection are woken',
  async (kind) => {
    await using folder = tempDir();
    const file = folder.join('bus.db');
    // If the folder cannot be created, the process polls.
    if (kind === 'polling') writeFileSync(`${file}.wakeup`, '');
    await using both = await openBoth(file);
    const [waits, acts] = both.pair;
    const seen: string[] = [];
    const received = waits.queues.receive('work', { waitMs: 10_000 });
    await waits.topics.subscribe('news.>', {}, (events) => void seen.push(...events.map(({ id }) => id)));
    await waits.kv.watch('$agent/', (changes) => void seen.push(...changes.map(({ kind: what }) => what)));
    await waitFor(() => seen.includes('synced'), { what: 'the watch to be in step' });
    const from = performance.now();
    await acts.queues.send('work', [{ id: 'message', body: BODY }]);
    expect((await received).map(({ id }) => id)).toEqual(['message']);
    await acts.topics.publish('news.today', [{ id: 'event', body: BODY }]);
    await acts.topics.publish('news.now', [{ id: 'passing', body: BODY }], { ephemeral: true });
    await acts.kv.put('$agent/one', BODY);
    await waitFor(() => seen.length === 4, { what: 'all to be seen' });
    expect(seen.toSorted()).toEqual(['event', 'passing', 'put', 'synced']);
    expect(performance.now() - from).toBeLessThan(900);
  },
);

test('a consumer that was served in part, without waiting, is woken later', async () => {
  await using folder = tempDir();
  await using both = await openBoth(folder.join('bus.db'));
  const [waits, acts] = both.pair;
  for (let round = 0; round < 2; round += 1) {
    await acts.queues.send('work', [{ body: BODY }]);
    expect(await waits.queues.receive('work', { max: 10, waitMs: 10_000 })).toHaveLength(1);
  }
  const received = waits.queues.receive('work', { waitMs: 10_000 });
  await waitFor(() => ask(folder.join('bus.db'), 'SELECT count(*) FROM waiter') === 1, { what: 'the registration' });
  const from = performance.now();
  await acts.queues.send('work', [{ body: BODY }]);
  expect(await received).toHaveLength(1);
  expect(performance.now() - from).toBeLessThan(900);
});

test('a lost wake-up is recovered within about a second', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using both = await openBoth(file);
  const [waits, acts] = both.pair;
  const received = waits.queues.receive('work', { waitMs: 10_000 });
  await waitFor(() => ask(file, 'SELECT count(*) FROM waiter') === 1, { what: 'the registration' });
  const db = new Database(file);
  db.exec("DELETE FROM waiter WHERE kind='queue'");
  db.close();
  await acts.queues.send('work', [{ body: BODY }]);
  expect(await received).toHaveLength(1);
});

test('a process that is killed while it waits leaves nothing that blocks others', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using transport = await openSqlite({ file });
  await using child = spawnChild({ file: new URL('./waiter.ts', import.meta.url), args: [file] });
  await waitFor(() => ask(file, 'SELECT count(*) FROM waiter') === 1, { what: 'the child to wait' });
  await child.kill();
  for (const name of readdirSync(`${file}.wakeup`)) expect(name).toMatch(/^[0-9a-f-]{36}$/);
  await transport.queues.send('work', [{ body: BODY }]);
  expect(await transport.queues.receive('work')).toHaveLength(1);
});

test('a process that no longer waits is removed from the registry, with its wake-up file', async () => {
  await using folder = tempDir();
  const file = folder.join('bus.db');
  await using _stays = await openSqlite({ file });
  const transport = await openSqlite({ file });
  const subscription = await transport.topics.subscribe('news.>', {}, () => undefined);
  void transport.queues.receive('work', { waitMs: 10_000 }).catch(() => undefined);
  await waitFor(() => ask(file, 'SELECT count(*) FROM waiter') === 2, { what: 'both registrations' });
  await subscription.close();
  await waitFor(() => ask(file, 'SELECT count(*) FROM waiter') === 1, { what: 'the removal of the pattern' });
  await transport.close();
  expect(ask(file, 'SELECT count(*) FROM waiter')).toBe(0);
  expect(readdirSync(`${file}.wakeup`)).toEqual([]);
});

async function openBoth(file: string): Promise<{ pair: [Transport, Transport] } & AsyncDisposable> {
  const pair: [Transport, Transport] = [await openSqlite({ file }), await openSqlite({ file })];
  const close = async (): Promise<void> => {
    for (const transport of pair) await transport.close();
  };
  return { pair, [Symbol.asyncDispose]: close };
}

function ask(file: string, query: string): unknown {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(query).pluck().get();
  } finally {
    db.close();
  }
}
