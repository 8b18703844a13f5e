// Which side carries what, with messages on both sides of one queue.
import type { Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';
import { type HybridOptions, openHybrid } from '../../src/index.ts';
import { ack, idsOf } from './setting.ts';

const body = Buffer.from('x');

interface Pair extends AsyncDisposable {
  readonly bus: Transport;
  readonly fast: Transport;
  readonly durable: Transport;
}

async function openPair(options: HybridOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(tempDir('busbar-hybrid'));
  const name = crypto.randomUUID();
  const fast = { name: 'memory', open: (): Promise<Transport> => openMemory({ name }) };
  const durable = { name: 'sqlite', open: (): Promise<Transport> => openSqlite({ file: dir.join('bus.db') }) };
  const pair = {
    fast: stack.use(await fast.open()),
    durable: stack.use(await durable.open()),
    bus: stack.use(await openHybrid({ fast, durable }, { reach: 'process', ...options })),
  };
  const kept = stack.move();
  return { ...pair, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function namesOf({ admin }: Transport): Promise<string[]> {
  return (await admin.queues()).map(({ name, ready }) => `${name} ${ready}`);
}

test('by default the fast side has the queues of requests and ephemeral events, and no keys', async () => {
  await using pair = await openPair();
  const { bus, fast, durable } = pair;
  for (const queue of ['work', '$inbox.@a', '$call.@a', '$reply.1']) await bus.queues.send(queue, [{ body }]);
  await bus.kv.put('key', body);
  await bus.topics.publish('news', [{ body }]);
  expect(await namesOf(fast)).toEqual(['$call.@a 1', '$reply.1 1']);
  expect(await namesOf(durable)).toEqual(['$inbox.@a 1', 'work 1']);
  expect([await fast.kv.list(''), (await durable.kv.list('')).length]).toEqual([[], 1]);
  expect([await fast.admin.topics(), (await durable.admin.topics()).length]).toEqual([[], 1]);
  const seen: string[] = [];
  await fast.topics.subscribe('news', {}, (events) => void seen.push(...idsOf(events)));
  await bus.topics.publish('news', [{ id: 'now', body }], { ephemeral: true });
  await expect.poll(() => seen).toEqual(['now']);
  expect(bus.capabilities).toMatchObject({
    durability: 'process',
    reach: 'process',
    features: { calls: true, gate: false },
  });
});

test('urgent messages come first, whichever side they are on, and no message is leased twice', async () => {
  await using pair = await openPair({ urgent: 7 });
  const { bus, fast, durable } = pair;
  await bus.queues.send('work', [
    { id: 'normal', body },
    { id: 'keyed', body, priority: 9, orderingKey: 'k' },
    { id: 'low', body, priority: 0 },
    { id: 'urgent', body, priority: 7 },
    { id: 'most urgent', body, priority: 9 },
  ]);
  expect(await namesOf(fast)).toEqual(['work 2']);
  expect(await namesOf(durable)).toEqual(['work 3']);
  const first = await bus.queues.receive('work', { max: 2 });
  expect(idsOf(first)).toEqual(['keyed', 'most urgent']);
  await expect.poll(async () => (await bus.admin.queues())[0]).toMatchObject({ ready: 3, leased: 2 });
  await ack(bus, first);
  const rest = await bus.queues.receive('work', { max: 9 });
  expect(rest.map(({ id, attempt }) => `${id} ${attempt}`)).toEqual(['urgent 1', 'normal 1', 'low 1']);
  await ack(bus, rest);
  expect(await bus.admin.queues()).toMatchObject([{ name: 'work', ready: 0, leased: 0, totals: { sent: 5, done: 5 } }]);
});

test('a receive that waits gets an urgent message at once', async () => {
  await using pair = await openPair({ urgent: 7 });
  const waiting = pair.bus.queues.receive('work', { waitMs: 20_000 });
  await expect.poll(() => namesOf(pair.durable)).toEqual([]);
  await pair.bus.queues.send('work', [{ id: 'urgent', body, priority: 9 }]);
  expect(idsOf(await waiting)).toEqual(['urgent']);
  expect(await pair.fast.admin.queues()).toMatchObject([{ ready: 0, leased: 1 }]);
});

test('a durable subscription has its queue on each side that its pattern can match', async () => {
  await using pair = await openPair({ fastTopics: ['ticks.>'] });
  const { bus, fast, durable } = pair;
  await bus.topics.bind('all', '>');
  await bus.topics.bind('slow', 'news.*');
  expect(await fast.admin.bindings()).toEqual([{ queue: 'all', pattern: '>' }]);
  expect((await durable.admin.bindings()).length).toBe(2);
  expect((await bus.admin.bindings()).length).toBe(2);
  await bus.topics.publish('ticks.a', [{ id: 'tick', body }]);
  await bus.topics.publish('news.a', [{ id: 'news', body }]);
  const got = await bus.queues.receive('all', { max: 5 });
  expect(idsOf(got).sort()).toEqual(['news', 'tick']);
  await bus.topics.unbind('all', '>');
  expect(await bus.admin.bindings()).toEqual([{ queue: 'slow', pattern: 'news.*' }]);
});

test('a queue that exists on one side takes messages for the other one', async () => {
  await using pair = await openPair({ urgent: 7 });
  const { bus, fast } = pair;
  const urgent = (): Promise<unknown> => bus.queues.send('work', [{ body, priority: 9 }], { create: false });
  await expect(urgent()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await pair.durable.queues.configure('work', { maxAttempts: 2 });
  await urgent();
  expect(await fast.admin.queues()).toMatchObject([{ name: 'work', ready: 1, settings: { maxAttempts: 2 } }]);
});

test('an export of both sides comes back on both sides', async () => {
  await using pair = await openPair({ urgent: 7, fastTopics: ['ticks'] });
  const { bus, fast, durable } = pair;
  await bus.queues.send('work', [
    { id: 'a', body },
    { id: 'b', body, priority: 9 },
  ]);
  await bus.topics.publish('ticks', [{ body }]);
  await bus.topics.publish('news', [{ body }]);
  await bus.kv.put('key', body);
  const records = [];
  for await (const record of bus.admin.exportState()) records.push(record);
  expect(records.filter(({ kind }) => kind === 'queue').length).toBe(1);
  await bus.admin.clear();
  expect(await bus.admin.importState(records)).toBeGreaterThan(4);
  expect([await namesOf(fast), await namesOf(durable)]).toEqual([['work 1'], ['work 1']]);
  expect([await fast.admin.topics(), await durable.admin.topics()]).toMatchObject([
    [{ name: 'ticks' }],
    [{ name: 'news' }],
  ]);
  expect(await bus.admin.importState(records)).toBe(0);
});

test('pages of browse go over both sides', async () => {
  await using pair = await openPair({ urgent: 7 });
  const { bus } = pair;
  await bus.queues.send(
    'work',
    [1, 2, 3].flatMap((n) => [
      { id: `n${n}`, body },
      { id: `u${n}`, body, priority: 9 },
    ]),
  );
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const page = await bus.admin.browse('work', { limit: 2, after });
    ids.push(...page.messages.map(({ message }) => message.id));
    after = page.next;
  } while (after !== undefined);
  expect(ids).toEqual(['u1', 'u2', 'u3', 'n1', 'n2', 'n3']);
  expect(await bus.admin.cancel('work', ['u1', 'n1', 'none'])).toMatchObject([
    { status: 'done' },
    { status: 'done' },
    { status: 'not-found' },
  ]);
});

test('parts that are one store or do not reach far enough, and bad options, are refused', async () => {
  await using dir = tempDir('busbar-hybrid');
  const memory = { name: 'memory', open: (): Promise<Transport> => openMemory({ name: 'hybrid' }) };
  const file = { name: 'sqlite', open: (): Promise<Transport> => openSqlite({ file: dir.join('bus.db') }) };
  const refused = (parts: Parameters<typeof openHybrid>[0], options: HybridOptions, text: string): Promise<void> =>
    expect(openHybrid(parts, options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(text),
    });
  await refused({ fast: memory, durable: file }, {}, 'reaches the same process only');
  await refused({ fast: file, durable: file }, {}, 'the same bus');
  await refused({ fast: file, durable: memory }, { reach: 'network' }, 'needs network');
  await refused({ fast: memory, durable: memory }, { urgent: 10 }, 'urgent');
  await refused({ fast: memory, durable: file }, { fastQueues: ['a..b'] }, 'illegal token');
  await using used = await file.open();
  await used.queues.send('work', [{ body }]);
  await refused({ fast: { ...file, name: 'other' }, durable: file }, {}, 'the same store');
});
