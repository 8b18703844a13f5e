/** Headers: names and values of a message. */

import type { Headers } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import { assertAllRefused, type BadInput, shown, unchecked } from '../inputs/bad-inputs.ts';
import { consume, receiveOne, settle } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';
import { deadLetters } from '../steps/queue-view.ts';

const body = Uint8Array.of(1);
const MOST_BYTES = 16_384;

/** Names with a meaning to a language, a protocol or a backend. */
const AWKWARD_NAMES: readonly string[] = [
  ...['constructor', 'tostring', 'valueof', 'prototype', 'length', '-', '--', '0', '42', '-1', 'x'.repeat(64)],
  ...['id', 'type', 'priority', 'from', 'to', 'topic', 'content-type', 'status', 'nats-msg-id', 'nats-expected-stream'],
  ...['content-length', 'host', 'traceparent', 'delay', 'attempt', 'body'],
];

const AWKWARD_VALUES: readonly string[] = [
  ...[
    '',
    ' ',
    ' both ends ',
    'a\r\nset-cookie: b',
    'a\nb',
    '\0',
    'nul\0inside',
    '"',
    "'",
    '\\',
    '\\u0041',
    '%00',
    '{}',
  ],
  ...[
    'null',
    '=?utf-8?q?x?=',
    'ä',
    '👩‍👩‍👧‍👦',
    '\u{10ffff}',
    '\ufeff',
    '\u2028',
    'a,b;c=d',
    'x'.repeat(5_000),
    "'; DROP TABLE x",
  ],
];

const ILLEGAL_NAMES: readonly string[] = [
  ...['', 'A', 'Content-Type', 'a b', 'a_b', 'a.b', 'a:b', 'a/b', 'ä', 'a\n', 'a\0', ' a', 'a ', '$a', 'x'.repeat(65)],
  ...['__proto__', 'hasOwnProperty', 'K', 'ı'],
];

const ILLEGAL_VALUES: readonly unknown[] = [
  ...[1, true, null, undefined, {}, ['a'], 1n, Symbol('a'), new Date(0), '\ud800', 'a\udc00b', body],
];

const NO_HEADERS: readonly unknown[] = [null, 'a=b', 5, [['a', 'b']], ['a'], true];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Headers' }, [
  {
    id: 'H1',
    title: 'headers arrive unchanged: at every attempt, in events, bound queues and dead letters',
    rules: ['RA4', 'RQ5', 'RT5'],
    smoke: true,
    async run(test, transport) {
      const headers = { trace: '00-4bf92f-01', 'x-user': 'Ann', empty: '' };
      const log = await follow(test, transport, 'news');
      await transport.topics.bind('bound', 'news');
      await publish(test, transport, 'news', [{ body, headers }, { body }]);
      await test.send(transport, 'inbox', [{ body, headers }, { body }]);
      const bound = await consume(test, transport, 'bound', 2);
      await test.until('both events', () => log.events.length === 2);
      const first = await test.receive(transport, 'inbox', 2);
      await settle(test, transport, first, { action: 'retry' });
      const second = await test.receive(transport, 'inbox', 2);
      await settle(test, transport, second, { action: 'reject' });
      const dead = (await deadLetters(test, transport, 'inbox', 2)).map(({ message }) => message);
      for (const [what, messages] of Object.entries({ first, second, dead, bound, events: log.events })) {
        const got = messages.map((message) => ({ ...message.headers }));
        test.check.equal(got.toSorted(byCount), [headers, {}], `headers of ${what}`);
      }
    },
  },
  {
    id: 'H2',
    title: 'header names with a special meaning elsewhere, and hostile values, are plain names and values',
    rules: ['RA4'],
    smoke: true,
    async run(test, transport) {
      const log = await follow(test, transport, 'news');
      const sets: Headers[] = AWKWARD_NAMES.map((name) => ({ [name]: `value of ${name}` }));
      sets.push(...AWKWARD_VALUES.map((value) => ({ value })));
      sets.push(Object.fromEntries(AWKWARD_NAMES.map((name, index) => [name, AWKWARD_VALUES[index % 20] ?? ''])));
      const messages = sets.map((headers, index) => ({ headers, body, id: `own-${index}`, priority: 4, type: 'own' }));
      await test.send(transport, 'inbox', messages);
      await publish(test, transport, 'news', messages);
      await test.until('all events', () => log.events.length === sets.length);
      const got = await consume(test, await test.open(), 'inbox', sets.length);
      for (const [index, headers] of sets.entries()) {
        for (const one of [got[index], log.events[index]]) {
          test.check.equal({ ...one?.headers }, headers, `headers ${index}`);
          const { id, type, priority, contentType } = one ?? {};
          const fields = [`own-${index}`, 'own', 4, 'application/octet-stream'];
          test.check.equal([id, type, priority, contentType], fields, `fields beside headers ${index}`);
        }
      }
    },
  },
  {
    id: 'H3',
    title: 'illegal headers are refused together with their batch',
    rules: ['RA4', 'RD2'],
    async run(test, transport) {
      const illegal = [
        ...ILLEGAL_NAMES.map((name) => Object.fromEntries([[name, 'value']])),
        ...ILLEGAL_VALUES.map((value) => ({ name: value })),
        ...NO_HEADERS,
      ];
      const inputs = illegal.flatMap((given, index): BadInput[] => {
        const batch = [{ body }, { body, headers: unchecked(given) }];
        const what = `illegal headers ${index}: ${shown(JSON.stringify(given, text))}`;
        return [
          { what, call: ({ queues }) => queues.send('inbox', batch) },
          { what, call: ({ topics }) => topics.publish('news', batch) },
        ];
      });
      await assertAllRefused(test, transport, inputs);
      test.check.equal(await transport.admin.queues(), [], 'queues created by refused batches');
      test.check.equal(await transport.admin.topics(), [], 'topics created by refused batches');
    },
  },
  {
    id: 'H4',
    title: 'header names must be lower case; values keep their case',
    rules: ['RA4'],
    async run(test, transport) {
      const upper = ['Trace', 'TRACE', 'tRace', 'trace-Id', 'Ä', 'ſ', 'K'];
      for (const name of upper) {
        const message = { body, headers: { [name]: 'x' } };
        await test.check.rejects(transport.queues.send('inbox', [message]), 'INVALID_ARGUMENT', `a header ${name}`);
      }
      const headers = { trace: 'MiXeD Case', 'content-type': 'Text/Plain', 'x-request-id': 'ABC' };
      await test.send(transport, 'inbox', [{ body, headers }]);
      const got = await receiveOne(test, await test.open(), 'inbox');
      test.check.equal(Object.keys(got.headers).toSorted(), Object.keys(headers).toSorted(), 'names');
      for (const [name, value] of Object.entries(headers)) test.check.equal(got.headers[name], value, name);
      test.check.equal(got.headers['Trace'], undefined, 'a name is found in its own case only');
    },
  },
  {
    id: 'H5',
    title: 'many large headers arrive, up to 16 KiB of UTF-8; one byte more is refused',
    rules: ['RA4', 'RD2'],
    async run(test, transport) {
      const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`name-${index}`, `value ${index}`]));
      const sets: Headers[] = [
        many,
        { large: 'x'.repeat(MOST_BYTES - 5) },
        { wide: '€'.repeat((MOST_BYTES - 4) / 3) },
        Object.fromEntries(Array.from({ length: 128 }, (_, index) => [`${index}`.padStart(64, 'n'), 'v'.repeat(64)])),
      ];
      await test.send(
        transport,
        'inbox',
        sets.map((headers) => ({ body, headers })),
      );
      const got = await consume(test, await test.open(), 'inbox', sets.length);
      for (const [index, headers] of sets.entries()) {
        const arrived = got[index]?.headers ?? {};
        test.check.equal(Object.keys(arrived).length, Object.keys(headers).length, `number of headers ${index}`);
        for (const [name, value] of Object.entries(headers)) test.check.ok(arrived[name] === value, `header ${name}`);
      }
      for (const over of [{ large: 'x'.repeat(MOST_BYTES - 4) }, { wide: '€'.repeat((MOST_BYTES - 1) / 3) }]) {
        const send = transport.queues.send('inbox', [{ body, headers: over }]);
        await test.check.rejects(send, 'INVALID_ARGUMENT', 'headers over 16 KiB');
      }
      await test.nothing(transport, 'inbox', 20);
    },
  },
]);

function byCount(one: Headers, other: Headers): number {
  return Object.keys(other).length - Object.keys(one).length;
}

/** Values that JSON has no form for. */
function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : value;
}
