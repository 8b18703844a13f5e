/** State transfer: topics, bindings and keys, large stores, non-empty stores, and `clear`. */

import type { KvEntry, StateRecord, Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertAllRefused, tried } from '../inputs/bad-inputs.ts';
import { assertRising, consume, receiveOne, texts } from '../steps/consuming.ts';
import { follow, publish, publishTexts } from '../steps/event-log.ts';
import { assertCounts, queueInfo } from '../steps/queue-view.ts';
import { assertMoveRefused, exportAll, moveState } from '../steps/state-transfer.ts';
import { storedOf } from '../steps/values.ts';

const moves = { needs: ['exportState'], refused: assertMoveRefused } as const;
const body = Uint8Array.of(1);

const MESSAGE = { message: { id: 'one', priority: 4 }, bodyBase64: 'AQ==', state: 'ready', attempts: 0, history: [] };
const ENTRY = { kind: 'kv', key: 'key', valueBase64: 'AQ==', revision: 5, createRevision: 5 };
/** Records that no export gives: of no kind, and with fields that are missing, unknown or illegal. */
const NO_RECORDS: readonly unknown[] = [
  ...[null, undefined, 'record', 5, {}, { kind: 'unknown' }, { kind: 'toString' }, []],
  ...[
    { kind: 'queue', name: '' },
    { kind: 'queue', name: 'q', settings: { leaseMs: 0 } },
  ],
  ...[{ kind: 'queue', name: 'q', more: 1 }, { kind: 'message' }, { kind: 'message', queue: 'q' }],
  ...[
    { message: {} },
    { bodyBase64: undefined },
    { bodyBase64: '%' },
    { state: 'leased' },
    { attempts: -1 },
    { attempts: '1' },
    { delayLeftMs: 'soon' },
    { history: [null] },
    { history: [{ attempt: 1, endedAt: 1, outcome: 'lost' }] },
    { state: 'dead' },
    { state: 'dead', dead: { reason: 5, at: 1 } },
    { maxAttempts: 0 },
    { unknown: 1 },
  ].map((changed) => ({ kind: 'message', queue: 'q', message: { ...MESSAGE, ...changed } })),
  ...[{ priority: 10 }, { headers: { A: 'b' } }, { id: '' }, { sentAt: 'now' }, { topic: 'a..b' }].map((changed) => ({
    kind: 'message',
    queue: 'q',
    message: { ...MESSAGE, message: { ...MESSAGE.message, ...changed } },
  })),
  ...[
    { kind: 'event', topic: '*', message: MESSAGE },
    { kind: 'event', topic: 'news' },
  ],
  ...[
    { kind: 'dedupe', queue: 'q', id: '', leftMs: 1 },
    { kind: 'dedupe', queue: 'q', id: 'one' },
  ],
  ...[{ kind: 'binding', queue: 'q', pattern: 'a..b' }, { kind: 'revision' }, { kind: 'revision', highest: 1.5 }],
  ...[{ key: '' }, { valueBase64: 'x' }, { revision: 0 }, { createRevision: null }].map((changed) => ({
    ...ENTRY,
    ...changed,
  })),
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'State transfer' }, [
  {
    id: 'J7',
    title: 'history and bindings move, and the move adds no event to a queue twice',
    rules: ['RA7', 'RT3', 'RT5'],
    ...moves,
    smoke: true,
    async run(test, transport) {
      for (const pattern of ['news.*', '>']) await transport.topics.bind('bound', pattern);
      await publishTexts(test, transport, 'news.a', 3, 'a');
      const full = { id: 'b', body: Buffer.from('b0'), headers: { kind: 'b' }, type: 't' };
      await publish(test, transport, 'news.b', [full]);
      await consume(test, transport, 'bound', 1);
      const bindings = await transport.admin.bindings();
      await moveState(test, transport);
      const moved = await transport.admin.bindings();
      test.check.equal(moved.toSorted(byPattern), bindings.toSorted(byPattern), 'bindings');
      await assertCounts(test, transport, 'bound', { ready: 3 });
      const log = await follow(test, transport, 'news.>', { from: 'start' });
      await log.has(['a0', 'a1', 'a2', 'b0'], 'history');
      const { id, topic, type, headers } = log.events[3] ?? {};
      test.check.equal([id, topic, type, headers?.['kind']], ['b', 'news.b', 't', 'b'], 'fields of an event');
      const again = await transport.topics.publish('news.b', [{ id: 'b', body }]);
      test.check.equal(again[0]?.status, 'duplicate', 'an event published before the move');
      await publishTexts(test, transport, 'news.c', 1, 'c');
      await log.has(['a0', 'a1', 'a2', 'b0', 'c0'], 'history and later events');
      const got = await consume(test, transport, 'bound', 4);
      test.check.equal(texts(test, got), ['a1', 'a2', 'b0', 'c0'], 'the bound queue');
      const after = log.events[2]?.position ?? '';
      const rest = await follow(test, transport, 'news.*', { from: { after } });
      await rest.has(['b0', 'c0'], 'events after a position after the move');
    },
  },
  {
    id: 'J8',
    title: 'keys move with their revisions and times to live, and later revisions rise above them',
    rules: ['RA7', 'RE1', 'RE2'],
    ...moves,
    async run(test, { kv, admin }) {
      for (const key of ['kept', 'kept', 'deleted', 'renewed', 'short']) {
        await kv.put(key, Buffer.from(key), key === 'short' ? { ttlMs: 60_000 } : {});
      }
      await kv.delete('deleted');
      await kv.delete('renewed');
      await kv.put('renewed', Uint8Array.of(0, 255));
      const { revision: highest } = storedOf(test, await kv.put('gone', body));
      await kv.delete('gone');
      const before = await kv.list('');
      await moveState(test, await test.transport());
      const after = await kv.list('');
      test.check.equal(after.map(lasting), before.map(lasting), 'entries');
      const short = after.find(({ key }) => key === 'short');
      test.check.between(short?.ttlLeftMs ?? 0, 50_000, 60_000, 'remaining time to live');
      const next = storedOf(test, await kv.put('gone', body));
      test.check.ok(next.revision > highest, 'revisions rise over the move');
      test.check.ok(next.createRevision > highest, 'fencing tokens rise too');
      await admin.importState([{ kind: 'revision', highest: highest + 1_000_000 }]);
      const far = storedOf(test, await kv.put('kept', body));
      test.check.ok(far.revision > highest + 1_000_000, 'revisions rise above those of another store');
    },
  },
  {
    id: 'J15',
    title: 'revisions rise over a move to an empty store, also above those of deleted keys',
    rules: ['RA7', 'RE1'],
    ...moves,
    harnessFeatures: ['options'],
    async run(test, { kv, admin }) {
      const before: number[] = [];
      for (let round = 0; round < 20; round += 1) before.push(storedOf(test, await kv.put('gone', body)).revision);
      await kv.delete('gone');
      const records = await exportAll(await test.transport());
      const other = await test.openWith({ ns: `moved-${crypto.randomUUID().slice(0, 8)}` });
      test.defer(() => other.admin.clear());
      await other.admin.importState(records);
      const { revision, createRevision } = storedOf(test, await other.kv.put('gone', body));
      assertRising(test, [...before, revision], 'revisions over the move');
      test.check.equal(createRevision, revision, 'the revision of creation');
      await admin.clear();
    },
  },
  {
    id: 'J9',
    title: 'an import leaves existing data of the store unchanged',
    rules: ['RA7'],
    ...moves,
    async run(test, transport) {
      const { queues, kv, topics, admin } = transport;
      await queues.configure('inbox', { maxAttempts: 2 });
      await test.send(transport, 'inbox', [
        ...test.messages(1, { id: 'both' }, 'old'),
        ...test.messages(1, {}, 'moved'),
      ]);
      await kv.put('both', Buffer.from('old'));
      await kv.put('moved', Buffer.from('moved'));
      await topics.bind('bound', 'old.*');
      const records = await exportAll(transport);
      await admin.clear();
      await queues.configure('inbox', { maxAttempts: 9 });
      await test.send(transport, 'inbox', test.messages(1, { id: 'both' }, 'own'));
      await kv.put('both', Buffer.from('own'));
      await topics.bind('bound', 'own.*');
      test.check.ok((await admin.importState(records)) > 0, 'something was new');
      const got = texts(test, await consume(test, transport, 'inbox', 2));
      test.check.equal(got.toSorted(), ['moved0', 'own0'], 'messages');
      test.check.equal((await queueInfo(transport, 'inbox')).settings.maxAttempts, 9, 'the setting of the queue');
      const values = (await kv.list('')).map(({ key, value }) => `${key}: ${Buffer.from(value)}`);
      test.check.equal(values, ['both: own', 'moved: moved'], 'entries');
      const patterns = (await admin.bindings()).map(({ pattern }) => pattern);
      test.check.equal(patterns.toSorted(), ['old.*', 'own.*'], 'bindings');
      await test.nothing(transport, 'inbox', 20);
    },
  },
  {
    id: 'J10',
    title: 'clear removes everything for all clients, and receives, subscriptions and revisions continue',
    rules: ['RA7', 'RE1', 'RQ3'],
    async run(test) {
      const [transport, other] = [await test.transport(), await test.open()];
      const held = await fill(transport);
      const put = await transport.kv.put('key', body);
      const wait = other.queues.receive('waited.for', { waitMs: 10_000 });
      const log = await follow(test, other, '>');
      await transport.admin.clear();
      for (const { admin, kv } of [transport, other]) {
        test.check.equal([await admin.queues(), await admin.bindings(), await admin.topics()], [[], [], []], 'left');
        test.check.equal([await kv.list(''), await kv.get('key')], [[], undefined], 'entries left');
      }
      const history = await follow(test, other, '>', { from: 'start' });
      const [late] = await other.queues.settle([{ receipt: held, action: 'ack' }]);
      test.check.equal(late?.status, 'lease-lost', 'state of a leased message');
      const [again] = await transport.queues.send('full', [{ id: 'known', body }]);
      test.check.equal(again?.status, 'stored', 'a known id');
      const [event] = await transport.topics.publish('full.on', [{ id: 'known', body }]);
      test.check.equal(event?.status, 'stored', 'a known event');
      const next = await other.kv.put('key', body, { ifRevision: 0 });
      const tokens = [put, next].map((result) => storedOf(test, result).createRevision);
      assertRising(test, tokens, 'tokens across a clear');
      for (const events of [log, history]) await events.has([test.text({ body })], 'events since');
      await test.send(transport, 'waited.for', test.messages(1));
      test.check.equal(texts(test, await wait), ['m0'], 'the receive still waits');
      await assertCounts(test, transport, 'full', { ready: 1, delayed: 0, leased: 0, dead: 0 });
    },
  },
  {
    id: 'J16',
    title: 'revisions rise over a clear, also when every client closes after it',
    rules: ['RE1'],
    harnessFeatures: ['reopen'],
    async run(test, before) {
      const tokens: number[] = [];
      const take = async ({ kv }: Transport): Promise<void> => {
        tokens.push(storedOf(test, await kv.put('key', body, { ifRevision: 0 })).createRevision);
      };
      await take(before);
      for (let round = 0; round < 2; round += 1) {
        await (await test.transport()).admin.clear();
        await take(await test.reopen());
      }
      assertRising(test, tokens, 'tokens across clears');
    },
  },
  {
    id: 'J11',
    title: 'a store of thousands of items moves completely and in order; an abandoned export blocks nothing',
    rules: ['RA7', 'RQ4'],
    ...moves,
    timeoutMs: 40_000,
    async run(test, transport) {
      await test.send(transport, 'inbox', test.messages(3_000));
      await publishTexts(test, transport, 'news', 2_000);
      const keys = Array.from({ length: 1_500 }, (_, index) => `key/${index}`);
      await Promise.all(keys.map((key) => transport.kv.put(key, body)));
      for await (const record of transport.admin.exportState()) if (record.kind === 'message') break;
      await test.send(transport, 'other', test.messages(1));
      const records = await moveState(test, transport);
      test.check.ok(countOf(records, 'message') >= 3_001, 'messages in the export');
      test.check.equal([countOf(records, 'event'), countOf(records, 'kv')], [2_000, 1_500], 'events and entries');
      const got = texts(test, await consume(test, transport, 'inbox', 3_000));
      test.check.equal(got, texts(test, test.messages(3_000)), 'messages in order');
      const log = await follow(test, transport, 'news', { from: 'start' });
      await log.has(texts(test, test.messages(2_000)), 'events in order');
      const page = await transport.kv.list('key/');
      const listed = [...page, ...(await transport.kv.list('key/', { after: page.at(-1)?.key ?? 'key/' }))];
      test.check.equal(new Set(listed.map(({ key }) => key)).size, 1_500, 'entries');
      test.check.equal((await receiveOne(test, transport, 'other')).attempt, 1, 'the other queue');
    },
  },
  {
    id: 'J12',
    title: 'an invalid record is refused, and a failing source fails the import with its error',
    rules: ['RA7', 'RA1'],
    ...moves,
    async run(test, transport) {
      const bad = [...NO_RECORDS.map((record) => [record]), ...[null, undefined, 5, {}]];
      const inputs = tried('an import', bad, ({ admin }, records) => admin.importState(records));
      await assertAllRefused(test, transport, inputs);
      const failing = async function* (): AsyncIterable<StateRecord> {
        yield { kind: 'kv', key: 'key', valueBase64: 'AQ==', revision: 5, createRevision: 5, ttlLeftMs: undefined };
        throw new Error('the file is torn');
      };
      const error = await test.check.rejects(transport.admin.importState(failing()), 'INTERNAL', 'a source that fails');
      test.check.ok(String(error.cause).includes('torn') || error.message.includes('torn'), 'the error has the cause');
      test.check.equal(await transport.admin.queues(), [], 'queues of bad records');
      await test.send(transport, 'inbox', test.messages(1));
      await consume(test, transport, 'inbox', 1);
    },
  },
]);

/** Stores something of every kind. Returns the receipt of a lease. */
async function fill({ queues, topics, kv }: Transport): Promise<string> {
  await topics.bind('bound', 'full.*');
  await topics.publish('full.on', [{ id: 'known', body }, { body }]);
  await kv.put('lasting', body);
  await kv.put('short', body, { ttlMs: 60_000 });
  await queues.configure('empty', { maxAttempts: 2 });
  await queues.send('full', [{ id: 'known', body }, { body }, { body, delayMs: 60_000 }, { body }]);
  const [held, dead] = await queues.receive('full', { max: 2 });
  if (dead) await queues.settle([{ receipt: dead.receipt, action: 'reject' }]);
  return held?.receipt ?? '';
}

function countOf(records: readonly StateRecord[], kind: StateRecord['kind']): number {
  return records.filter((record) => record.kind === kind).length;
}

function lasting({ key, value, revision, createRevision }: KvEntry): unknown {
  return { key, value: Array.from(value), revision, createRevision };
}

function byPattern(one: { readonly pattern: string }, other: { readonly pattern: string }): number {
  return one.pattern < other.pattern ? -1 : 1;
}
