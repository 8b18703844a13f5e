// Bridges between stores in this process.
import type { MessageInput, Transport } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test } from 'vitest';
import { type BridgeOptions, type BridgeProgress, bridgeStores, removeBridge, type StoreEnds } from '../src/index.ts';

const body = Buffer.from('x');
/** The least limit of a body. */
const LIMIT = 524_288;

interface Stores extends AsyncDisposable {
  readonly one: Transport;
  readonly two: Transport;
  readonly three: Transport;
  readonly ends: StoreEnds;
}

async function stores(options: { readonly maxBodyBytes?: number } = {}): Promise<Stores> {
  const dir = tempDir('busbar-bridge');
  const one = await openSqlite({ file: dir.join('one.db') });
  const two = await openMemory(options);
  const three = await openSqlite({ file: dir.join('three.db') });
  return {
    ...{ one, two, three, ends: endsOf(one, two) },
    async [Symbol.asyncDispose]() {
      await Promise.all([one, two, three].map((each) => each.close()));
      await dir[Symbol.asyncDispose]();
    },
  };
}

function endsOf(from: Transport, to: Transport): StoreEnds {
  return { from: { transport: from, name: `${from.name}:from` }, to: { transport: to, name: `${to.name}:to` } };
}

/** A bridge that runs until it is disposed of. */
interface Running extends AsyncDisposable {
  readonly progress: BridgeProgress | undefined;
  readonly ended: Promise<BridgeProgress>;
  end(): Promise<BridgeProgress>;
}

function bridge(ends: StoreEnds, options: Omit<BridgeOptions, 'signal' | 'onProgress'>): Running {
  const stop = new AbortController();
  let progress: BridgeProgress | undefined;
  const ended = bridgeStores(ends, {
    ...options,
    signal: stop.signal,
    onProgress(now) {
      progress = now;
    },
  });
  ended.catch(() => undefined);
  const end = (): Promise<BridgeProgress> => {
    stop.abort();
    return ended;
  };
  return {
    ended,
    end,
    get progress() {
      return progress;
    },
    async [Symbol.asyncDispose]() {
      await end().catch(() => undefined);
    },
  };
}

/** Resolves once the events of a bridge are kept. */
async function untilBound(...transports: Transport[]): Promise<void> {
  for (const { admin } of transports) {
    await expect.poll(async () => (await admin.bindings()).length).toBeGreaterThan(0);
  }
}

async function take({ queues }: Transport, queue: string, amount: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < amount) {
    const deliveries = await queues.receive(queue, { max: 100, waitMs: 5_000 });
    if (deliveries.length === 0) break;
    ids.push(...deliveries.map(({ id }) => id));
    await queues.settle(deliveries.map(({ receipt }) => ({ receipt, action: 'ack' })));
  }
  return ids;
}

test('messages arrive once, in order, with everything that they had', async () => {
  await using all = await stores();
  await all.one.queues.configure('work', { maxAttempts: 3, leaseMs: 60_000 });
  const rich = {
    ...{ id: 'rich', body: Buffer.from('{}'), contentType: 'application/json', type: 'build', from: '@a', to: '@b' },
    ...{ orderingKey: 'k', correlationId: 'c', causationId: 'd', hops: 2, replyTo: 'answers' },
    headers: { mine: 'yes', 'bus-max-attempts': '9' },
  } satisfies MessageInput;
  await all.one.queues.send('work', [{ ...rich, ttlMs: 60_000 }]);
  await using running = bridge(all.ends, { queues: ['work'] });
  const [arrived] = await all.two.queues.receive('work', { waitMs: 5_000 });
  expect(arrived).toMatchObject({ ...rich, body: expect.anything(), headers: { mine: 'yes' } });
  expect(arrived?.ttlLeftMs).toBeGreaterThan(50_000);
  expect(Buffer.from(arrived?.body ?? []).toString()).toBe('{}');
  const ids = Array.from({ length: 600 }, (_, index) => `m${index}`);
  await all.one.queues.send(
    'work',
    ids.map((id) => ({ id, body })),
  );
  expect(await take(all.two, 'work', ids.length)).toEqual(ids);
  expect(await all.two.admin.queues()).toMatchObject([{ settings: { maxAttempts: 3, leaseMs: 60_000 } }]);
  await expect.poll(() => running.progress?.messages).toBe(601);
  expect(await running.end()).toEqual({
    ...{ messages: 601, events: 0, duplicates: 0, returned: 0, dead: 0, waiting: undefined },
  });
  expect(await all.one.admin.queues()).toMatchObject([{ name: 'work', ready: 0, leased: 0 }]);
});

test('events go both ways, each once, also around a ring of three stores', async () => {
  await using all = await stores();
  const { one, two, three } = all;
  const pairs = [endsOf(one, two), endsOf(two, three), endsOf(three, one)];
  await using first = bridge(pairs[0]!, { topics: ['news.>'], both: true });
  await using second = bridge(pairs[1]!, { topics: ['news.>'], both: true });
  await using third = bridge(pairs[2]!, { topics: ['news.>'], both: true });
  const each = [one, two, three];
  for (const { admin } of each) await expect.poll(async () => (await admin.bindings()).length).toBe(2);
  const seen = each.map(() => [] as string[]);
  for (const [index, { topics }] of each.entries()) {
    await topics.subscribe('>', {}, (events) => void seen[index]?.push(...events.map(({ id }) => id)));
  }
  const ids = each.flatMap((_, store) => Array.from({ length: 20 }, (__, index) => `${store}-${index}`));
  for (const id of ids) await each[Number(id[0])]?.topics.publish('news.a', [{ id, body }]);
  await one.topics.publish('other', [{ id: 'stays', body }]);
  for (const [store, events] of seen.entries()) {
    const wanted = store === 0 ? [...ids, 'stays'] : ids;
    await expect.poll(() => events.length, { timeout: 10_000 }).toBe(wanted.length);
    expect(events.toSorted()).toEqual(wanted.toSorted());
    for (const origin of ['0', '1', '2']) {
      const own = events.filter((id) => id.startsWith(origin));
      expect(own).toEqual(ids.filter((id) => id.startsWith(origin)));
    }
  }
  // All copies have come to an end, and no store got any event twice.
  for (const { admin } of each) {
    await expect.poll(async () => (await admin.queues()).every(({ ready, leased }) => ready + leased === 0)).toBe(true);
    expect(await admin.topics()).toContainEqual({ name: 'news.a', events: ids.length });
  }
  const ends = await Promise.all([first.end(), second.end(), third.end()]);
  expect(ends.reduce((sum, { returned }) => sum + returned, 0)).toBeGreaterThan(0);
});

test('a queue whose bridges form a ring keeps its messages as dead letters', async () => {
  await using all = await stores();
  await using there = bridge(all.ends, { queues: ['work'] });
  await using back = bridge(endsOf(all.two, all.one), { queues: ['work'] });
  await all.one.queues.send('work', [{ id: 'one', body }]);
  await expect.poll(() => back.progress?.dead).toBe(1);
  const { messages } = await all.two.admin.browse('work', { state: 'dead' });
  expect(messages[0]?.dead?.reason).toContain('form a ring');
  await expect.poll(() => there.progress?.messages).toBe(1);
});

test('what the target cannot hold is a dead letter in the source, and the others go on', async () => {
  await using all = await stores({ maxBodyBytes: LIMIT });
  await all.one.queues.send('work', [
    { id: 'a', body },
    { id: 'large', body: Buffer.alloc(LIMIT + 1) },
    { id: 'b', body },
  ]);
  await using running = bridge(all.ends, { queues: ['work'], topics: ['news'] });
  expect(await take(all.two, 'work', 2)).toEqual(['a', 'b']);
  await expect.poll(() => running.progress?.dead).toBe(1);
  const { messages } = await all.one.admin.browse('work', { state: 'dead' });
  expect(messages.map(({ message, dead }) => [message.id, dead?.reason])).toEqual([
    [
      'large',
      `the bridge cannot forward it: PAYLOAD_TOO_LARGE: the body has ${LIMIT + 1} bytes, the limit is ${LIMIT}`,
    ],
  ]);
  await untilBound(all.one);
  await all.one.topics.publish('news', [
    { id: 'huge', body: Buffer.alloc(LIMIT + 1) },
    { id: 'small', body },
  ]);
  await expect.poll(() => running.progress?.events).toBe(1);
  expect(running.progress).toMatchObject({ dead: 2, messages: 2 });
});

test('while the target is frozen or full the messages wait in the source', async () => {
  await using all = await stores();
  await all.two.queues.configure('work', { maxLength: 2, frozen: true });
  const ids = ['a', 'b', 'c', 'd', 'e'];
  await all.one.queues.send(
    'work',
    ids.map((id) => ({ id, body, maxAttempts: 1 })),
  );
  await using running = bridge(all.ends, { queues: ['work'] });
  await expect.poll(() => running.progress?.waiting).toContain('is frozen');
  await all.two.queues.configure('work', { frozen: false });
  await expect.poll(() => running.progress?.waiting).toContain('is full');
  expect(await take(all.two, 'work', ids.length)).toEqual(ids);
  await expect.poll(() => running.progress).toMatchObject({ messages: 5, dead: 0, waiting: undefined });
});

test('a store that is being moved is waited for, and one that has moved ends the bridge', async () => {
  await using all = await stores();
  const { admin } = all.two;
  const { revision } = await admin.setGate('closed', { ifRevision: 0, ttlMs: 60_000 });
  await all.one.queues.send('work', [{ id: 'a', body }]);
  await using early = bridge(all.ends, { queues: ['work'] });
  await expect.poll(() => early.progress?.waiting).toContain('is being moved');
  const open = await admin.setGate('open', { ifRevision: revision });
  expect(await take(all.two, 'work', 1)).toEqual(['a']);
  const closed = await admin.setGate('closed', { ifRevision: open.revision });
  await admin.setGate('moved', { ifRevision: closed.revision, movedTo: 'elsewhere' });
  await all.one.queues.send('work', [{ id: 'b', body }]);
  await expect(early.ended).rejects.toThrow('has moved to elsewhere');
});

test('one process bridges a pair, and the second one hears which', async () => {
  await using all = await stores();
  await using _ = bridge(all.ends, { queues: ['work'] });
  await all.one.queues.send('work', [{ body }]);
  await all.two.queues.receive('work', { waitMs: 5_000 });
  const stop = new AbortController();
  await expect(bridgeStores(all.ends, { queues: ['other'], signal: stop.signal })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(new RegExp(`from sqlite:from to memory:to runs already: process ${process.pid}`)),
  });
  await using back = bridge(endsOf(all.two, all.one), { queues: ['back'] });
  await all.two.queues.send('back', [{ id: 'b', body }]);
  expect(await take(all.one, 'back', 1)).toEqual(['b']);
  expect(back.progress?.messages).toBe(1);
});

test('events that come while no bridge runs are forwarded by the next one, until it is removed', async () => {
  await using all = await stores();
  const options = { topics: ['news.*', 'old'] };
  const first = bridge(all.ends, options);
  await untilBound(all.one);
  await first.end();
  await all.one.topics.publish('news.a', [{ id: 'e1', body }]);
  await using second = bridge(all.ends, { topics: ['news.*'] });
  await expect.poll(() => second.progress?.events).toBe(1);
  expect((await all.one.admin.bindings()).map(({ pattern }) => pattern)).toEqual(['news.*']);
  await expect(removeBridge(all.ends)).rejects.toMatchObject({ code: 'CONFLICT' });
  await second.end();
  await all.one.topics.publish('news.a', [{ id: 'e2', body }]);
  expect(await removeBridge(all.ends)).toBe(1);
  expect(await all.one.admin.bindings()).toEqual([]);
  expect(await removeBridge(all.ends)).toBe(0);
});

test('messages that a killed bridge holds come first, when their leases end', async () => {
  await using all = await stores();
  const first = bridge(all.ends, { queues: ['work'] });
  await expect.poll(async () => (await all.one.kv.list('$bridge/')).length).toBe(1);
  await expect.poll(async () => (await all.two.kv.list('$bridge/')).length).toBe(1);
  await first.end();
  const toId = Buffer.from((await all.two.kv.get('$bridge/store'))?.value ?? []).toString();
  await all.one.queues.configure('work', { leaseMs: 1_000 });
  const ids = ['a', 'b', 'c', 'd'];
  await all.one.queues.send(
    'work',
    ids.map((id) => ({ id, body })),
  );
  expect(await all.one.queues.receive('work', { max: 2, consumer: `bridge to ${toId}` })).toHaveLength(2);
  await using running = bridge(all.ends, { queues: ['work'] });
  await expect.poll(() => running.progress?.waiting).toContain('holds 2 messages');
  expect(await take(all.two, 'work', ids.length)).toEqual(ids);
});

test('patterns find queues that come later, and leave those of Busbar and of subscriptions', async () => {
  await using all = await stores();
  await all.one.topics.bind('bound', 'news');
  await using running = bridge(all.ends, { queues: ['>'] });
  await all.one.queues.send('$inbox.@a', [{ id: 'mail', body }]);
  await all.one.topics.publish('news', [{ id: 'e', body }]);
  await all.one.queues.send('late.one', [{ id: 'l', body }]);
  expect(await take(all.two, 'late.one', 1)).toEqual(['l']);
  await running.end();
  expect((await all.two.admin.queues()).map(({ name }) => name)).toEqual(['late.one']);
  await using mail = bridge(all.ends, { queues: ['$inbox.*'] });
  expect(await take(all.two, '$inbox.@a', 1)).toEqual(['mail']);
  await expect.poll(() => mail.progress).toMatchObject({ messages: 1, dead: 0 });
});

test('wrong options are refused with what to do', async () => {
  await using all = await stores();
  const { signal } = new AbortController();
  const refusal = (options: Omit<BridgeOptions, 'signal'>, ends = all.ends): Promise<unknown> =>
    bridgeStores(ends, { ...options, signal }).then(
      () => undefined,
      ({ code, message, hint }: { code: string; message: string; hint: string }) => [code, message, hint].join(' | '),
    );
  expect(await refusal({})).toMatch(/^INVALID_ARGUMENT .* nothing to forward .* --queues/);
  expect(await refusal({ queues: ['a b'] })).toMatch(/illegal token "a b" .* Use 1 to 16/);
  expect(await refusal({ topics: ['a.>.b'] })).toMatch(/illegal token ">"/);
  expect(await refusal({ topics: ['$sys'] })).toMatch(/belong to Busbar/);
  expect(await refusal({ queues: ['q'], both: true })).toMatch(/both is for topics/);
  expect(await refusal({ queues: ['q'] }, endsOf(all.one, all.one))).toMatch(/are the same store .* hub/);
  await all.one.topics.bind('bound', 'news');
  expect(await refusal({ queues: ['bound'] })).toMatch(/gets the events of news .* --topics 'news'/);
});
