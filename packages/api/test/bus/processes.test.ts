/** Workers and holders of locks in processes of their own, killed and paused. */

import { openBus } from '@busbar/api';
import { type Child, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';

const program = new URL('../programs/worker.ts', import.meta.url);

async function worker(file: string, order: string): Promise<Child> {
  const child = spawnChild({ file: program, args: [file] });
  await child.next((message) => message === 'ready');
  child.send(order);
  return child;
}

test('a worker that is killed: its tasks run elsewhere, and every result arrives', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using victim = await worker(file, 'hang');
  const tickets = await bus.enqueueAll<number, { by: number; attempt: number }>('work', [1, 2, 3, 4, 5, 6]);
  const began = () => victim.messages.filter((message) => typeof message === 'object').length;
  await waitFor(() => began() === 4, { what: 'four tasks to begin', timeoutMs: 15_000 });
  await victim.kill();
  await using heir = await worker(file, 'work');
  const results = await Promise.all(tickets.map((ticket) => ticket.result({ timeoutMs: 15_000 })));
  expect(results.map(({ by }) => by)).toEqual(tickets.map(() => heir.pid));
  expect(results.filter(({ attempt }) => attempt > 1).length).toBeGreaterThanOrEqual(4);
  expect(await bus.deadLetters('work').count()).toBe(0);
});

test('a worker that was paused beyond its lease does no harm: what it settles late is refused', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using sleeper = await worker(file, 'hang');
  const ticket = await bus.enqueue<number, { by: number; attempt: number }>('work', 7);
  await sleeper.next((message) => typeof message === 'object');
  sleeper.send('pause');
  await using heir = await worker(file, 'work');
  expect(await ticket.result({ timeoutMs: 15_000 })).toEqual({ by: heir.pid, attempt: 2 });
  sleeper.cont();
  expect(await ticket.status()).toBe('done');
});

test('a worker that blocked its event loop beyond its lease does not write over the result of the next', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using blocked = await worker(file, 'block');
  const ticket = await bus.enqueue<number, { by: number; attempt: number }>('work', 7);
  await blocked.next((message) => typeof message === 'object');
  await using heir = await worker(file, 'work');
  const result = { by: heir.pid, attempt: 2 };
  expect(await ticket.result({ timeoutMs: 15_000 })).toEqual(result);
  await blocked.next((message) => message === 'late');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await ticket.status()).toBe('done');
  expect(await bus.task(ticket.queue, ticket.id).result({ timeoutMs: 5000 })).toEqual(result);
});

test('a holder that slept past its TTL hears that it lost the lock, and its token is lower than the next', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using sleeper = await worker(file, 'lock');
  const { token } = await sleeper.next<{ token: number }>((message) => typeof message === 'object');
  expect(await bus.lockHolder('file')).toMatchObject({ owner: '@child', pid: sleeper.pid, token });
  sleeper.send('pause');
  const lock = await bus.lock('file', { waitMs: 15_000 });
  expect(lock.token).toBeGreaterThan(token);
  sleeper.cont();
  await sleeper.next((message) => (message as { lost?: number }).lost === token);
  expect(await bus.lockHolder('file')).toMatchObject({ token: lock.token, pid: process.pid });
});
