/** Errors and bad input: the same outcome on every backend. */

import { ERROR_CODES, type Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import { BAD_ARGUMENTS } from '../inputs/bad-arguments.ts';
import { assertAllRefused, type BadInput } from '../inputs/bad-inputs.ts';
import { BAD_NAMES } from '../inputs/bad-names.ts';
import { BAD_NUMBERS } from '../inputs/bad-numbers.ts';
import { collect, operationsOf } from '../inputs/operations.ts';
import { assertDeliveredOnce, consume, fieldsOf, idsOf } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';

const body = Uint8Array.of(1);

/** Calls of each feature that must be refused if the feature is missing. */
const ASKED_FOR: readonly (readonly [
  feature: 'orderingKeys' | 'cancel' | 'exportState',
  inputs: readonly BadInput[],
])[] = [
  [
    'orderingKeys',
    [
      {
        what: 'an ordering key of a message',
        call: ({ queues }) => queues.send('keyed', [{ body, orderingKey: 'key' }]),
      },
      {
        what: 'an ordering key of an event',
        call: ({ topics }) => topics.publish('keyed', [{ body, orderingKey: 'key' }]),
      },
    ],
  ],
  [
    'cancel',
    [
      { what: 'a cancel', call: ({ admin }) => admin.cancel('queue', ['id']) },
      { what: 'a reschedule', call: ({ admin }) => admin.reschedule('queue', ['id'], 0) },
    ],
  ],
  [
    'exportState',
    [
      { what: 'an export', call: ({ admin }) => collect(admin.exportState()) },
      { what: 'an import', call: ({ admin }) => admin.importState([]) },
    ],
  ],
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Errors/bad input' }, [
  {
    id: 'E1',
    title: 'every operation reports a missing thing the same way: by a result, or by NOT_FOUND',
    rules: ['RA1', 'RQ9'],
    smoke: true,
    async run(test, { queues, topics, kv, admin }) {
      const { check } = test;
      const unknown = queues.send('no.such', [{ body }], { create: false });
      await check.rejects(unknown, 'NOT_FOUND', 'a send to an unknown queue');
      check.equal(await queues.receive('no.such'), [], 'received from an unknown queue');
      const [settled] = await queues.settle([{ receipt: 'no such receipt', action: 'ack' }]);
      check.equal(settled?.status, 'lease-lost', 'an ack of an unknown receipt');
      check.equal(await kv.get('no/such'), undefined, 'no entry');
      check.equal((await kv.delete('no/such')).status, 'absent', 'a delete of an unknown key');
      const deleted = (await kv.delete('no/such', { ifRevision: 1 })).status;
      check.equal(deleted, 'absent', 'a delete with an unknown revision');
      const [touched] = await kv.touch([{ key: 'no/such', ttlMs: 9 }]);
      check.equal(touched?.status, 'lost', 'a touch of an unknown key');
      const put = await kv.put('no/such', body, { ifRevision: 7 });
      const isConflict = put.status === 'conflict' && put.current === undefined;
      check.equal(isConflict, true, 'a put with an unknown revision is a conflict');
      check.equal(await kv.list('no/'), [], 'keys under an empty prefix');
      check.equal(await topics.unbind('no.such', 'topic'), undefined, 'an unbind of an unknown binding');
      check.equal(await admin.queues({ names: ['no.such'] }), [], 'queues of that name');
      check.equal((await admin.browse('no.such')).messages, [], 'messages of an unknown queue');
      const counts = [await admin.redrive('no.such'), await admin.purge('no.such', { state: 'dead' })];
      check.equal(counts, [0, 0], 'redriven and purged');
      check.equal(await admin.deleteQueue('no.such'), false, 'deleted');
      check.equal(await admin.queues(), [], 'queues created by reads');
    },
  },
  {
    id: 'E2',
    title: 'every operation that takes a name refuses illegal names, and accepts the longest legal ones',
    rules: ['RA4', 'RA1'],
    smoke: true,
    async run(test, transport) {
      await assertAllRefused(test, transport, BAD_NAMES);
      await untouched(test, transport);
      const name = `${'Aa0_-@/:+~'.repeat(6)}.`.repeat(4).padEnd(255, 'z');
      await test.send(transport, name, test.messages(1));
      await consume(test, transport, name, 1);
      const deep = Array(16).fill('t').join('.');
      const log = await follow(test, transport, `${deep.slice(0, -1)}*`);
      await publish(test, transport, deep, test.messages(1));
      await log.has(['m0'], 'an event on a topic of 16 tokens');
      const keys = ['x'.repeat(512), '😀'.repeat(128), ' \n*>%_\\\'"/../..', '\u0001', '\uff5e', '\u{1f600}'];
      for (const key of keys) await transport.kv.put(key, body);
      test.check.equal(fieldsOf(await transport.kv.list(''), 'key'), keys.toSorted(byBytes), 'keys that are legal');
      const behind = (await transport.kv.list('', { after: '\uff5e' })).map(({ key }) => key);
      test.check.equal(behind, ['\u{1f600}', keys[1]], 'keys sorted after U+FF5E by bytes');
    },
  },
  {
    id: 'E3',
    title: 'every numeric option refuses NaN, negative and other illegal numbers',
    rules: ['RA1', 'RD2'],
    async run(test, transport) {
      await assertAllRefused(test, transport, BAD_NUMBERS);
      await untouched(test, transport);
    },
  },
  {
    id: 'E4',
    title: 'a missing feature has a reason and is refused with UNSUPPORTED; a declared feature works',
    rules: ['RA1'],
    shows: ['calls'],
    async run(test, transport) {
      const { features, reasons } = transport.capabilities;
      for (const [feature, isThere] of Object.entries(features)) {
        const reason = (reasons as Readonly<Record<string, string | undefined>>)[feature];
        test.check.equal(reason === undefined, isThere, `a reason for ${feature}, which is ${isThere}`);
        if (reason !== undefined) test.check.ok(reason.trim().length > 10, `the reason for ${feature} is a sentence`);
      }
      test.check.equal(transport.calls !== undefined, features.calls, '`calls` exists as declared');
      for (const [feature, inputs] of ASKED_FOR) {
        const missing = inputs.map((input) => ({ ...input, code: 'UNSUPPORTED' as const }));
        if (!features[feature]) await assertAllRefused(test, transport, missing);
        else for (const { call } of inputs) test.check.ok((await call(transport)) !== undefined, `${feature} works`);
      }
    },
  },
  {
    id: 'E5',
    title: 'every backend refuses each bad argument with the same code, before any effect',
    rules: ['RA1', 'RD2'],
    smoke: true,
    timeoutMs: 30_000,
    async run(test, transport) {
      await assertAllRefused(test, transport, BAD_ARGUMENTS);
      const foreign = { from: { after: 'a foreign position' } };
      await assertAllRefused(test, transport, [
        { what: 'a foreign position', call: ({ topics }) => topics.subscribe('t', foreign, () => undefined) },
        { what: 'a foreign position to bind from', call: ({ topics }) => topics.bind('queue', 't', foreign) },
      ]);
      await untouched(test, transport);
      const signal = AbortSignal.abort(new Error('enough'));
      const aborted = operationsOf(transport).filter(({ name }) => name !== 'calls.serve');
      const inputs = aborted.map(({ name, call }): BadInput => {
        return { what: `${name} after its signal fired`, code: 'ABORTED', call: (client) => call(client, { signal }) };
      });
      await assertAllRefused(test, transport, inputs);
      await untouched(test, transport);
    },
  },
  {
    id: 'E6',
    title: 'a refused message is never delivered, also after the cause of the refusal is gone',
    rules: ['RD2', 'RQ9', 'RQ10'],
    smoke: true,
    async run(test, transport) {
      const { queues } = transport;
      await queues.configure('inbox', { maxLength: 4 });
      const sent = await test.send(transport, 'inbox', test.messages(4));
      const over = await queues.send('inbox', test.messages(10, {}, 'over'));
      const stored = over.filter(({ status }) => status !== 'failed');
      if (test.capabilities.features.exactLimit) test.check.equal(stored, [], 'stored over the limit');
      await refusedSends(test, transport);
      await queues.configure('inbox', { maxLength: 100, frozen: false });
      const ids = [...sent, ...stored, ...(await test.send(transport, 'inbox', test.messages(1, {}, 'last')))];
      const log = await follow(test, transport, '>', { from: 'start' });
      await consume(test, transport, 'inbox', ids.length);
      await test.nothing(transport, 'inbox', 150);
      assertDeliveredOnce(test, idsOf(ids));
      await publish(test, transport, 'news', test.messages(1, {}, 'good'));
      await log.has(['good0'], 'events');
    },
  },
  {
    id: 'E9',
    title: 'an error has its code, operation, transport, outcome and `retryable`, also as plain JSON',
    rules: ['RA1', 'RA6'],
    async run(test) {
      const client = await test.open();
      const retryable = ['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'NO_RESPONDER'];
      const verify = async (operation: string, call: () => unknown): Promise<void> => {
        const error = await test.check.rejects(call, ERROR_CODES, operation);
        test.check.equal([error.operation, error.transport], [operation, client.name], `where ${error.code} arose`);
        test.check.equal(error.retryable, retryable.includes(error.code), `retryable of ${error.code} of ${operation}`);
        test.check.ok(error.message !== '' && error instanceof Error, `${operation} has a message`);
        const { code, message, outcome } = error;
        const json = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
        const expected = { code, message, operation, transport: client.name, retryable: error.retryable, outcome };
        for (const [name, value] of Object.entries(expected)) test.check.equal(json[name], value, `${name} in JSON`);
      };
      await verify('queues.send', () => client.queues.send('no such', []));
      await verify('queues.send', () => client.queues.send('no.such', [{ body }], { create: false }));
      await verify('queues.receive', () => client.queues.receive('queue', { signal: AbortSignal.abort() }));
      await verify('topics.publish', () => client.topics.publish('t', [{ body: new Uint8Array(limit(client) + 1) }]));
      await verify('kv.put', () => client.kv.put('key', new Uint8Array(65_537)));
      await client.queues.configure('full', { maxLength: 1 });
      const refused = (await client.queues.send('full', test.messages(20))).find(({ status }) => status === 'failed');
      await verify('queues.send', () => Promise.reject(refused?.error));
      await client.close();
      for (const { name, call } of operationsOf(client)) await verify(name, () => call(client));
    },
  },
]);

async function untouched(test: TestContext, { admin, kv }: Transport): Promise<void> {
  test.check.equal(await admin.queues(), [], 'queues created by bad input');
  test.check.equal(await admin.topics(), [], 'topics created by bad input');
  test.check.equal(await admin.bindings(), [], 'bindings created by bad input');
  test.check.equal(await kv.list(''), [], 'keys created by bad input');
}

/** Sends and publishes that must be refused as a whole. */
async function refusedSends(test: TestContext, { queues, topics, capabilities }: Transport): Promise<void> {
  const { check } = test;
  const bad = [...test.messages(3, {}, 'bad'), { body, priority: 99 }];
  const huge = [...test.messages(3, {}, 'huge'), { body: new Uint8Array(capabilities.maxBodyBytes + 1) }];
  const signal = AbortSignal.abort();
  await check.rejects(queues.send('inbox', bad), 'INVALID_ARGUMENT', 'a batch with a bad message');
  await check.rejects(queues.send('inbox', huge), 'PAYLOAD_TOO_LARGE', 'a batch with a huge message');
  await check.rejects(queues.send('inbox', test.messages(1, {}, 'gone'), { signal }), 'ABORTED', 'an aborted send');
  await check.rejects(topics.publish('news', bad), 'INVALID_ARGUMENT', 'events with a bad one');
  await check.rejects(topics.publish('news', huge), 'PAYLOAD_TOO_LARGE', 'events with a huge one');
  await check.rejects(topics.publish('news', test.messages(1), { signal }), 'ABORTED', 'an aborted publish');
  await queues.configure('inbox', { frozen: true });
  await check.rejects(queues.send('inbox', test.messages(1, {}, 'frozen')), 'CONFLICT', 'a send to a frozen queue');
}

function limit({ capabilities }: Transport): number {
  return capabilities.maxBodyBytes;
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
