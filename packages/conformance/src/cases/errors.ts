/** Errors and bad input: the same outcome on every backend. */

import { ERROR_CODES, type Transport } from '@busbar/api/transport';
import type { ConformanceCase } from '../case.ts';
import type { Lab } from '../context/test-context.ts';
import { BAD_ARGUMENTS } from '../inputs/bad-arguments.ts';
import { type BadInput, refuseAll } from '../inputs/bad-inputs.ts';
import { BAD_NAMES } from '../inputs/bad-names.ts';
import { BAD_NUMBERS } from '../inputs/bad-numbers.ts';
import { collect, operationsOf } from '../inputs/operations.ts';
import { consume, idsOf, onceEach } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';

const group = 'Errors/bad input';
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

export const cases: readonly ConformanceCase[] = [
  {
    id: 'E1',
    group,
    title: 'every operation reports a missing thing the same way: by a result, or by NOT_FOUND',
    level: 'MUST',
    rules: ['RA1', 'RQ9'],
    smoke: true,
    async run(lab) {
      const { queues, topics, kv, admin } = await lab.transport();
      const { check } = lab;
      await check.rejects(queues.send('no.such', [{ body }], { create: false }), 'NOT_FOUND', 'a send to no queue');
      check.equal(await queues.receive('no.such'), [], 'received from no queue');
      const [settled] = await queues.settle([{ receipt: 'no such receipt', action: 'ack' }]);
      check.equal(settled?.status, 'lease-lost', 'an ack of no receipt');
      check.equal(await kv.get('no/such'), undefined, 'no entry');
      check.equal((await kv.delete('no/such')).status, 'absent', 'a delete of no entry');
      check.equal((await kv.delete('no/such', { ifRevision: 1 })).status, 'absent', 'a delete of no revision');
      const [touched] = await kv.touch([{ key: 'no/such', ttlMs: 9 }]);
      check.equal(touched?.status, 'lost', 'a touch of no entry');
      const put = await kv.put('no/such', body, { ifRevision: 7 });
      check.equal(put.status === 'conflict' && put.current === undefined, true, 'a put over no revision is a conflict');
      check.equal(await kv.list('no/'), [], 'entries under no prefix');
      check.equal(await topics.unbind('no.such', 'topic'), undefined, 'an unbind of no binding');
      check.equal(await admin.queues({ names: ['no.such'] }), [], 'queues of that name');
      check.equal((await admin.browse('no.such')).messages, [], 'messages of no queue');
      check.equal([await admin.redrive('no.such'), await admin.purge('no.such')], [0, 0], 'redriven and purged');
      check.equal(await admin.deleteQueue('no.such'), false, 'deleted');
      check.equal(await admin.queues(), [], 'queues created by reads');
    },
  },
  {
    id: 'E2',
    group,
    title: 'every operation that takes a name refuses illegal names, and accepts the longest legal ones',
    level: 'MUST',
    rules: ['RA4', 'RA1'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      await refuseAll(lab, transport, BAD_NAMES);
      await untouched(lab, transport);
      const name = `${'Aa0_-@/:+~'.repeat(6)}.`.repeat(4).padEnd(255, 'z');
      await lab.send(transport, name, lab.messages(1));
      await consume(lab, transport, name, 1);
      const deep = Array(16).fill('t').join('.');
      const log = await follow(lab, transport, `${deep.slice(0, -1)}*`);
      await publish(lab, transport, deep, lab.messages(1));
      await log.has(['m0'], 'an event on a topic of 16 tokens');
      const keys = ['x'.repeat(512), '😀'.repeat(128), ' \n*>%_\\\'"/../..', '\u0001', '\uff5e', '\u{1f600}'];
      for (const key of keys) await transport.kv.put(key, body);
      const listed = (await transport.kv.list('')).map(({ key }) => key);
      lab.check.equal(listed, keys.toSorted(byBytes), 'keys that are legal');
      const behind = (await transport.kv.list('', { after: '\uff5e' })).map(({ key }) => key);
      lab.check.equal(behind, ['\u{1f600}', keys[1]], 'keys sorted after U+FF5E by bytes');
    },
  },
  {
    id: 'E3',
    group,
    title: 'every numeric option refuses NaN, negative and other illegal numbers',
    level: 'MUST',
    rules: ['RA1', 'RD2'],
    async run(lab) {
      const transport = await lab.transport();
      await refuseAll(lab, transport, BAD_NUMBERS);
      await untouched(lab, transport);
    },
  },
  {
    id: 'E4',
    group,
    title: 'a missing feature has a reason and is refused with UNSUPPORTED; a declared feature works',
    level: 'MUST',
    rules: ['RA1'],
    shows: ['calls'],
    async run(lab) {
      const transport = await lab.transport();
      const { features, reasons } = transport.capabilities;
      for (const [feature, isThere] of Object.entries(features)) {
        const reason = (reasons as Readonly<Record<string, string | undefined>>)[feature];
        lab.check.equal(reason === undefined, isThere, `a reason for ${feature}, which is ${isThere}`);
        if (reason !== undefined) lab.check.ok(reason.trim().length > 10, `the reason for ${feature} is a sentence`);
      }
      lab.check.equal(transport.calls !== undefined, features.calls, '`calls` exists as declared');
      for (const [feature, inputs] of ASKED_FOR) {
        const missing = inputs.map((input) => ({ ...input, code: 'UNSUPPORTED' as const }));
        if (!features[feature]) await refuseAll(lab, transport, missing);
        else for (const { call } of inputs) lab.check.ok((await call(transport)) !== undefined, `${feature} works`);
      }
    },
  },
  {
    id: 'E5',
    group,
    title: 'every backend refuses each bad argument with the same code, before any effect',
    level: 'MUST',
    rules: ['RA1', 'RD2'],
    smoke: true,
    timeoutMs: 30_000,
    async run(lab) {
      const transport = await lab.transport();
      await refuseAll(lab, transport, BAD_ARGUMENTS);
      const foreign = { from: { after: 'no position of this store' } };
      await refuseAll(lab, transport, [
        { what: 'a foreign position', call: ({ topics }) => topics.subscribe('t', foreign, () => undefined) },
        { what: 'a foreign position to bind from', call: ({ topics }) => topics.bind('queue', 't', foreign) },
      ]);
      await untouched(lab, transport);
      const signal = AbortSignal.abort(new Error('enough'));
      const aborted = operationsOf(transport).filter(({ name }) => name !== 'calls.serve');
      const inputs = aborted.map(({ name, call }): BadInput => {
        return { what: `${name} after its signal fired`, code: 'ABORTED', call: (client) => call(client, { signal }) };
      });
      await refuseAll(lab, transport, inputs);
      await untouched(lab, transport);
    },
  },
  {
    id: 'E6',
    group,
    title: 'a refused message is never delivered, also after the cause of the refusal is gone',
    level: 'MUST',
    rules: ['RD2', 'RQ9', 'RQ10'],
    smoke: true,
    async run(lab) {
      const transport = await lab.transport();
      const { queues } = transport;
      await queues.configure('inbox', { maxLength: 4 });
      const sent = await lab.send(transport, 'inbox', lab.messages(4));
      const over = await queues.send('inbox', lab.messages(10, {}, 'over'));
      const stored = over.filter(({ status }) => status !== 'failed');
      if (lab.capabilities.features.exactLimit) lab.check.equal(stored, [], 'stored over the limit');
      await refusedSends(lab, transport);
      await queues.configure('inbox', { maxLength: 100, frozen: false });
      const ids = [...sent, ...stored, ...(await lab.send(transport, 'inbox', lab.messages(1, {}, 'last')))];
      const log = await follow(lab, transport, '>', { from: 'start' });
      await consume(lab, transport, 'inbox', ids.length);
      await lab.nothing(transport, 'inbox', 150);
      onceEach(lab, idsOf(ids));
      await publish(lab, transport, 'news', lab.messages(1, {}, 'good'));
      await log.has(['good0'], 'events');
    },
  },
  {
    id: 'E9',
    group,
    title: 'an error has its code, operation, transport, outcome and `retryable`, also as plain JSON',
    level: 'MUST',
    rules: ['RA1', 'RA6'],
    async run(lab) {
      const client = await lab.open();
      const retryable = ['UNAVAILABLE', 'TIMEOUT', 'BACKPRESSURE', 'NO_RESPONDER'];
      const judge = async (operation: string, call: () => unknown): Promise<void> => {
        const error = await lab.check.rejects(call, ERROR_CODES, operation);
        lab.check.equal([error.operation, error.transport], [operation, client.name], `where ${error.code} arose`);
        lab.check.equal(error.retryable, retryable.includes(error.code), `retryable of ${error.code} of ${operation}`);
        lab.check.ok(error.message !== '' && error instanceof Error, `${operation} has a message`);
        const { code, message, outcome } = error;
        const json = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
        const expected = { code, message, operation, transport: client.name, retryable: error.retryable, outcome };
        for (const [name, value] of Object.entries(expected)) lab.check.equal(json[name], value, `${name} in JSON`);
      };
      await judge('queues.send', () => client.queues.send('no such', []));
      await judge('queues.send', () => client.queues.send('no.such', [{ body }], { create: false }));
      await judge('queues.receive', () => client.queues.receive('queue', { signal: AbortSignal.abort() }));
      await judge('topics.publish', () => client.topics.publish('t', [{ body: new Uint8Array(limit(client) + 1) }]));
      await judge('kv.put', () => client.kv.put('key', new Uint8Array(65_537)));
      await client.queues.configure('full', { maxLength: 1 });
      const refused = (await client.queues.send('full', lab.messages(20))).find(({ status }) => status === 'failed');
      await judge('queues.send', () => Promise.reject(refused?.error));
      await client.close();
      for (const { name, call } of operationsOf(client)) await judge(name, () => call(client));
    },
  },
];

async function untouched(lab: Lab, { admin, kv }: Transport): Promise<void> {
  lab.check.equal(await admin.queues(), [], 'queues that bad input has made');
  lab.check.equal(await admin.topics(), [], 'topics that bad input has made');
  lab.check.equal(await admin.bindings(), [], 'bindings that bad input has made');
  lab.check.equal(await kv.list(''), [], 'entries that bad input has made');
}

/** Sends and publishes that must be refused as a whole. */
async function refusedSends(lab: Lab, { queues, topics, capabilities }: Transport): Promise<void> {
  const { check } = lab;
  const bad = [...lab.messages(3, {}, 'bad'), { body, priority: 99 }];
  const huge = [...lab.messages(3, {}, 'huge'), { body: new Uint8Array(capabilities.maxBodyBytes + 1) }];
  const signal = AbortSignal.abort();
  await check.rejects(queues.send('inbox', bad), 'INVALID_ARGUMENT', 'a batch with a bad message');
  await check.rejects(queues.send('inbox', huge), 'PAYLOAD_TOO_LARGE', 'a batch with a huge message');
  await check.rejects(queues.send('inbox', lab.messages(1, {}, 'gone'), { signal }), 'ABORTED', 'an aborted send');
  await check.rejects(topics.publish('news', bad), 'INVALID_ARGUMENT', 'events with a bad one');
  await check.rejects(topics.publish('news', huge), 'PAYLOAD_TOO_LARGE', 'events with a huge one');
  await check.rejects(topics.publish('news', lab.messages(1), { signal }), 'ABORTED', 'an aborted publish');
  await queues.configure('inbox', { frozen: true });
  await check.rejects(queues.send('inbox', lab.messages(1, {}, 'frozen')), 'CONFLICT', 'a send to a frozen queue');
}

function limit({ capabilities }: Transport): number {
  return capabilities.maxBodyBytes;
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
