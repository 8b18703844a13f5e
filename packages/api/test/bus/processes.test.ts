/** Workers and lock holders in other processes that are killed and paused. */

import { openBus } from '@busbar/api';
import { type Child, spawnChild, tempDir, waitFor } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';

const program = new URL('../programs/worker.ts', import.meta.url);

async function worker(file: string, order: string): Promise<Child> {
  const child = await idleWorker(file);
  child.send(order);
  return child;
}

/** A process that waits for its order. */
async function idleWorker(file: string): Promise<Child> {
  const child = spawnChild({ file: program, args: [file] });
  await child.next((message) => message === 'ready');
  return child;
}

test('the tasks of a killed worker run elsewhere, and every result arrives', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using victim = await worker(file, 'hang');
  const handles = await bus.enqueueAll<number, { by: number; attempt: number }>('work', [1, 2, 3, 4, 5, 6]);
  const began = () => victim.messages.filter((message) => typeof message === 'object').length;
  await waitFor(() => began() === 4, { what: 'four tasks to begin', timeoutMs: 15_000 });
  await victim.kill();
  await using heir = await worker(file, 'work');
  const results = await Promise.all(handles.map((handle) => handle.result({ timeoutMs: 15_000 })));
  expect(results.map(({ by }) => by)).toEqual(handles.map(() => heir.pid));
  expect(results.filter(({ attempt }) => attempt > 1).length).toBeGreaterThanOrEqual(4);
  expect(await bus.deadLetters('work').count()).toBe(0);
});

test('late settlements of a worker that was paused beyond its lease are refused', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  await using sleeper = await worker(file, 'hang');
  const handle = await bus.enqueue<number, { by: number; attempt: number }>('work', 7);
  await sleeper.next((message) => typeof message === 'object');
  sleeper.send('pause');
  await using heir = await worker(file, 'work');
  expect(await handle.result({ timeoutMs: 15_000 })).toEqual({ by: heir.pid, attempt: 2 });
  sleeper.cont();
  expect(await handle.status()).toBe('done');
});

test('a worker that blocked its event loop beyond its lease does not overwrite the next result', async () => {
  await using dir = tempDir();
  const file = dir.join('bus.db');
  await using bus = openBus(await openSqlite({ file }));
  // It works before the other one goes on, which would take the task again.
  await using heir = await idleWorker(file);
  await using blocked = await worker(file, 'block');
  const handle = await bus.enqueue<number, { by: number; attempt: number }>('work', 7);
  await blocked.next((message) => typeof message === 'object');
  heir.send('work');
  const result = { by: heir.pid, attempt: 2 };
  expect(await handle.result({ timeoutMs: 15_000 })).toEqual(result);
  await blocked.next((message) => message === 'late');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await handle.status()).toBe('done');
  expect(await bus.task(handle.queue, handle.id).result({ timeoutMs: 5000 })).toEqual(result);
});

test('a holder that was paused beyond its lease notices the loss, and its token is lower than the next', async () => {
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
