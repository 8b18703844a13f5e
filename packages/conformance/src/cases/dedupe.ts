/** Dedupe: an id is stored once within its window, also after a restart. */

import type { SendResult, StateRecord, Transport } from '@busbar/api/transport';
import { isBusbarError } from '@busbar/api/transport';
import { type ConformanceCase, defineCases, keepsNothing } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import {
  assertDeliveredOnce,
  consume,
  fieldsOf,
  idsOf,
  ROUNDING_MS,
  receiveOne,
  settle,
  texts,
  waitUntil,
} from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { assertCounts, deadLetters, queueInfo } from '../steps/queue-view.ts';
import { assertMoveRefused, exportAll } from '../steps/state-transfer.ts';

const HOUR_MS = 3_600_000;
const SOON_MS = 200;

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Dedupe' }, [
  {
    id: 'U1',
    title: 'an id is stored once per queue: in a batch, later, from any client, also after it was handled or died',
    rules: ['RQ7'],
    smoke: true,
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const [done, dead] = [...test.messages(1, { id: 'done' }), ...test.messages(1, { id: 'dead' }, 'x')];
      if (done === undefined || dead === undefined) return;
      const again = async (): Promise<string[]> => statuses(await other.queues.send('work', [done, dead]));
      const first = await transport.queues.send('work', [done, done, dead]);
      test.check.equal(statuses(first), ['stored', 'duplicate', 'stored'], 'one batch');
      test.check.equal(await again(), ['duplicate', 'duplicate'], 'while they are ready');
      const held = await test.receive(other, 'work', 2);
      test.check.equal(await again(), ['duplicate', 'duplicate'], 'while they are leased');
      await settle(test, other, held.slice(0, 1), { action: 'ack' });
      await settle(test, other, held.slice(1), { action: 'reject' });
      await deadLetters(test, transport, 'work', 1);
      test.check.equal(await again(), ['duplicate', 'duplicate'], 'after they were handled and died');
      test.check.equal(statuses(await other.queues.send('second', [done])), ['stored'], 'in another queue');
      await test.nothing(transport, 'work', 50);
      test.check.equal((await queueInfo(transport, 'work')).totals.sent, 2, 'messages counted as sent');
      test.check.equal(texts(test, await consume(test, transport, 'second', 1)), ['m0'], 'messages of the other queue');
    },
  },
  {
    id: 'U2',
    title: 'an id can be stored again after the dedupe window, and not before',
    rules: ['RQ7', 'RA7'],
    needs: ['exportState'],
    async run(test, transport) {
      await transport.queues.configure('work', { dedupeMs: 120_000 });
      const leftMs = 700;
      const records: StateRecord[] = [
        { kind: 'dedupe', queue: 'work', id: 'old', leftMs },
        { kind: 'dedupe', queue: 'work', id: 'lasting', leftMs: 60_000 },
      ];
      const began = performance.now();
      await transport.admin.importState(records);
      const importedAt = performance.now();
      const send = async (id: string): Promise<string[]> =>
        statuses(await transport.queues.send('work', test.messages(1, { id })));
      const early = await send('old');
      if (performance.now() < began + leftMs) test.check.equal(early, ['duplicate'], 'within the window');
      await waitUntil(test, importedAt + test.beyond(leftMs) + ROUNDING_MS);
      test.check.equal(await send('old'), ['stored'], 'after the window');
      test.check.equal(await send('old'), ['duplicate'], 'in the next window');
      test.check.equal(await send('lasting'), ['duplicate'], 'another id within its window');
      test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['old'], 'delivered messages');
      await test.nothing(transport, 'work', 50);
    },
    async refused(test) {
      const { admin } = await test.transport();
      const records: StateRecord[] = [{ kind: 'dedupe', queue: 'work', id: 'old', leftMs: 500 }];
      await test.check.rejects(admin.importState(records), 'UNSUPPORTED', 'an import');
    },
  },
  {
    id: 'U11',
    title: 'an id sent again after its window is another message, and the one that still waits stays',
    rules: ['RQ7', 'RA7'],
    needs: ['exportState'],
    async run(test, transport) {
      await test.send(transport, 'work', test.messages(1, { id: 'same' }, 'first'));
      const records = await exportAll(transport);
      await transport.admin.clear();
      const leftMs = 300;
      await transport.admin.importState(records.map((one) => (one.kind === 'dedupe' ? { ...one, leftMs } : one)));
      await waitUntil(test, performance.now() + test.beyond(leftMs) + ROUNDING_MS);
      await test.send(transport, 'work', test.messages(1, { id: 'same' }, 'second'));
      await assertCounts(test, transport, 'work', { ready: 2 });
      const got = await consume(test, await test.open(), 'work', 2);
      test.check.equal(
        [idsOf(got), texts(test, got)],
        [
          ['same', 'same'],
          ['first0', 'second0'],
        ],
        'both messages',
      );
      await test.nothing(transport, 'work', 50);
    },
    refused: assertMoveRefused,
  },
  {
    id: 'U3',
    title: 'of fifty concurrent sends of one id exactly one is stored, in a queue and in a topic',
    rules: ['RQ7'],
    smoke: true,
    async run(test) {
      const clients = [
        await test.transport(),
        await test.open(),
        await test.open(),
        await test.open(),
        await test.open(),
      ];
      const log = await follow(test, await test.open(), 'news');
      const messages = test.messages(1, { id: 'same' });
      const calls = Array.from({ length: 50 }, (_, at) => clients[at % 5]).filter((client) => client !== undefined);
      const sends = (await Promise.all(calls.map((client) => client.queues.send('work', messages)))).flat();
      const publishes = (await Promise.all(calls.map((client) => client.topics.publish('news', messages)))).flat();
      for (const results of [sends, publishes]) {
        const stored = results.filter(({ status }) => status === 'stored');
        const duplicates = results.filter(({ status }) => status === 'duplicate');
        test.check.equal([stored.length, duplicates.length], [1, 49], 'stored and duplicate');
      }
      test.check.equal(new Set(publishes.map(({ position }) => position)).size, 1, 'positions in the results');
      const [transport] = clients;
      if (transport === undefined) return;
      test.check.equal(texts(test, await consume(test, transport, 'work', 1)), ['m0'], 'messages of the queue');
      await test.nothing(transport, 'work', 50);
      await log.has(['m0'], 'events of the topic');
    },
  },
  {
    id: 'U4',
    title: 'dedupe survives a restart',
    rules: ['RQ7', 'RD1'],
    needs: ['dedupeSurvivesRestart'],
    harnessFeatures: ['reopen'],
    async run(test, before) {
      const sent = test.messages(3).map((message, at) => ({ ...message, id: `id-${at}` }));
      await test.send(before, 'work', sent);
      const first = await publish(test, before, 'news', sent);
      await consume(test, before, 'work', 2);
      const after = await test.reopen();
      const again = await after.queues.send('work', sent);
      test.check.equal(statuses(again), ['duplicate', 'duplicate', 'duplicate'], 'sends after the restart');
      const events = await after.topics.publish('news', sent);
      test.check.equal(statuses(events), ['duplicate', 'duplicate', 'duplicate'], 'publishes after the restart');
      test.check.equal(fieldsOf(events, 'position'), fieldsOf(first, 'position'), 'their positions');
      test.check.equal(idsOf(await consume(test, after, 'work', 1)), ['id-2'], 'remaining messages');
      await test.nothing(after, 'work', 50);
    },
    async refused(test) {
      test.check.ok(test.capabilities.reasons.dedupeSurvivesRestart, 'the reason of `dedupeSurvivesRestart`');
    },
  },
  {
    id: 'U5',
    title: 'a send with an unknown outcome can be repeated: the message is stored once',
    rules: ['RD2', 'RQ7'],
    async run(test, transport) {
      const ids = Array.from({ length: 24 }, (_, at) => `order-${at}`);
      let abandoned = 0;
      for (const [at, id] of ids.entries()) {
        if (await isAbandoned(test, transport, id, at % 4)) abandoned += 1;
        const [again] = await transport.queues.send('work', test.messages(1, { id }));
        test.check.ok(again?.status === 'stored' || again?.status === 'duplicate', `the second try: ${again?.status}`);
      }
      test.check.ok(abandoned > 0, 'at least one send was aborted in flight');
      const got = await consume(test, await test.open(), 'work', ids.length);
      test.check.equal(idsOf(got), ids, 'stored messages in order');
      await test.nothing(transport, 'work', 100);
      assertDeliveredOnce(test, ids);
    },
  },
  {
    id: 'U6',
    title: 'the result of a duplicate names the original: the same id, and in a topic the same position',
    rules: ['RQ7', 'RT3'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const sent = test.messages(3).map((message, at) => ({ ...message, id: `id-${at}` }));
      const [first] = await publish(test, transport, 'news', sent.slice(0, 1));
      await publish(test, transport, 'news', test.messages(2, {}, 'other'));
      const [again, fresh] = await other.topics.publish(
        'news',
        [sent[0], sent[1]].filter((one) => one !== undefined),
      );
      const duplicate = [again?.id, again?.status, again?.position];
      test.check.equal(duplicate, ['id-0', 'duplicate', first?.position], 'the duplicate');
      test.check.equal([fresh?.id, fresh?.status], ['id-1', 'stored'], 'other messages');
      test.check.ok(first?.position !== undefined && fresh?.position !== first.position, 'positions differ');
      const elsewhere = await other.topics.publish('sport', sent.slice(0, 1));
      test.check.equal(statuses(elsewhere), ['stored'], 'the same id in another topic');
      const results = [await test.send(transport, 'work', sent), await other.queues.send('work', sent)];
      test.check.equal(idsOf(results[1] ?? []), idsOf(results[0] ?? []), 'ids of duplicates in a queue');
      test.check.equal(statuses(results[1] ?? []), ['duplicate', 'duplicate', 'duplicate'], 'their statuses');
      await assertCounts(test, transport, 'work', { ready: 3 });
      const log = await follow(test, other, '>', { from: 'start' });
      await test.until('the whole history', () => log.events.length >= 5);
      test.check.equal(log.texts.sort(), ['m0', 'm0', 'm1', 'other0', 'other1'], 'the whole history');
    },
  },
  {
    id: 'U7',
    title: 'ids of delayed, retried, cancelled and expired messages stay known after every client has closed',
    rules: ['RQ7', 'RD1'],
    shows: ['cancel'],
    harnessFeatures: ['reopen'],
    needs: ['dedupeSurvivesRestart'],
    async run(test) {
      const ids = await endInManyWays(test, await test.transport());
      await assertKnown(test, await test.reopen(), ids);
    },
  },
  {
    id: 'U8',
    title: 'ids of delayed, retried, cancelled and expired messages stay known after the server was killed',
    rules: ['RQ7', 'RD1'],
    shows: ['cancel'],
    harnessFeatures: ['server'],
    timeoutMs: 60_000,
    notApplicable: keepsNothing,
    needs: ['dedupeSurvivesRestart'],
    async run(test, transport) {
      const ids = await endInManyWays(test, transport);
      await test.server.kill();
      await test.server.start();
      await assertKnown(test, transport, ids);
    },
  },
]);

function statuses(results: readonly SendResult[]): string[] {
  return results.map(({ status }) => status);
}

/** Sends and aborts after `turns` turns of the event loop. Returns true if the abort came before the end of the send. */
async function isAbandoned(test: TestContext, transport: Transport, id: string, turns: number): Promise<boolean> {
  const abort = new AbortController();
  const send = transport.queues.send('work', test.messages(1, { id }), { signal: abort.signal }).then(
    () => false,
    (error: unknown) => {
      if (!isBusbarError(error)) throw error;
      test.check.equal([error.code, error.outcome], ['ABORTED', 'unknown'], 'code and outcome of an aborted send');
      return true;
    },
  );
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
  abort.abort();
  return send;
}

/** Sends messages that are delayed, due, retried, expired and cancelled at the end. Returns their ids. */
async function endInManyWays(test: TestContext, transport: Transport): Promise<string[]> {
  const named = async (id: string, fields: { delayMs?: number; ttlMs?: number } = {}): Promise<void> => {
    await test.send(transport, 'work', test.messages(1, { id, ...fields }));
  };
  await named('retried');
  await settle(test, transport, [await receiveOne(test, transport, 'work')], { action: 'retry', delayMs: HOUR_MS });
  await named('due', { delayMs: SOON_MS });
  test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['due'], 'due messages');
  await named('delayed', { delayMs: HOUR_MS });
  await named('expired', { ttlMs: SOON_MS });
  const isExpired = async (): Promise<boolean> => (await queueInfo(transport, 'work')).totals.expired === 1;
  await test.until('it is expired', isExpired, test.capabilities.reclaimMs + 10_000);
  const ids = ['retried', 'due', 'delayed', 'expired'];
  if (!test.capabilities.features.cancel) return ids;
  await named('cancelled', { delayMs: HOUR_MS });
  await named('cancelled-ready');
  const cancelled = await transport.admin.cancel('work', ['cancelled', 'cancelled-ready']);
  test.check.equal(fieldsOf(cancelled, 'status'), ['done', 'done'], 'cancelled');
  return [...ids, 'cancelled', 'cancelled-ready'];
}

async function assertKnown(test: TestContext, transport: Transport, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const [again] = await transport.queues.send('work', test.messages(1, { id }));
    test.check.equal(again?.status, 'duplicate', `the ${id} message, sent again`);
  }
  await test.send(transport, 'work', test.messages(1, { id: 'fresh' }));
  test.check.equal(idsOf(await consume(test, transport, 'work', 1)), ['fresh'], 'messages after the restart');
  await test.nothing(transport, 'work', 50);
  await assertCounts(test, transport, 'work', { ready: 0, delayed: 2, leased: 0, dead: 0 });
}
