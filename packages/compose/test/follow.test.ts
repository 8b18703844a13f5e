// Programs that follow a move by themselves.
import { BusbarError, type Gate, type KvChange, MOVE_KEY, type Transport } from '@busbar/api/transport';
import { type Child, spawnChild, tempDir } from '@busbar/testbed';
import { openMemory } from '@busbar/transport-memory';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test, vi } from 'vitest';
import { type MigrateParts, moveBus, openMigrate, retire, rollBack, type StoreEnds } from '../src/index.ts';
import { recordOf } from '../src/migrate/mark.ts';
import { CUT, MARK } from '../src/migrate/move.ts';
import { fileParts } from './harness.ts';

const body = Buffer.from('x');

interface Setting extends AsyncDisposable {
  readonly parts: MigrateParts;
  readonly ends: StoreEnds;
  readonly folder: string;
  /** Opens another follower. */
  follow(): Promise<Transport>;
}

/** From memory to a file, or between two files. */
async function setting(source: 'memory' | 'sqlite' = 'memory'): Promise<Setting> {
  const dir = tempDir('busbar-follow');
  const name = crypto.randomUUID();
  const files = fileParts(dir.path);
  const parts = source === 'sqlite' ? files : { ...files, from: { name: 'memory', open: () => openMemory({ name }) } };
  const opened: Transport[] = [];
  const keep = async (opening: Promise<Transport>): Promise<Transport> => {
    const transport = await opening;
    opened.push(transport);
    return transport;
  };
  const [from, to] = [await keep(parts.from.open()), await keep(parts.to.open())];
  return {
    parts,
    ends: { from: { transport: from, name: parts.from.name }, to: { transport: to, name: parts.to.name } },
    folder: dir.path,
    follow: () => keep(openMigrate(parts)),
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each.close()));
      await dir[Symbol.asyncDispose]();
    },
  };
}

test('while agents work nothing is lost, doubled or out of order', async () => {
  await using bus = await setting();
  const [sender, other, one, two] = await Promise.all([bus.follow(), bus.follow(), bus.follow(), bus.follow()]);
  const total = 400;
  const handled: { id: string; key: string; attempt: number }[] = [];
  let isDone = false;
  const consume = async ({ queues }: Transport): Promise<void> => {
    while (!isDone) {
      for (const delivery of await queues.receive('work', { max: 5, waitMs: 200 })) {
        const [result] = await queues.settle([{ receipt: delivery.receipt, action: 'ack' }]);
        if (result?.status !== 'done') continue;
        handled.push({ id: delivery.id, key: delivery.orderingKey ?? '', attempt: delivery.attempt });
      }
    }
  };
  const events: string[] = [];
  await other.topics.subscribe('news', {}, (batch) => void events.push(...batch.map(({ id }) => id)));
  const consuming = [consume(one), consume(two)];
  let moving: Promise<unknown> | undefined;
  for (let index = 0; index < total; index += 1) {
    if (index === total / 4) moving = moveBus(bus.ends);
    await Promise.all([
      sender.queues.send('work', [{ id: `m${index}`, orderingKey: `k${index % 4}`, body }]),
      sender.topics.publish('news', [{ id: `e${index}`, body }]),
    ]);
  }
  await moving;
  const ids = (prefix: string): string[] => Array.from({ length: total }, (_, index) => `${prefix}${index}`);
  await expect.poll(() => handled.length, { timeout: 15_000 }).toBe(total);
  await expect.poll(() => events.length, { timeout: 15_000 }).toBe(total);
  isDone = true;
  await Promise.all(consuming);
  expect(events).toEqual(ids('e'));
  expect(handled.map(({ id }) => id).sort()).toEqual(ids('m').sort());
  for (const key of ['k0', 'k1', 'k2', 'k3']) {
    const numbers = handled.filter((each) => each.key === key).map(({ id }) => Number(id.slice(1)));
    expect(numbers).toEqual(numbers.toSorted((first, second) => first - second));
  }
  expect(await bus.ends.to.transport.admin.queues()).toMatchObject([{ name: 'work', ready: 0, leased: 0, dead: 0 }]);
});

test('receipts, positions, locks, presence and watches of the time before', async () => {
  await using bus = await setting();
  const [one, two] = await Promise.all([bus.follow(), bus.follow()]);
  await one.queues.send('work', [{ id: 'held', body }]);
  const [held] = await one.queues.receive('work');
  const [first] = await one.topics.publish('news', [
    { id: 'e0', body },
    { id: 'e1', body },
  ]);
  const lock = await one.kv.put('lock', body, { ifRevision: 0 });
  await one.kv.put('agent', body, { ttlMs: 5_000 });
  await one.kv.put('gone', body);
  const changes: KvChange[] = [];
  await two.kv.watch('', (seen) => void changes.push(...seen));
  await expect.poll(() => changes.length).toBe(4);
  const states: string[] = [];
  two.onState(({ state }) => states.push(state));

  await moveBus(bus.ends, { drainMs: 50 });
  expect(await one.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }])).toMatchObject([
    { receipt: held?.receipt, status: 'lease-lost' },
  ]);
  expect(await two.queues.receive('work')).toMatchObject([{ id: 'held', attempt: 2 }]);
  const [last] = await one.topics.publish('news', [{ id: 'e2', body }]);
  expect(`${last?.position}` > `${first?.position}`).toBe(true);
  const seen: string[] = [];
  const from = { after: first?.position ?? '' };
  await two.topics.subscribe('news', { from }, (batch) => void seen.push(...batch.map(({ id }) => id)));
  await expect.poll(() => seen).toEqual(['e1', 'e2']);
  expect((await two.kv.list('')).map(({ key }) => key)).toEqual(['agent', 'gone', 'lock']);
  expect(await two.kv.get('agent')).toMatchObject({ ttlLeftMs: expect.toSatisfy((left) => left > 3_000) });
  await one.kv.delete('gone');
  await one.kv.delete('lock');
  expect(tokenOf(await two.kv.put('lock', body, { ifRevision: 0 }))).toBeGreaterThan(tokenOf(lock));
  await expect.poll(() => changes.length).toBe(7);
  expect(changes.slice(4).map(({ kind }) => kind)).toEqual(['deleted', 'deleted', 'put']);
  await expect.poll(() => states).toEqual(['reconnecting', 'open']);
  expect(two.capabilities).toMatchObject({
    durability: 'none',
    reach: 'process',
    features: { calls: false, gate: false },
  });
  expect(two.calls).toBeUndefined();
});

test('no delay ends earlier by the time of the move', async () => {
  await using bus = await setting();
  const follower = await bus.follow();
  const began = performance.now();
  await follower.queues.send('work', [
    { id: 'held', body },
    { id: 'late', delayMs: 60_000, body },
  ]);
  await follower.queues.receive('work');
  await moveBus(bus.ends, { drainMs: 500 });
  const [late] = (await follower.admin.browse('work', { state: 'delayed' })).messages;
  expect((late?.delayLeftMs ?? 0) + performance.now() - began).toBeGreaterThanOrEqual(59_990);
});

test('a program that was stopped during the whole move sends nothing to the old store', async () => {
  await using bus = await setting('sqlite');
  await using child = follower(bus.folder);
  await child.next(is('ready'));
  await bus.ends.from.transport.queues.send('work', [{ id: 'held', body }]);
  child.send('receive');
  expect(await child.next(is('receive'))).toMatchObject({ result: { id: 'held', attempt: 1 } });
  child.stop();
  await moveBus(bus.ends, { drainMs: 50 });
  child.cont();
  child.send('send');
  child.send('ack');
  expect(await child.next(is('send'))).toMatchObject({ result: 'stored' });
  expect(await child.next(is('ack'))).toMatchObject({ result: 'lease-lost' });
  const { queues } = bus.ends.to.transport;
  expect((await queues.receive('work', { max: 5 })).map(({ id }) => id)).toEqual(['held', 'late']);
});

test('a receive that waits at the old store goes on at the new one', async () => {
  await using bus = await setting('sqlite');
  await using child = follower(bus.folder);
  await child.next(is('ready'));
  child.send('receive');
  await moveBus(bus.ends);
  await bus.ends.to.transport.queues.send('work', [{ id: 'new', body }]);
  expect(await child.next(is('receive'))).toMatchObject({ result: { id: 'new', attempt: 1 } });
  child.send('ack');
  expect(await child.next(is('ack'))).toMatchObject({ result: 'done' });
});

test('the gate is read again when announcements are watched: one before that would be missed for seconds', async () => {
  await using bus = await setting('sqlite');
  const { from } = bus.parts;
  let [isWatched, looks] = [false, 0];
  const open = async (): Promise<Transport> => {
    const transport = await from.open();
    const watch: Transport['kv']['watch'] = async (...args) => {
      const opened = await transport.kv.watch(...args);
      isWatched = true;
      return opened;
    };
    const gate: Transport['admin']['gate'] = (...args) => {
      if (isWatched) looks += 1;
      return transport.admin.gate(...args);
    };
    const [kv, admin] = [
      { ...transport.kv, watch },
      { ...transport.admin, gate },
    ];
    const read = (key: string | symbol): unknown => {
      const value: unknown = Reflect.get({ kv, admin }, key) ?? Reflect.get(transport, key, transport);
      return typeof value === 'function' ? value.bind(transport) : value;
    };
    return new Proxy(transport, { get: (_, key) => read(key) });
  };
  await using late = await openMigrate({ ...bus.parts, from: { ...from, open } });
  await vi.waitUntil(() => looks > 0);
  expect(late.state).toBe('open');
});

test.concurrent.each(['copy', 'drain', 'transfer', 'verify'] as const)(
  'a mover that ends in %s stops no bus',
  async (step) => {
    await using bus = await setting();
    const follower = await bus.follow();
    await follower.queues.send('work', [{ id: 'before', body }]);
    const stop = new AbortController();
    const move = moveBus(bus.ends, {
      signal: stop.signal,
      onProgress: (progress) => progress.step === step && stop.abort(),
    });
    const sent = follower.queues.send('work', [{ id: 'during', body }]);
    await expect(move).rejects.toThrow();
    await rollBack(bus.ends);
    expect(await sent).toMatchObject([{ status: 'stored' }]);
    expect(await follower.queues.send('work', [{ id: 'after', body }])).toMatchObject([{ status: 'stored' }]);
    await moveBus(bus.ends);
    const ids = (await follower.queues.receive('work', { max: 5, waitMs: 5_000 })).map(({ id }) => id);
    expect(ids.sort()).toEqual(['after', 'before', 'during']);
  },
);

test('a call ends with UNAVAILABLE when the move takes longer than its time', async () => {
  await using bus = await setting();
  const follower = await bus.follow();
  const { admin } = bus.ends.from.transport;
  await admin.setGate('closed', { ifRevision: 0 });
  await expect(follower.queues.send('work', [{ body }], { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    outcome: 'failed',
    transport: 'migrate',
  });
  await admin.setGate('open', { ifRevision: 1 });
  expect(await follower.queues.send('work', [{ body }])).toMatchObject([{ status: 'stored' }]);
});

test('a program that is opened after the move finds the bus, also without the old store', async () => {
  await using bus = await setting();
  await bus.ends.from.transport.queues.send('work', [{ id: 'one', body }]);
  await moveBus({ ...bus.ends, to: { ...bus.ends.to, name: 'another name of the target' } });
  await retire(bus.ends.from);
  const late = await bus.follow();
  expect(await late.admin.queues()).toMatchObject([{ name: 'work', ready: 1 }]);
  const away = async (): Promise<never> => {
    throw new BusbarError('UNAVAILABLE', 'it is gone');
  };
  await using alone = await openMigrate({ ...bus.parts, from: { name: 'memory', open: away } });
  expect(await alone.queues.receive('work')).toMatchObject([{ id: 'one' }]);
  await using unused = await openMemory({ name: 'unused' });
  const open = async (): Promise<Transport> => openMemory({ name: 'unused' });
  await expect(openMigrate({ from: { name: 'memory', open: away }, to: { name: 'unused', open } })).rejects.toThrow(
    'gone',
  );
  await unused.close();
});

/** Leaves what a mover leaves that is killed before the cutover. */
async function leaveHalfCopy({ from, to }: StoreEnds): Promise<void> {
  const mark = recordOf(MARK, { from: from.name, incarnation: from.transport.past?.incarnation, startedAt: 0 });
  const { admin } = to.transport;
  const { revision } = await admin.setGate('closed', { ifRevision: 0 });
  const cut = recordOf(CUT, { id: 'm1', generation: 1, position: undefined });
  await admin.importState([mark, cut], { gateRevision: revision });
  await admin.setGate('open', { ifRevision: revision });
}

test('without the old store a half copy is not taken for the bus', async () => {
  await using bus = await setting();
  await leaveHalfCopy(bus.ends);
  const away = async (): Promise<never> => {
    throw new BusbarError('UNAVAILABLE', 'it is gone');
  };
  const opening = openMigrate({ ...bus.parts, from: { name: 'memory', open: away } });
  await expect(opening).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('may be incomplete'),
    hint: expect.stringContaining('memory'),
  });
});

test('a follower whose store is away does not go on in a half copy', async () => {
  await using bus = await setting();
  await leaveHalfCopy(bus.ends);
  let isAway = false;
  let looks = 0;
  const from = withGate(bus.ends.from.transport, async (gate) => {
    if (isAway) throw new BusbarError('UNAVAILABLE', 'it is away');
    return gate();
  });
  const to = withGate(bus.ends.to.transport, (gate) => {
    looks += 1;
    return gate();
  });
  const { parts } = bus;
  const open = (transport: Transport) => async (): Promise<Transport> => transport;
  await using follower = await openMigrate({
    from: { name: parts.from.name, open: open(from) },
    to: { name: parts.to.name, open: open(to) },
  });
  isAway = true;
  await bus.ends.from.transport.kv.put(MOVE_KEY, body);
  await expect.poll(() => looks, { timeout: 10_000 }).toBeGreaterThan(2);
  expect(await follower.queues.send('work', [{ body }])).toMatchObject([{ status: 'stored' }]);
  expect(await bus.ends.from.transport.admin.queues()).toMatchObject([{ name: 'work', ready: 1 }]);
});

/** The transport with another reading of its gate. */
function withGate(transport: Transport, read: (gate: () => Promise<Gate>) => Promise<Gate>): Transport {
  const admin = { ...transport.admin, gate: () => read(() => transport.admin.gate()) };
  return new Proxy(transport, {
    get(target, key) {
      if (key === 'admin') return admin;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a bus that moves elsewhere is not followed; one that moves back is', async () => {
  await using bus = await setting('sqlite');
  const follower = await bus.follow();
  await follower.queues.send('work', [{ id: 'one', body }]);
  const resets: string[] = [];
  follower.onReset(({ cause }) => void resets.push(cause));
  await moveBus(bus.ends);
  await follower.queues.send('work', [{ id: 'two', body }]);
  await moveBus({ from: bus.ends.to, to: bus.ends.from });
  await follower.queues.send('work', [{ id: 'three', body }]);
  const { transport } = bus.ends.from;
  expect(await transport.admin.queues()).toMatchObject([{ name: 'work', ready: 3 }]);
  // The mover has cleared the file before the move back. The follower notices it, and it is no loss.
  await using fresh = await openSqlite({ file: `${bus.folder}/from.db` });
  await expect.poll(() => follower.past?.incarnation, { timeout: 10_000 }).toBe(fresh.past?.incarnation);
  await follower.kv.get('key');
  expect(resets).toEqual([]);
  await using third = await openSqlite({ file: `${bus.folder}/third.db` });
  await moveBus({ from: bus.ends.from, to: { transport: third, name: 'third' } });
  await expect(follower.queues.send('work', [{ body }])).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(bus.follow()).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('third') });
});

test('two names of one store, and stores without a gate, are refused', async () => {
  await using bus = await setting('sqlite');
  const { from } = bus.parts;
  await expect(openMigrate({ from, to: from })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await bus.ends.from.transport.queues.send('work', [{ body }]);
  await expect(openMigrate({ from, to: { ...from, name: 'other' } })).rejects.toThrow('the same store');
  const nested = { name: 'nested', open: () => openMigrate(bus.parts) };
  const memory = { name: 'memory', open: () => openMemory({}) };
  await expect(openMigrate({ from: nested, to: memory })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

function follower(folder: string): Child {
  return spawnChild({ file: new URL('./programs/follower.ts', import.meta.url), args: [folder] });
}

function is(step: string): (message: { readonly step: string }) => boolean {
  return (message) => message.step === step;
}

function tokenOf(result: { readonly status: string; readonly createRevision?: number }): number {
  return result.createRevision ?? Number.NaN;
}
