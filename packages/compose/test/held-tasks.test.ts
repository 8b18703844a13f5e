// Tasks that a worker holds and has not begun, when the bus moves.
import { openBus, type WorkerOptions } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { moveBus, openMigrate } from '../src/index.ts';
import { stores } from './move-stores.ts';

const HOUR_MS = 3_600_000;
const BATCH = { max: 5, waitMs: 600_000 };

/** Three tasks with one attempt. With the limit the first one runs and ends. */
async function hold(transport: Transport, options: Pick<WorkerOptions, 'rateLimit'> & { batch?: typeof BATCH }) {
  const errors: unknown[] = [];
  const bus = openBus(transport, { onError: ({ error }) => errors.push(error) });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  await bus.enqueueAll('jobs', [1, 2, 3], { maxAttempts: 1 });
  const { batch, ...others } = options;
  if (batch === undefined) await bus.process('jobs', () => undefined, { ...others, concurrency: 3 });
  else await bus.process('jobs', () => undefined, { batch });
  await vi.waitFor(async () => expect((await transport.admin.queues())[0]?.leased).toBe(batch === undefined ? 2 : 3));
  return { errors };
}

const WAITS = [
  ['their turn under a rate limit', { rateLimit: { max: 1, perMs: HOUR_MS } }, [2, 3]],
  ['their batch', { batch: BATCH }, [1, 2, 3]],
] as const;

test.each(WAITS)('tasks that wait for %s go back before the source closes', async (_name, options, left) => {
  const setting = await stores();
  onTestFinished(() => setting[Symbol.asyncDispose]());
  const { from, to } = setting.ends;
  await hold(from.transport, options);
  const { redelivered } = await moveBus({ from, to }, { drainMs: 60_000 });
  expect(redelivered).toEqual({ count: 0, ids: [] });
  const { messages } = await to.transport.admin.browse('jobs');
  expect(messages.map(({ state, attempts, message }) => [state, attempts, JSON.parse(textOf(message.body))])).toEqual(
    left.map((body) => ['ready', 0, body]),
  );
});

test('a worker that follows takes them again, in the window that goes on', async () => {
  await using dir = tempDir('busbar-held');
  const parts = {
    from: { name: 'from', open: () => openSqlite({ file: dir.join('from.db') }) },
    to: { name: 'to', open: () => openMemory({ name: dir.path }) },
  };
  await using from = await parts.from.open();
  await using to = await parts.to.open();
  await using follower = await openMigrate(parts);
  const { errors } = await hold(follower, WAITS[0][1]);
  const ends = { from: { transport: from, name: 'from' }, to: { transport: to, name: 'to' } };
  expect((await moveBus(ends, { drainMs: 60_000 })).redelivered.count).toBe(0);
  await vi.waitFor(async () => expect((await to.admin.queues())[0]).toMatchObject({ leased: 2, ready: 0, dead: 0 }));
  expect(errors).toEqual([]);
});

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
