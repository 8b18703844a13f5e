// Tasks that a worker holds and has not begun, when the bus moves.
import { openBus, type WorkerOptions } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { needServer, startNats, startRedis, tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openNats, parseNatsUrl } from '@busbar/transport-nats';
import { openRedis, parseRedisUrl } from '@busbar/transport-redis';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { moveBus, openMigrate } from '../src/index.ts';

const HOUR_MS = 3_600_000;
const LIMIT = { rateLimit: { max: 1, perMs: HOUR_MS } };
const BATCH = { batch: { max: 5, waitMs: 600_000 } };
type Wait = 'rate limit' | 'batch';

/** A store that its test closes. */
async function open(backend: 'sqlite' | 'redis' | 'nats'): Promise<Transport> {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  if (backend === 'sqlite')
    return stack.use(await openSqlite({ file: stack.use(tempDir('busbar-held')).join('bus.db') }));
  if (backend === 'redis') return stack.use(await openRedis(parseRedisUrl(stack.use(await startRedis()).url)));
  return stack.use(await openNats(parseNatsUrl(stack.use(await startNats()).url)));
}

/** Three tasks with one attempt. With the limit the first one runs and ends. Resolves when the others are held. */
async function hold(transport: Transport, wait: Wait): Promise<{ readonly errors: readonly unknown[] }> {
  const errors: unknown[] = [];
  const bus = openBus(transport, { onError: ({ error }) => errors.push(error) });
  onTestFinished(() => bus.close({ drainMs: 0 }));
  await bus.enqueueAll('jobs', [1, 2, 3], { maxAttempts: 1 });
  const limited: WorkerOptions = { ...LIMIT, concurrency: 3 };
  if (wait === 'batch') await bus.process('jobs', () => undefined, BATCH);
  else await bus.process('jobs', () => undefined, limited);
  await vi.waitFor(async () => {
    const [queue] = await transport.admin.queues();
    expect(queue).toMatchObject(wait === 'batch' ? { leased: 3 } : { leased: 2, totals: { done: 1 } });
  });
  return { errors };
}

test.for([
  ['sqlite', 'rate limit', [2, 3]],
  ['sqlite', 'batch', [1, 2, 3]],
  ['redis', 'rate limit', [2, 3]],
  ['redis', 'batch', [1, 2, 3]],
  ['nats', 'rate limit', [2, 3]],
  ['nats', 'batch', [1, 2, 3]],
] as const)(
  'tasks that wait on %s for their %s go back before the source closes',
  async ([backend, wait, left], { skip }) => {
    if (backend !== 'sqlite') needServer(`${backend}-server`, skip);
    const [from, to] = [await open(backend), await openMemory()];
    onTestFinished(() => to.close());
    await hold(from, wait);
    const ends = { from: { transport: from, name: backend }, to: { transport: to, name: 'memory' } };
    const { redelivered } = await moveBus(ends, { drainMs: 60_000 });
    expect(redelivered).toEqual({ count: 0, ids: [] });
    const { messages } = await to.admin.browse('jobs');
    const found = messages.map(({ state, attempts, message }) => [state, attempts, `${Buffer.from(message.body)}`]);
    expect(found).toEqual(left.map((body) => ['ready', 0, `${body}`]));
  },
);

test('a worker that follows takes them again, in the window that goes on', async () => {
  await using dir = tempDir('busbar-held');
  const parts = {
    from: { name: 'from', open: () => openSqlite({ file: dir.join('from.db') }) },
    to: { name: 'to', open: () => openMemory({ name: dir.path }) },
  };
  await using from = await parts.from.open();
  await using to = await parts.to.open();
  await using follower = await openMigrate(parts);
  const { errors } = await hold(follower, 'rate limit');
  const ends = { from: { transport: from, name: 'from' }, to: { transport: to, name: 'to' } };
  expect((await moveBus(ends, { drainMs: 60_000 })).redelivered.count).toBe(0);
  await vi.waitFor(async () => expect((await to.admin.queues())[0]).toMatchObject({ leased: 2, ready: 0, dead: 0 }));
  expect(errors).toEqual([]);
});
