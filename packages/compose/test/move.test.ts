import type { StateRecord } from '@busbar/api/transport';
import { tempDir } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { expect, test, vi } from 'vitest';
import { compareStores, moveBus, moveStatus, planMove, retire, rollBack } from '../src/index.ts';
import { type Fault, lossyTarget } from './lossy-target.ts';
import { body, fill, stores } from './move-stores.ts';

test.concurrent('everything moves, the source says where the bus is, and tokens go on rising', async () => {
  await using setting = await stores();
  const { ends } = setting;
  const [from, to] = [ends.from.transport, ends.to.transport];
  await fill(from);
  const plan = await planMove(ends);
  expect(plan.problems).toEqual([]);
  expect(plan.records).toMatchObject({ messages: 5, events: 2, keys: 2, bindings: 1 });
  expect(plan.changes).toContainEqual(expect.stringContaining('durability none instead of'));
  const before = await from.kv.put('token', body);

  const report = await moveBus(ends);
  expect(report.records).toMatchObject({ messages: 5, events: 2, keys: 3, bindings: 1 });
  expect(report.redelivered).toEqual({ count: 0, ids: [] });
  expect(await moveStatus(ends)).toMatchObject({ move: 'done', from: { state: 'moved' }, to: { state: 'open' } });
  await expect(from.queues.send('work', [{ body }])).rejects.toMatchObject({
    code: 'CONFLICT',
    message: 'the bus has moved to memory:to',
  });

  expect((await to.queues.receive('work')).map(({ id }) => id)).toEqual(['one']);
  expect((await to.queues.receive('bound', { max: 5 })).map(({ id }) => id)).toEqual(['e1', 'e2']);
  expect(await to.queues.send('work', [{ id: 'one', body }])).toMatchObject([{ status: 'duplicate' }]);
  expect((await to.admin.browse('work', { state: 'dead' })).messages[0]?.dead?.reason).toBe('broken');
  const after = await to.kv.put('token', body);
  expect(revisionOf(after)).toBeGreaterThan(revisionOf(before));
  expect((await to.kv.list('$')).map(({ key }) => key)).toEqual(['$migrate/cut']);

  await retire(ends.from);
  expect(await from.admin.queues()).toEqual([]);
  expect(await from.admin.gate()).toMatchObject({ state: 'moved', movedTo: 'memory:to' });
});

test.concurrent('a bus moves back, with what came meanwhile', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await fill(from.transport);
  await moveBus({ from, to });
  await to.transport.queues.send('work', [{ id: 'new', body }]);
  await moveBus({ from: to, to: from });
  const ids = (await from.transport.queues.receive('work', { max: 5 })).map(({ id }) => id);
  expect(ids).toEqual(['one', 'new']);
  expect(await from.transport.admin.gate()).toMatchObject({ state: 'open' });
});

test.concurrent('events that a binding has not drawn yet are exported like messages of its queue, in order', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  const events = Array.from({ length: 900 }, (_, index) => ({ id: `e${index}`, body }));
  const others = [
    { id: 'delayed', body, delayMs: 60_000 },
    { id: 'short', body, ttlMs: 60_000 },
  ];
  await from.transport.topics.publish('news', [...events, ...others]);
  const { revision } = await from.transport.admin.gate();
  const bound = from.transport.topics.bind('bound', 'news', { from: 'start' });
  // Nothing is drawn in a closed store.
  await Promise.all([bound, from.transport.admin.setGate('closed', { ifRevision: revision })]);
  await to.transport.admin.importState(from.transport.admin.exportState());
  expect(await compareStores({ from, to })).toEqual([]);
  const got = await to.transport.queues.receive('bound', { max: 1_000 });
  expect(got.map(({ id }) => id)).toEqual([...events.map(({ id }) => id), 'short']);
  const { messages } = await to.transport.admin.browse('bound', { state: 'delayed' });
  expect(messages).toMatchObject([{ message: { id: 'delayed' } }]);
});

test.concurrent('messages that are leased when the source closes are named, and come again', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await from.transport.queues.send('work', [{ id: 'held', body }]);
  const [held] = await from.transport.queues.receive('work');
  const report = await moveBus({ from, to }, { drainMs: 100 });
  expect(report.redelivered).toEqual({ count: 1, ids: ['held'] });
  await expect(from.transport.queues.settle([{ receipt: held?.receipt ?? '', action: 'ack' }])).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  expect(await to.transport.queues.receive('work')).toMatchObject([{ id: 'held', attempt: 2 }]);
});

test.concurrent('a dead letter with the id of a newer message moves, and a delayed retry keeps its place', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  const { queues, admin } = from.transport;
  await queues.send('work', [{ id: 'same', body }]);
  const [first] = await queues.receive('work');
  await queues.settle([{ receipt: first?.receipt ?? '', action: 'reject' }]);
  // Its dedupe window ends.
  const kept: StateRecord[] = [];
  for await (const record of admin.exportState()) if (record.kind !== 'dedupe') kept.push(record);
  await admin.clear();
  await admin.importState(kept);
  await queues.send('work', [{ id: 'same', body }]);
  const ordered = ['k0', 'k1'].map((id) => ({ id, body, orderingKey: 'k' }));
  await queues.send('ordered', ordered);
  const [retried] = await queues.receive('ordered');
  await queues.settle([{ receipt: retried?.receipt ?? '', action: 'retry', delayMs: 60_000 }]);
  const { records } = await moveBus({ from, to });
  expect(records.messages).toBe(4);
  expect(await to.transport.admin.queues({ names: ['work'] })).toMatchObject([{ ready: 1, dead: 1 }]);
  expect(await to.transport.queues.receive('ordered', { max: 2 })).toEqual([]);
  await to.transport.admin.reschedule('ordered', ['k0'], 0);
  const ids = (await to.transport.queues.receive('ordered', { max: 2 })).map(({ id }) => id);
  expect(ids).toEqual(['k0']);
});

test.concurrent('events that are published during the copy arrive once and in order', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  const publish = (first: number, count: number): Promise<unknown> =>
    from.transport.topics.publish(
      'news',
      Array.from({ length: count }, (_, index) => ({ id: `e${first + index}`, body })),
    );
  await publish(0, 900);
  let more: Promise<unknown> | undefined;
  await moveBus(
    { from, to },
    {
      onProgress({ step, records }) {
        if (step === 'copy' && records > 0) more ??= publish(900, 50);
      },
    },
  );
  await more;
  const seen: string[] = [];
  const reading = await to.transport.topics.subscribe('news', { from: 'start' }, (events) => {
    seen.push(...events.map(({ id }) => id));
  });
  await vi.waitFor(() => expect(seen.length).toBe(950), { timeout: 5_000 });
  expect(seen).toEqual(Array.from({ length: 950 }, (_, index) => `e${index}`));
  await reading.close();
});

test.concurrent('a move that is refused says what to do', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await to.transport.queues.send('other', [{ body }]);
  const { problems } = await planMove({ from, to });
  expect(problems).toMatchObject([{ text: 'memory:to is not empty' }]);
  await expect(moveBus({ from, to })).rejects.toMatchObject({ code: 'CONFLICT', message: 'memory:to is not empty' });
  await expect(moveBus({ from, to: from })).rejects.toMatchObject({ code: 'CONFLICT' });
  await to.transport.admin.clear();
  const both = await Promise.allSettled([moveBus({ from, to }), moveBus({ from, to })]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await expect(moveBus({ from, to })).rejects.toMatchObject({ message: expect.stringContaining('has moved') });
});

test.concurrent('a move that failed is repeated, or rolled back', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await fill(from.transport);
  const stop = new AbortController();
  const stopped = moveBus(
    { from, to },
    { signal: stop.signal, onProgress: ({ step }) => step === 'transfer' && stop.abort() },
  );
  await expect(stopped).rejects.toThrow();
  expect(await from.transport.admin.gate()).toMatchObject({ state: 'open' });
  expect(await moveStatus({ from, to })).toMatchObject({ move: 'half' });
  await rollBack({ from, to });
  expect(await moveStatus({ from, to })).toMatchObject({
    move: 'none',
    from: { state: 'open' },
    to: { state: 'open' },
  });
  expect(await to.transport.admin.queues()).toEqual([]);
  await from.transport.queues.send('work', [{ id: 'later', body }]);
  await moveBus({ from, to });
  const ids = (await to.transport.queues.receive('work', { max: 5 })).map(({ id }) => id);
  expect(ids).toEqual(['one', 'later']);
});

test.concurrent.each<[Fault, text: string]>([
  ['drops', 'messages of work: 3 and 2 records'],
  ['alters', 'messages of work: different contents'],
  ['reorders', 'messages of work, ready with priority 4: another order'],
])('a target that %s messages gets no bus: the source goes on', async (fault, text) => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  const sent = ['one', 'two', 'three'];
  const messages = sent.map((id) => ({ id, body }));
  await from.transport.queues.send('work', messages);
  const lossy = { from, to: { ...to, transport: lossyTarget(to.transport, fault) } };
  const steps = new Set<string>();
  await expect(moveBus(lossy, { onProgress: ({ step }) => void steps.add(step) })).rejects.toMatchObject({
    code: 'INTERNAL',
    message: `the copy differs from the source: ${text}`,
    hint: expect.stringContaining('still in the source'),
  });
  expect([...steps]).toEqual(['copy', 'drain', 'transfer', 'verify']);
  expect(await moveStatus({ from, to })).toMatchObject({ move: 'half', from: { state: 'open' } });
  expect(await compareStores({ from, to })).toContain(text);
  const ids = (await from.transport.queues.receive('work', { max: 5 })).map(({ id }) => id);
  expect(ids).toEqual(sent);
  await moveBus({ from, to }, { drainMs: 0 });
  expect(await moveStatus({ from, to })).toMatchObject({ move: 'done', to: { state: 'open' } });
});

test.concurrent('a mark that a killed mover left does not let another store of the same name clear the target', async () => {
  await using setting = await stores();
  const { from, to } = setting.ends;
  await fill(from.transport);
  let mark: Uint8Array | undefined;
  await moveBus(
    { from, to },
    {
      async onProgress({ step }) {
        if (step === 'verify') mark ??= (await to.transport.kv.get('$migrate'))?.value;
      },
    },
  );
  await to.transport.kv.put('$migrate', mark ?? body);
  await using dir = tempDir('busbar-move');
  await using recreated = await openSqlite({ file: dir.join('from.db') });
  const again = moveBus({ from: { transport: recreated, name: from.name }, to });
  await expect(again).rejects.toMatchObject({ code: 'CONFLICT', message: 'memory:to is not empty' });
  expect(await to.transport.queues.receive('work')).toMatchObject([{ id: 'one' }]);
});

function revisionOf(result: { readonly status: string; readonly revision?: number }): number {
  return result.revision ?? Number.NaN;
}
