/** Dedupe: an id is stored once within its window. */

import type { SendResult, StateRecord, Transport } from '@busbar/api/transport';
import { isBusbarError } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { consume, idsOf, onceEach, ROUNDING_MS, reached, settle, texts } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { deadLetters, holds, queueInfo } from '../steps/queue-view.ts';

const group = 'Dedupe';

export const cases: readonly ConformanceCase[] = [
  {
    id: 'U1',
    group,
    title: 'an id is stored once per queue: in a batch, later, from any client, also after it was handled or died',
    level: 'MUST',
    rules: ['RQ7'],
    smoke: true,
    async run(lab) {
      const [transport, other] = [await lab.transport(), await lab.open()];
      const [done, dead] = [...lab.messages(1, { id: 'done' }), ...lab.messages(1, { id: 'dead' }, 'x')];
      if (done === undefined || dead === undefined) return;
      const again = async (): Promise<string[]> => statuses(await other.queues.send('work', [done, dead]));
      const first = await transport.queues.send('work', [done, done, dead]);
      lab.check.equal(statuses(first), ['stored', 'duplicate', 'stored'], 'one batch');
      lab.check.equal(await again(), ['duplicate', 'duplicate'], 'while they are ready');
      const held = await lab.receive(other, 'work', 2);
      lab.check.equal(await again(), ['duplicate', 'duplicate'], 'while they are held');
      await settle(lab, other, held.slice(0, 1), { action: 'ack' });
      await settle(lab, other, held.slice(1), { action: 'reject' });
      await deadLetters(lab, transport, 'work', 1);
      lab.check.equal(await again(), ['duplicate', 'duplicate'], 'after they were handled and died');
      lab.check.equal(statuses(await other.queues.send('second', [done])), ['stored'], 'in another queue');
      await lab.nothing(transport, 'work', 50);
      lab.check.equal((await queueInfo(transport, 'work')).totals.sent, 2, 'messages counted as sent');
      lab.check.equal(texts(lab, await consume(lab, transport, 'second', 1)), ['m0'], 'messages of the other queue');
    },
  },
  {
    id: 'U2',
    group,
    title: 'an id can be stored again after the dedupe window, and not before',
    level: 'MUST',
    rules: ['RQ7', 'RA7'],
    needs: ['exportState'],
    async run(lab) {
      const transport = await lab.transport();
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
        statuses(await transport.queues.send('work', lab.messages(1, { id })));
      const early = await send('old');
      if (performance.now() < began + leftMs) lab.check.equal(early, ['duplicate'], 'within the window');
      await reached(lab, importedAt + lab.beyond(leftMs) + ROUNDING_MS);
      lab.check.equal(await send('old'), ['stored'], 'after the window');
      lab.check.equal(await send('old'), ['duplicate'], 'in the next window');
      lab.check.equal(await send('lasting'), ['duplicate'], 'another id within its window');
      lab.check.equal(idsOf(await consume(lab, transport, 'work', 1)), ['old'], 'delivered messages');
      await lab.nothing(transport, 'work', 50);
    },
    async refused(lab) {
      const { admin } = await lab.transport();
      const records: StateRecord[] = [{ kind: 'dedupe', queue: 'work', id: 'old', leftMs: 500 }];
      await lab.check.rejects(admin.importState(records), 'UNSUPPORTED', 'an import');
    },
  },
  {
    id: 'U3',
    group,
    title: 'of fifty concurrent sends of one id exactly one is stored, in a queue and in a topic',
    level: 'MUST',
    rules: ['RQ7'],
    smoke: true,
    async run(lab) {
      const clients = [await lab.transport(), await lab.open(), await lab.open(), await lab.open(), await lab.open()];
      const log = await follow(lab, await lab.open(), 'news');
      const messages = lab.messages(1, { id: 'same' });
      const calls = Array.from({ length: 50 }, (_, at) => clients[at % 5]).filter((client) => client !== undefined);
      const sends = (await Promise.all(calls.map((client) => client.queues.send('work', messages)))).flat();
      const publishes = (await Promise.all(calls.map((client) => client.topics.publish('news', messages)))).flat();
      for (const results of [sends, publishes]) {
        const stored = results.filter(({ status }) => status === 'stored');
        const duplicates = results.filter(({ status }) => status === 'duplicate');
        lab.check.equal([stored.length, duplicates.length], [1, 49], 'stored and duplicate');
      }
      lab.check.equal(new Set(publishes.map(({ position }) => position)).size, 1, 'positions in the results');
      const [transport] = clients;
      if (transport === undefined) return;
      lab.check.equal(texts(lab, await consume(lab, transport, 'work', 1)), ['m0'], 'messages of the queue');
      await lab.nothing(transport, 'work', 50);
      await log.has(['m0'], 'events of the topic');
    },
  },
  {
    id: 'U4',
    group,
    title: 'dedupe survives a restart',
    level: 'MUST',
    rules: ['RQ7', 'RD1'],
    needs: ['dedupeSurvivesRestart'],
    powers: ['reopen'],
    async run(lab) {
      const before = await lab.transport();
      const sent = lab.messages(3).map((message, at) => ({ ...message, id: `id-${at}` }));
      await lab.send(before, 'work', sent);
      const first = await publish(lab, before, 'news', sent);
      await consume(lab, before, 'work', 2);
      const after = await lab.reopen();
      const again = await after.queues.send('work', sent);
      lab.check.equal(statuses(again), ['duplicate', 'duplicate', 'duplicate'], 'sends after the restart');
      const events = await after.topics.publish('news', sent);
      lab.check.equal(statuses(events), ['duplicate', 'duplicate', 'duplicate'], 'publishes after the restart');
      lab.check.equal(
        events.map(({ position }) => position),
        first.map(({ position }) => position),
        'their positions',
      );
      lab.check.equal(idsOf(await consume(lab, after, 'work', 1)), ['id-2'], 'remaining messages');
      await lab.nothing(after, 'work', 50);
    },
    async refused(lab) {
      lab.check.ok(lab.capabilities.reasons.dedupeSurvivesRestart, 'the reason why ids are forgotten');
    },
  },
  {
    id: 'U5',
    group,
    title: 'a send with an unknown outcome can be repeated: the message is stored once',
    level: 'MUST',
    rules: ['RD2', 'RQ7'],
    async run(lab) {
      const transport = await lab.transport();
      const ids = Array.from({ length: 24 }, (_, at) => `order-${at}`);
      let abandoned = 0;
      for (const [at, id] of ids.entries()) {
        if (await isAbandoned(lab, transport, id, at % 4)) abandoned += 1;
        const [again] = await transport.queues.send('work', lab.messages(1, { id }));
        lab.check.ok(again?.status === 'stored' || again?.status === 'duplicate', `the second try: ${again?.status}`);
      }
      lab.check.ok(abandoned > 0, 'at least one send was aborted in flight');
      const got = await consume(lab, await lab.open(), 'work', ids.length);
      lab.check.equal(idsOf(got), ids, 'stored messages in order');
      await lab.nothing(transport, 'work', 100);
      onceEach(lab, ids);
    },
  },
  {
    id: 'U6',
    group,
    title: 'the result of a duplicate names the original: the same id, and in a topic the same position',
    level: 'MUST',
    rules: ['RQ7', 'RT3'],
    async run(lab) {
      const [transport, other] = [await lab.transport(), await lab.open()];
      const sent = lab.messages(3).map((message, at) => ({ ...message, id: `id-${at}` }));
      const [first] = await publish(lab, transport, 'news', sent.slice(0, 1));
      await publish(lab, transport, 'news', lab.messages(2, {}, 'other'));
      const [again, fresh] = await other.topics.publish(
        'news',
        [sent[0], sent[1]].filter((one) => one !== undefined),
      );
      lab.check.equal(
        [again?.id, again?.status, again?.position],
        ['id-0', 'duplicate', first?.position],
        'the duplicate',
      );
      lab.check.equal([fresh?.id, fresh?.status], ['id-1', 'stored'], 'other messages');
      lab.check.ok(first?.position !== undefined && fresh?.position !== first.position, 'positions differ');
      const elsewhere = await other.topics.publish('sport', sent.slice(0, 1));
      lab.check.equal(statuses(elsewhere), ['stored'], 'the same id in another topic');
      const results = [await lab.send(transport, 'work', sent), await other.queues.send('work', sent)];
      lab.check.equal(idsOf(results[1] ?? []), idsOf(results[0] ?? []), 'ids of duplicates in a queue');
      lab.check.equal(statuses(results[1] ?? []), ['duplicate', 'duplicate', 'duplicate'], 'their statuses');
      await holds(lab, transport, 'work', { ready: 3 });
      const log = await follow(lab, other, '>', { from: 'start' });
      await lab.until('the whole history', () => log.events.length >= 5);
      lab.check.equal(log.texts.sort(), ['m0', 'm0', 'm1', 'other0', 'other1'], 'the whole history');
    },
  },
];

function statuses(results: readonly SendResult[]): string[] {
  return results.map(({ status }) => status);
}

/** Sends and aborts after `turns` turns of the event loop. Returns true if the abort came before the end of the send. */
async function isAbandoned(lab: Lab, transport: Transport, id: string, turns: number): Promise<boolean> {
  const abort = new AbortController();
  const send = transport.queues.send('work', lab.messages(1, { id }), { signal: abort.signal }).then(
    () => false,
    (error: unknown) => {
      if (!isBusbarError(error)) throw error;
      lab.check.equal([error.code, error.outcome], ['ABORTED', 'unknown'], 'code and outcome of an aborted send');
      return true;
    },
  );
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
  abort.abort();
  return send;
}
