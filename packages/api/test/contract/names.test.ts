/** The grammar of names, and the topic matcher compared with a reference. */

import { isBusbarError, matchTopic } from '@busbar/api';
import { checkKvKey, checkPattern, checkQueueName, checkTopic, compareUtf8, utf8Length } from '@busbar/api/transport';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';

const token = fc.string({
  unit: fc.constantFrom('a', 'B', '0', '-', '_', '@', '/', ':', '+', '~'),
  minLength: 1,
  maxLength: 3,
});
const topic = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([tokens, tail]) => (tail ? [...tokens, '>'] : tokens).join('.'));

/** A slow and simple regular expression per pattern. */
function reference(pattern: string, topic: string): boolean {
  const source = pattern
    .split('.')
    .map((part) => (part === '*' ? '[^.]+' : part === '>' ? '.+' : part.replace(/[+/]/g, '\\$&')))
    .join('\\.');
  return new RegExp(`^${source}$`).test(topic);
}

test('matching equals a reference on random patterns and topics', () => {
  fc.assert(
    fc.property(pattern, topic, (pattern, topic) => {
      expect(matchTopic(pattern, topic)).toBe(reference(pattern, topic));
    }),
    { numRuns: 2000, ...propertySeed },
  );
});

test('topics with the prefix $ match only patterns with that prefix', () => {
  expect(matchTopic('>', '$sys.a')).toBe(false);
  expect(matchTopic('*.a', '$sys.a')).toBe(false);
  expect(matchTopic('$sys.*', '$sys.a')).toBe(true);
});

describe('names', () => {
  const longToken = 'x'.repeat(64);
  test.each(['a', '@service.auth', 'a/b:c+d~e_f-g', '$inbox.@a', longToken, Array(16).fill('a').join('.')])(
    '%s is legal',
    (name) => {
      expect(() => checkQueueName(name)).not.toThrow();
    },
  );
  test.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a*',
    '*',
    '>',
    'ä',
    'a\0',
    `${longToken}x`,
    Array(17).fill('a').join('.'),
    '$',
    'a$',
    7,
    null,
    undefined,
    {},
  ])('%s is refused', (name) => {
    const checks: ((name: unknown) => void)[] = [checkQueueName, checkTopic];
    for (const check of checks) {
      try {
        check(name);
      } catch (error) {
        expect(isBusbarError(error) && error.code === 'INVALID_ARGUMENT' && error.hint !== undefined).toBe(true);
        continue;
      }
      expect.unreachable(`${String(name)} was taken`);
    }
  });
  test('255 characters are the limit', () => {
    const name = `${Array(4).fill('x'.repeat(60)).join('.')}.${'y'.repeat(11)}`;
    expect(name.length).toBe(255);
    expect(() => checkQueueName(name)).not.toThrow();
    expect(() => checkQueueName(`${name}y`)).toThrow();
  });
  test.each(['*', '>', 'a.*.b', 'a.>', '$x.>'])('%s is a legal pattern', (name) =>
    expect(() => checkPattern(name)).not.toThrow(),
  );
  test.each(['>.a', 'a.**', 'a.b*', '', 'a.>.b', '$*', '$>'])('%s is no pattern', (name) =>
    expect(() => checkPattern(name)).toThrow(),
  );
  test.each(['', 'a\0b', '\ud800', 'é'.repeat(257), 3])('%j is no key', (key) =>
    expect(() => checkKvKey(key)).toThrow(),
  );
});

test('the length in UTF-8 equals that of an encoder', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (text.isWellFormed()) expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
    }),
    propertySeed,
  );
});

test('texts are ordered by their UTF-8 bytes', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\ud7ff', '\ue000', '\uff5e', '\u{1f600}') });
  fc.assert(
    fc.property(text, text, (one, other) => {
      expect(Math.sign(compareUtf8(one, other))).toBe(Buffer.compare(Buffer.from(one), Buffer.from(other)));
    }),
    propertySeed,
  );
});
