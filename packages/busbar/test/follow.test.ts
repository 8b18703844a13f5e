// Programs that follow a move between servers, over the URL of a bus that may move.
import { moveBus } from '@busbar/compose';
import { needServer, startRedis, tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { type Bus, connect, connectTransport } from '../src/index.ts';

const TOTAL = 200;

/** A URL of each kind of bus. */
async function urlOf(kind: string, stack: AsyncDisposableStack): Promise<string> {
  if (kind === 'redis') return stack.use(await startRedis()).url;
  const dir = stack.use(tempDir('busbar-follow'));
  return kind === 'unix' ? `unix:${dir.join('bus.sock')}?idleMs=1000` : `sqlite:${dir.join('bus.db')}`;
}

test.for([
  ['sqlite', 'redis'],
  ['redis', 'unix'],
  ['unix', 'sqlite'],
])(
  'agents, tasks, events and locks follow from %s to %s',
  { timeout: 60_000 },
  async ([from = '', to = ''], { skip }) => {
    if ([from, to].includes('redis')) needServer('redis-server', skip);
    await using stack = new AsyncDisposableStack();
    const [one, two] = [await urlOf(from, stack), await urlOf(to, stack)];
    const ends = {
      from: { transport: stack.use(await connectTransport(one)), name: one },
      to: { transport: stack.use(await connectTransport(two)), name: two },
    };
    const url = `migrate:?from=${encodeURIComponent(one)}&to=${encodeURIComponent(two)}`;
    const open = async (): Promise<Bus> => stack.use(await connect(url, { onError: () => undefined }));
    const [sender, worker, other] = await Promise.all([open(), open(), open()]);
    const handled: number[] = [];
    for (const bus of [worker, other]) {
      await bus.process<number>('work', async ({ body }) => void handled.push(body), { resultTtlMs: 0 });
    }
    const events: number[] = [];
    await other.subscribe<number>('news', ({ body }) => void events.push(body));
    const expert = await worker.agent('@expert');
    expert.handle('double', ({ body }: { body: number }) => body * 2);
    const agent = await sender.agent('@asker');
    const before = await sender.lock('guard');
    await before.release();

    let moving: Promise<unknown> | undefined;
    for (let index = 0; index < TOTAL; index += 1) {
      if (index === TOTAL / 4) moving = moveBus(ends);
      await Promise.all([
        sender.enqueue('work', index, { orderingKey: 'k' }),
        sender.publish('news', index, { id: `e${index}` }),
      ]);
    }
    await moving;
    const numbers = Array.from({ length: TOTAL }, (_, index) => index);
    await expect.poll(() => handled.length, { timeout: 15_000 }).toBe(TOTAL);
    await expect.poll(() => events.length, { timeout: 15_000 }).toBe(TOTAL);
    expect([handled, events]).toEqual([numbers, numbers]);
    expect(await agent.request('@expert', 'double', 21)).toBe(42);
    const after = await sender.lock('guard');
    expect(after.token).toBeGreaterThan(before.token);
    await after.release();
    expect(await ends.to.transport.admin.queues({ names: ['work'] })).toMatchObject([{ ready: 0, leased: 0, dead: 0 }]);
  },
);
