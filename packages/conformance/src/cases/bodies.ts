/** Payload: values that a bus transports, and values it refuses. */

import { type ConformanceCase, defineCases } from '../case.ts';
import { consume } from '../steps/consuming.ts';
import { RoundTrip, VERBS, type Verb } from '../steps/round-trip.ts';

const POLLUTING = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}';
/** Replies and results come from a handler, so the handler fails. */
const GIVEN: readonly Verb[] = ['response', 'result'];

const JSON_VALUES: readonly unknown[] = [
  { text: 'ä😀"\\\n\u2028', list: [1, [2, [3]]], nested: { a: { b: null } }, empty: {}, none: [], '': 'no name' },
  [[], {}, '', 0, false, null],
  'just text',
  42.5,
  true,
  { large: 'x'.repeat(40_000), many: Array.from({ length: 2_000 }, (_, index) => index) },
];

/** Values that JSON cannot represent, alone and nested. */
const REFUSED: readonly (readonly [name: string, value: unknown])[] = [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['a BigInt', 1n],
  ['a Map', new Map([['a', 1]])],
  ['a Set', new Set([1])],
  ['a function', () => undefined],
  ['a symbol', Symbol('a')],
  ['a lone surrogate', 'a\ud800'],
  ['a circle', circle()],
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Payload' }, [
  {
    id: 'V1',
    title: 'JSON arrives equal through every verb, and is stored as JSON',
    rules: ['RA5'],
    timeoutMs: 40_000,
    async run(test) {
      const roundTrip = await RoundTrip.open(test);
      for (const verb of VERBS)
        for (const value of JSON_VALUES) test.check.equal(await roundTrip.send(verb, value), value, `by ${verb}`);
      const bus = await test.bus();
      for (const value of JSON_VALUES) await bus.enqueue('raw', value);
      const raw = await consume(test, await test.transport(), 'raw', JSON_VALUES.length);
      for (const [index, message] of raw.entries()) {
        test.check.equal(message.contentType, 'application/json', 'content type');
        test.check.equal(JSON.parse(test.text(message)) as unknown, JSON_VALUES[index], 'bodies read by others');
      }
    },
  },
  {
    id: 'V6',
    title: 'falsy and empty values arrive unchanged, and undefined arrives as undefined',
    rules: ['RA5'],
    timeoutMs: 40_000,
    async run(test) {
      const roundTrip = await RoundTrip.open(test);
      for (const verb of VERBS) {
        for (const value of [0, '', false, null, [], {}, undefined, [null], { a: null, b: 0, c: '', d: false }])
          test.check.equal(await roundTrip.send(verb, value), value, `${JSON.stringify(value)} by ${verb}`);
        const bytes = await roundTrip.send(verb, new Uint8Array(0));
        test.check.ok(bytes instanceof Uint8Array && bytes.byteLength === 0, `no bytes by ${verb}`);
      }
    },
  },
  {
    id: 'V7',
    title: 'every verb refuses values that JSON cannot represent, and never changes them silently',
    rules: ['RA1', 'RD2'],
    smoke: true,
    timeoutMs: 40_000,
    async run(test) {
      const roundTrip = await RoundTrip.open(test);
      for (const verb of VERBS) {
        const expected = GIVEN.includes(verb) ? 'HANDLER_FAILED' : 'INVALID_ARGUMENT';
        for (const [name, value] of REFUSED)
          for (const body of [value, { inside: [value] }])
            test.check.equal(await roundTrip.refusal(verb, body), expected, `${name} by ${verb}`);
        const date = new Date(1_700_000_000_000);
        test.check.equal(await roundTrip.send(verb, { date }), { date: date.toISOString() }, `a date by ${verb}`);
        const inside = await roundTrip.send(verb, { gone: undefined, a: 1 });
        test.check.equal(inside, { a: 1 }, `undefined inside, by ${verb}`);
        const bytes = await roundTrip.send(verb, Uint8Array.of(0, 255));
        test.check.equal(Array.from(bytes as Uint8Array), [0, 255], `bytes by ${verb}`);
        if (!GIVEN.includes(verb)) test.check.equal(roundTrip.arrived(verb), 3, `values that arrived by ${verb}`);
      }
    },
  },
  {
    id: 'V8',
    title: 'names like __proto__, deep nesting and extreme numbers and strings arrive, and pollute no prototype',
    rules: ['RA5', 'RA1'],
    async run(test) {
      const roundTrip = await RoundTrip.open(test);
      const numbers = [
        2 ** 53 - 1,
        2 ** 53,
        2 ** 53 + 1,
        -(2 ** 53),
        5e-324,
        1.797_693_134_862_315_7e308,
        0.1 + 0.2,
        1e21,
      ];
      const texts = ['\ud83d\ude00', '\u0000', '\ufeff', '\u2028\u2029', '\u007f', '</script>', '\\u0000'];
      for (const verb of VERBS) {
        const polluting = (await roundTrip.send(verb, JSON.parse(POLLUTING) as unknown)) as object;
        test.check.equal(JSON.stringify(polluting), POLLUTING, `own names by ${verb}`);
        test.check.equal(Object.getPrototypeOf(polluting), Object.prototype, `the prototype by ${verb}`);
        test.check.equal('polluted' in {}, false, 'other objects');
        test.check.equal(await roundTrip.send(verb, numbers), numbers, `numbers by ${verb}`);
        test.check.equal(Object.is(await roundTrip.send(verb, -0), 0), true, `-0 by ${verb}, which is 0 in JSON`);
        test.check.equal(await roundTrip.send(verb, texts), texts, `texts by ${verb}`);
        test.check.equal(await roundTrip.send(verb, nested(1_000)), nested(1_000), `a thousand levels by ${verb}`);
      }
      const deepest = await roundTrip.refusal('mail', nested(200_000));
      test.check.ok(['carried', 'INVALID_ARGUMENT'].includes(deepest), `outcome of 200,000 levels: ${deepest}`);
      test.check.equal(await roundTrip.send('mail', 'after'), 'after', 'mail after that');
    },
  },
]);

function circle(): unknown {
  const one: Record<string, unknown> = {};
  one['self'] = { one };
  return one;
}

function nested(levels: number): unknown {
  let value: unknown = 'core';
  for (let level = 0; level < levels; level += 1) value = level % 2 ? [value] : { value };
  return value;
}
