/** Payload: values that JSON would change, and schemas that accept a value only before it is sent. */

import { defineMessage, defineQueue, defineRequest, defineTopic, type StandardSchema } from '@busbar/api';
import { type ConformanceCase, defineCases } from '../case.ts';
import { LONG_TIMEOUT } from '../steps/requesting.ts';
import { RoundTrip } from '../steps/round-trip.ts';

class Point {
  readonly x = 1;
}

function argumentsOf(..._: unknown[]): unknown {
  // biome-ignore lint/complexity/noArguments: they are what is tested
  return arguments;
}

/** Values that JSON changes or drops. */
const REFUSED: readonly (readonly [name: string, value: unknown])[] = [
  ['an error', new Error('disk full')],
  ['an error of a subclass', new RangeError('too far')],
  ['a promise', Promise.resolve(1)],
  ['a Map', new Map([['a', 1]])],
  ['a Set', new Set([1])],
  ['a WeakMap', new WeakMap()],
  ['a regular expression', /a/],
  ['search parameters', new URLSearchParams('a=1')],
  ['a match of a regular expression', 'abc'.match(/b/)],
  ['a namespace', Math],
  ['the arguments of a function', argumentsOf(1)],
  ['an instance of a class', new Point()],
  ['an object with a prototype', Object.create({ inherited: 1 })],
  ['a generator', (function* () {})()],
  ['an iterator', [1].values()],
  ['a function', () => 1],
  ['a class', Point],
  ['a symbol', Symbol('a')],
  ['a BigInt', 1n],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a boxed number', Object(1)],
  ['a boxed text', Object('a')],
  ['a boxed boolean', Object(false)],
  ['undefined in an array', [1, undefined]],
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
  ['a hole in an array', [1, , 2]],
  ['an invalid date', new Date(Number.NaN)],
  ['numbers in a typed array', Float64Array.of(1)],
  ['a buffer', new ArrayBuffer(4)],
  ['a view', new DataView(new ArrayBuffer(4))],
  ['toJSON that returns undefined', { toJSON: () => undefined }],
  ['toJSON that returns a Map', { toJSON: () => new Map() }],
  ['toJSON that throws', { toJSON: fail }],
  ['a getter that throws', Object.defineProperty({}, 'a', { get: fail, enumerable: true })],
  ['a lone surrogate', 'a\ud800'],
  ['a revoked proxy', revokedProxy()],
];

/** Bytes are a body, but not a part of one. */
const REFUSED_INSIDE: typeof REFUSED = [...REFUSED, ['bytes', Uint8Array.of(1)], ['a Buffer', Buffer.of(1)]];

/** Values that JSON represents as expected. */
const CARRIED: readonly (readonly [name: string, value: unknown, arrives: unknown])[] = [
  ['a date', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
  ['a URL', { to: new URL('http://a/') }, { to: 'http://a/' }],
  ['toJSON', { price: { toJSON: () => '1.10' } }, { price: '1.10' }],
  [
    'toJSON of a class',
    {
      point: new (class {
        toJSON = (): unknown => ({ x: 2 });
      })(),
    },
    { point: { x: 2 } },
  ],
  ['undefined in an object', { gone: undefined, a: 1 }, { a: 1 }],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ['a frozen object', Object.freeze({ a: Object.freeze([1]) }), { a: [1] }],
  ['a proxy', new Proxy({ a: 1 }, {}), { a: 1 }],
  [
    'a getter',
    {
      get a() {
        return 1;
      },
    },
    { a: 1 },
  ],
  ['a symbol as key', { a: 1, [Symbol('key')]: 2 }, { a: 1 }],
  ['a property that is not enumerable', Object.defineProperty({ a: 1 }, 'b', { value: 2 }), { a: 1 }],
  ['one object twice', ((one) => ({ one, again: one }))({ a: 1 }), { one: { a: 1 }, again: { a: 1 } }],
];

/** Accepts a Date only, as `z.date()` does. */
const dates: StandardSchema<Date> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => (value instanceof Date ? { value } : { issues: [{ message: 'expected date' }] }),
  },
};

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Payload' }, [
  {
    id: 'V12',
    title: 'a body that JSON would change is refused with the path inside it, and what JSON represents arrives',
    rules: ['RA1', 'RA5', 'RD2'],
    timeoutMs: 60_000,
    async run(test) {
      const roundTrip = await RoundTrip.open(test);
      for (const [name, value] of REFUSED) {
        for (const verb of ['mail', 'task', 'event'] as const)
          await test.check.rejects(roundTrip.send(verb, value), 'INVALID_ARGUMENT', `${name} by ${verb}`);
      }
      for (const [name, value] of REFUSED_INSIDE) {
        const inside = { rows: [{}, { 'two words': value }] };
        const error = await test.check.rejects(roundTrip.send('mail', inside), 'INVALID_ARGUMENT', `${name} inside`);
        test.check.ok(error?.message.includes('rows[1]["two words"]'), `the path to ${name}: ${error?.message}`);
        const refusal = await roundTrip.refusal('response', inside);
        test.check.equal(refusal, 'HANDLER_FAILED', `${name} inside a response`);
      }
      for (const verb of ['mail', 'task', 'event'] as const)
        test.check.equal(roundTrip.arrived(verb), 0, `values that arrived by ${verb}`);
      for (const [name, value, arrives] of CARRIED)
        test.check.equal(await roundTrip.send('mail', value), arrives, `${name} by mail`);
    },
  },
  {
    id: 'V13',
    title: 'a value that its schema accepts before it is sent and not after is refused by the sender',
    rules: ['RA1', 'RD2'],
    async run(test, transport) {
      const [bus, now] = [await test.bus(), new Date()];
      const agent = await bus.agent('@dates');
      const ask = defineRequest('ask', { request: dates });
      const reply = defineRequest('reply', { response: dates });
      agent.handle(ask, () => undefined).handle(reply, () => now);
      const sends = {
        event: () => bus.publish(defineTopic('dates', dates), now),
        mail: () => bus.send('@dates', defineMessage('mail', dates), now),
        task: () => bus.enqueue(defineQueue('dates', { task: dates }), now),
        request: () => bus.request('@dates', ask, now, LONG_TIMEOUT),
      };
      for (const [name, send] of Object.entries(sends)) await test.check.rejects(send(), 'INVALID_ARGUMENT', name);
      await test.check.rejects(bus.request('@dates', reply, null, LONG_TIMEOUT), 'HANDLER_FAILED', 'a response');
      await bus.process(defineQueue('done', { result: dates }), () => now);
      const task = await bus.enqueue('done');
      await test.check.rejects(task.result(LONG_TIMEOUT), 'HANDLER_FAILED', 'a result');
      const topics = await transport.admin.topics();
      test.check.equal(
        topics.map(({ name }) => name),
        [],
        'topics with events',
      );
      const queues = await transport.admin.queues({ names: ['dates', '$inbox.@dates'] });
      test.check.equal(
        queues.map(({ ready, leased, dead }) => ready + leased + dead),
        [0],
        'messages',
      );
    },
  },
]);

function fail(): never {
  throw new Error('thrown while it is read');
}

function revokedProxy(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
