/** State transfer: queues and their messages. */

import type { AttemptRecord, BrowsedMessage, QueueInfo, StateRecord, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { consume, ROUNDING_MS, receiveOne, settle, texts, waitUntil } from '../steps/consuming.ts';
import { publishTexts } from '../steps/event-log.ts';
import { assertCounts, deadLetters, queueInfo } from '../steps/queue-view.ts';
import { assertMoveRefused, exportAll, moveState } from '../steps/state-transfer.ts';
import { fullMessage } from '../steps/values.ts';

const shared = { group: 'State transfer', needs: ['exportState'], refused: assertMoveRefused } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'J1',
    title: 'queues keep their settings in a move, and messages keep every field and their order',
    rules: ['RA7', 'RQ4'],
    smoke: true,
    async run(test, transport) {
      const settings = { leaseMs: 45_000, maxLength: 77, maxAttempts: 3, dedupeMs: 300_000, expireIdleMs: 600_000 };
      await transport.queues.configure('set', { ...settings, frozen: true, paused: true, deadTtlMs: 900_000 });
      await transport.queues.configure('default');
      const first = { ...fullMessage(), headers: { kind: 'ä' } };
      const [low, high] = [test.messages(3, { priority: 1 }, 'low'), test.messages(2, { priority: 9 }, 'high')];
      await test.send(transport, 'inbox', [...low, first, ...test.messages(3), ...high]);
      const [queues, browsed] = [await transport.admin.queues(), await transport.admin.browse('inbox')];
      await moveState(test, transport);
      const after = await transport.admin.queues();
      test.check.equal(after.map(constitution), queues.map(constitution), 'queues');
      const { messages } = await transport.admin.browse('inbox');
      test.check.equal(messages.map(essence), browsed.messages.map(essence), 'messages');
      const got = await consume(test, transport, 'inbox', 9);
      const order = messages.map(({ message }) => [message.id, 1]);
      test.check.mapped(got, ({ id, attempt }) => [id, attempt], order, 'order');
    },
  },
  {
    id: 'J2',
    title: 'a second import adds nothing and changes nothing',
    rules: ['RA7', 'RQ7'],
    async run(test, transport) {
      await test.send(transport, 'inbox', test.messages(4));
      const [taken] = await test.receive(transport, 'inbox', 1);
      await settle(test, transport, taken ? [taken] : [], { action: 'reject' });
      await transport.topics.bind('bound', 'news');
      await transport.topics.publish('news', test.messages(2));
      await transport.kv.put('key', Uint8Array.of(1));
      const records = await moveState(test, transport);
      const before = await shape(transport);
      test.check.equal(await transport.admin.importState(records), 0, 'new when imported again');
      test.check.equal(await transport.admin.importState(records.slice(0, 5)), 0, 'new when imported in part');
      test.check.equal(await shape(transport), before, 'the state after importing again');
      await test.ack(transport, await test.receive(transport, 'inbox', 3));
      const own = await exportAll(transport);
      test.check.equal(await transport.admin.importState(own), 0, 'new records from its own export');
      await assertCounts(test, transport, 'inbox', { ready: 0, leased: 0, dead: 1 });
    },
  },
  {
    id: 'J3',
    title: 'attempts and their history move; a leased message arrives as ready, with its attempt counted',
    rules: ['RA7', 'RQ2', 'RQ5'],
    async run(test, transport) {
      await test.send(transport, 'inbox', test.messages(2, { maxAttempts: 3 }));
      for (const reason of ['first', 'second']) {
        const got = await test.receive(transport, 'inbox', 2);
        if (reason === 'first') await settle(test, transport, got, { action: 'retry', reason });
        else await settle(test, transport, got.slice(0, 1), { action: 'retry', reason });
      }
      await moveState(test, transport);
      await assertCounts(test, transport, 'inbox', { ready: 2, leased: 0, dead: 0 });
      const { messages } = await transport.admin.browse('inbox');
      const said = new Map(messages.map(({ message, history }) => [test.text(message), history.map(inWords)]));
      test.check.equal(said.get('m0'), ['1 retry first', '2 retry second'], 'history of the one retried twice');
      test.check.equal(said.get('m1')?.[0], '1 retry first', 'history of the one that was leased');
      const last = await test.receive(transport, 'inbox', 2);
      test.check.equal([last[0]?.attempt, last[1]?.attempt], [3, 3], 'the next attempt of both');
      await settle(test, transport, last, { action: 'retry', reason: 'third' });
      const [one, other] = await deadLetters(test, transport, 'inbox', 2);
      test.check.equal([one?.attempts, other?.attempts], [3, 3], 'attempts of dead letters');
    },
  },
  {
    id: 'J4',
    title: 'delays and times to live continue after a move',
    rules: ['RA7', 'RQ6'],
    async run(test, transport) {
      const began = performance.now();
      await test.send(transport, 'inbox', [
        ...test.messages(1, { delayMs: 900 }, 'later'),
        ...test.messages(1, { delayMs: 700 }, 'sooner'),
        ...test.messages(1, { ttlMs: 60_000, delayMs: 60_000 }, 'long'),
      ]);
      const sent = performance.now();
      await test.send(transport, 'short', test.messages(1, { ttlMs: 500 }));
      await test.until('a part of the time', () => performance.now() - sent > 200);
      await moveState(test, transport);
      const long = (await transport.admin.browse('inbox', { state: 'delayed' })).messages.at(-1);
      test.check.between(long?.delayLeftMs ?? 0, 50_000, 59_802, 'remaining delay');
      test.check.between(long?.ttlLeftMs ?? 0, 50_000, 59_802, 'remaining time to live');
      await test.until('the short one to expire', async () => (await queueInfo(transport, 'short')).ready === 0);
      test.check.between(performance.now() - began, 495, 4_000, 'the short one lived for');
      for (const [text, delay] of [
        ['sooner0', 700],
        ['later0', 900],
      ] as const) {
        const got = await receiveOne(test, transport, 'inbox');
        test.check.between(performance.now() - began, delay - 3, delay + 4_000, `arrival of ${text}`);
        test.check.equal(test.text(got), text, 'delivered messages');
      }
    },
  },
  {
    id: 'J5',
    title: 'dead letters move with reason, time and history, and can be redriven afterwards',
    rules: ['RA7', 'RQ5'],
    async run(test, transport) {
      await transport.queues.configure('inbox', { maxAttempts: 2 });
      await test.send(transport, 'inbox', [{ ...fullMessage(), id: 'poison' }, ...test.messages(1)]);
      for (const reason of ['broke', 'broke again']) {
        const got = await test.receive(transport, 'inbox', 1);
        await settle(test, transport, got, { action: 'retry', reason });
      }
      const other = await receiveOne(test, transport, 'inbox');
      await settle(test, transport, [other], { action: 'reject', reason: 'unwanted' });
      const before = (await deadLetters(test, transport, 'inbox', 2)).map(essence);
      await moveState(test, transport);
      test.check.equal((await deadLetters(test, transport, 'inbox', 2)).map(essence), before, 'dead letters');
      test.check.equal(await transport.admin.redrive('inbox', { ids: ['poison'] }), 1, 'redriven');
      const again = await receiveOne(test, transport, 'inbox');
      test.check.equal([again.id, again.attempt], ['poison', 1], 'the redriven message');
      await assertCounts(test, transport, 'inbox', { dead: 1, ready: 0 });
    },
  },
  {
    id: 'J13',
    title: 'dead letters and history keep their whole time to live in a move, and events their limit of attempts',
    rules: ['RA7', 'RQ5', 'RQ6'],
    async run(test, transport) {
      const ttlMs = 60_000;
      await test.send(transport, 'inbox', test.messages(1, { ttlMs }));
      await settle(test, transport, [await receiveOne(test, transport, 'inbox')], { action: 'reject' });
      await transport.topics.publish('news', test.messages(1, { ttlMs, maxAttempts: 1 }));
      await moveState(test, transport);
      test.check.equal(await transport.admin.redrive('inbox'), 1, 'redriven');
      const redriven = await receiveOne(test, transport, 'inbox');
      test.check.between(redriven.ttlLeftMs ?? 0, ttlMs / 2, ttlMs, 'remaining time to live of the redriven message');
      await test.ack(transport, [redriven]);
      await transport.topics.bind('bound', 'news', { from: 'start' });
      const event = await receiveOne(test, transport, 'bound');
      test.check.between(event.ttlLeftMs ?? 0, ttlMs / 2, ttlMs, 'remaining time to live of the event');
      await settle(test, transport, [event], { action: 'retry' });
      await assertCounts(test, transport, 'bound', { ready: 0, dead: 1 });
    },
  },
  {
    id: 'J14',
    title: 'an export during a binding from the start has the events that have not reached the queue yet',
    rules: ['RA7', 'RT3'],
    timeoutMs: 40_000,
    async run(test, transport) {
      await publishTexts(test, transport, 'news.a', 3_000);
      await transport.topics.bind('bound', 'news.*', { from: 'start' });
      await moveState(test, transport);
      const got = texts(test, await consume(test, transport, 'bound', 3_000));
      test.check.equal(got.toSorted(), texts(test, test.messages(3_000)).toSorted(), 'events in the bound queue');
      await publishTexts(test, transport, 'news.b', 1, 'later');
      test.check.equal(texts(test, await consume(test, transport, 'bound', 1)), ['later0'], 'a later event');
      await test.nothing(transport, 'bound', 20);
    },
  },
  {
    id: 'J17',
    title: 'an export has the rest of each dedupe window, and an import continues it',
    rules: ['RA7', 'RQ7'],
    async run(test, transport) {
      await transport.queues.configure('inbox', { dedupeMs: 130_000 });
      await test.send(transport, 'inbox', [{ id: 'early', body: Uint8Array.of(1) }]);
      await waitUntil(test, performance.now() + 1_100);
      await test.send(transport, 'inbox', [{ id: 'late', body: Uint8Array.of(1) }]);
      const leftOf = (records: readonly StateRecord[], wanted: string): number =>
        records.flatMap((one) => (one.kind === 'dedupe' && one.id === wanted ? [one.leftMs] : []))[0] ?? Number.NaN;
      const before = await moveState(test, transport);
      const after = await exportAll(transport);
      for (const records of [before, after]) {
        const [early, late] = [leftOf(records, 'early'), leftOf(records, 'late')];
        test.check.between(late, 110_000, 130_000 + test.capabilities.granularityMs, 'the window of the later id');
        test.check.between(late - early, 900, 6_000, 'the difference between both windows');
      }
      const gone = leftOf(before, 'early') - leftOf(after, 'early');
      test.check.between(
        gone,
        -ROUNDING_MS - test.capabilities.granularityMs,
        15_000,
        'how much the window became shorter',
      );
    },
  },
  {
    id: 'J6',
    title: 'dedupe ids move: a message sent before the move is a duplicate after it, consumed or not',
    rules: ['RA7', 'RQ7'],
    async run(test, transport) {
      const body = Uint8Array.of(1);
      const long = 'ä'.repeat(127);
      const sent = ['done', long, 'dead', 'waiting'].map((id) => ({ id, body }));
      await test.send(transport, 'inbox', sent);
      const [done, longest, dead] = await test.receive(transport, 'inbox', 3);
      if (done && longest && dead) {
        await test.ack(transport, [done, longest]);
        await settle(test, transport, [dead], { action: 'reject' });
      }
      const records = await moveState(test, transport);
      // Another backend reads the ids as they were sent.
      const exported = records.flatMap((record) => (record.kind === 'dedupe' ? [record.id] : []));
      for (const id of ['done', long]) test.check.ok(exported.includes(id), `the id in the export: ${id}`);
      const results = await transport.queues.send('inbox', [...sent, { id: 'new', body }]);
      const expected = [...sent.map(({ id }) => [id, 'duplicate']), ['new', 'stored']];
      test.check.mapped(results, ({ id, status }) => [id, status], expected, 'sends after the move');
      const got = await consume(test, transport, 'inbox', 2);
      test.check.equal([got[0]?.id, got[1]?.id], ['waiting', 'new'], 'delivered messages');
      await assertCounts(test, transport, 'inbox', { ready: 0, dead: 1 });
    },
  },
]);

function constitution({ name, settings }: QueueInfo): unknown {
  return [name, settings];
}

function inWords({ attempt, outcome, reason }: AttemptRecord): string {
  return `${attempt} ${outcome} ${reason}`;
}

/** Removes undefined and time-dependent fields of a message. */
function essence({ message, leaseLeftMs, delayLeftMs, ttlLeftMs, ...rest }: BrowsedMessage): unknown {
  const { body, ...fields } = message;
  return JSON.parse(JSON.stringify({ ...fields, ...rest, body: Array.from(body) }));
}

/** Names and counts of the content of a store. */
async function shape({ admin, kv }: Transport): Promise<unknown> {
  const queues = (await admin.queues()).map(({ name, ready, delayed, leased, dead }) => {
    return { name, ready, delayed, leased, dead };
  });
  const revisions = (await kv.list('')).map(({ key, revision }) => [key, revision]);
  return { queues, revisions, topics: await admin.topics(), bindings: await admin.bindings() };
}
