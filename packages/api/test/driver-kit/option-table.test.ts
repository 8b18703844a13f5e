/** Option tables: checks, URLs and READMEs. */

import { expect, test } from 'vitest';
import { isBusbarError } from '../../src/contract/errors.ts';
import type { TlsOptions } from '../../src/driver-kit/options/option-kinds.ts';
import * as option from '../../src/driver-kit/options/option-kinds.ts';
import { decodeUrlPart, defineOptions, readUrlPath } from '../../src/driver-kit/options/option-table.ts';
import type { Retention, RetentionOptions } from '../../src/driver-kit/options/retention.ts';

interface Options {
  readonly file?: string | undefined;
  readonly ns?: string | undefined;
  readonly password?: string | undefined;
  readonly durability?: 'process' | 'power' | undefined;
  readonly isOpen?: boolean | undefined;
  readonly maxLength?: number | undefined;
  readonly maxBodyBytes?: number | undefined;
  readonly silenceMs?: number | undefined;
  readonly retention?: RetentionOptions | undefined;
  readonly tls?: TlsOptions | undefined;
}

type Settings = Required<Omit<Options, 'retention'>> & { readonly retention: Retention };

const TABLE = defineOptions<Options, Settings>({
  transport: 'Test',
  scheme: 'test',
  options: {
    file: option.text({ meaning: 'the file', default: undefined, where: 'in a URL: the path' }),
    ns: option.ns('in one file'),
    password: option.secret({ meaning: 'the password', default: undefined }),
    durability: option.choice({ meaning: 'what survives', default: 'process', choices: ['process', 'power'] }),
    isOpen: option.flag({ meaning: 'whether it is open', default: false }),
    maxLength: option.count({ meaning: 'messages', default: 100_000, min: 1, max: 1e9 }),
    maxBodyBytes: option.bytes({ meaning: 'the largest body', default: 2 ** 20, min: 1, max: 2 ** 30 }),
    silenceMs: option.duration({ meaning: 'how long', default: 5000, min: 500, max: 600_000, infinity: true }),
    retention: option.retention({ maxEvents: 1_000_000, maxBytes: 2 ** 30, maxAgeMs: 604_800_000 }),
    tls: option.tls('files of PEM'),
  },
  refused: { topicDedupeMs: 'The hub decides.' },
});

function failure(act: () => unknown): { readonly code: string; readonly text: string } {
  try {
    act();
  } catch (error) {
    if (isBusbarError(error)) return { code: error.code, text: `${error.message} ${error.hint}` };
    throw error;
  }
  return expect.unreachable('it was taken');
}

test('fills in defaults, freezes, and keeps what is given', () => {
  const settings = TABLE.complete({
    maxLength: 7,
    silenceMs: Number.POSITIVE_INFINITY,
    ns: undefined,
    retention: { maxEvents: 3 },
  });
  expect(settings).toMatchObject({
    ...{
      file: undefined,
      ns: '',
      durability: 'process',
      isOpen: false,
      maxLength: 7,
      silenceMs: Number.POSITIVE_INFINITY,
    },
    ...{ retention: { maxEvents: 3, maxBytes: 2 ** 30, maxAgeMs: 604_800_000 }, tls: undefined },
  });
  expect([Object.isFrozen(settings), Object.isFrozen(settings.retention)]).toEqual([true, true]);
  expect(TABLE.complete(undefined).maxBodyBytes).toBe(2 ** 20);
});

test.each([
  [{ ns: 'a b' }, 'ns'],
  [{ ns: '' }, 'ns'],
  [{ durability: 'disk' }, 'durability'],
  [{ isOpen: 'yes' }, 'isOpen'],
  [{ maxLength: 0 }, 'maxLength'],
  [{ maxBodyBytes: Number.POSITIVE_INFINITY }, 'maxBodyBytes'],
  [{ silenceMs: 1 }, 'silenceMs'],
  [{ retention: { maxAge: 1 } }, 'retention'],
  [{ tls: { cert: 'x' } }, 'tls.cert'],
  [{ colour: 'red' }, 'colour'],
  [null, 'null'],
  ['text', 'text'],
])('options %j are refused by name', (options, name) => {
  expect(failure(() => TABLE.complete(options as object))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    text: expect.stringContaining(name),
  });
});

test('an option of other backends is refused with what to do instead, from code and from a URL', () => {
  for (const act of [() => TABLE.complete({ topicDedupeMs: 1 } as object), () => TABLE.readQuery('topicDedupeMs=1')]) {
    const { code, text } = failure(act);
    expect([code, text]).toEqual(['UNSUPPORTED', 'Test has no option topicDedupeMs The hub decides.']);
  }
});

test('no error shows a secret', () => {
  const secret = 'x'.repeat(5000);
  for (const act of [
    () => TABLE.complete({ password: secret }),
    () => TABLE.complete(TABLE.readQuery(`password=${secret}`)),
  ]) {
    expect(failure(act).text).not.toContain('xxx');
  }
  expect(failure(() => decodeUrlPart('secret%', 'the password')).text).not.toContain('secret');
});

test('reads parameters, with units, fields and percent-escapes', () => {
  const query =
    'ns=a%2Bb&silenceMs=1.5s&maxBodyBytes=64KiB&maxAgeMs=7d&maxEvents=Infinity&isOpen=true&ca=my+ca.pem&durability=power';
  expect(TABLE.readQuery(query)).toEqual({
    ...{
      ns: 'a+b',
      silenceMs: 1500,
      maxBodyBytes: 65_536,
      isOpen: true,
      tls: { ca: 'my ca.pem' },
      durability: 'power',
    },
    retention: { maxAgeMs: 604_800_000, maxEvents: Number.POSITIVE_INFINITY },
  });
  expect(TABLE.readQuery('')).toEqual({});
});

test.each([
  ['colour=red', /colour.*ns, password/],
  ['file=x', /file/],
  ['onError=x', /onError/],
  ['__proto__=1', /__proto__/],
  ['ns=a&ns=b', /twice/],
  ['ns=%', /%25/],
  ['silenceMs=ten', /silenceMs/],
  ['silenceMs=1week', /silenceMs/],
  ['maxLength=1e3', /maxLength/],
  ['maxLength=', /maxLength/],
  ['isOpen=1', /isOpen/],
])('?%s is refused', (query, text) => {
  expect(failure(() => TABLE.complete(TABLE.readQuery(query)))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    text: expect.stringMatching(text),
  });
});

test('paths of URLs', () => {
  expect(['./a%20b.db', '/abs', '///abs'].map((text) => readUrlPath(text, 'x'))).toEqual(['./a b.db', '/abs', '/abs']);
  for (const text of ['', '//host/x', 'a#b', '%'])
    expect(failure(() => readUrlPath(text, 'x')).code).toBe('INVALID_ARGUMENT');
});

test('makes the table of a README', () => {
  const lines = TABLE.toMarkdown().split('\n');
  expect(lines.slice(0, 3)).toEqual([
    '| option | default | meaning |',
    '|---|---|---|',
    '| `file` (in a URL: the path) |  | the file |',
  ]);
  expect(lines).toContain('| `maxBodyBytes` | `1 MiB` | the largest body |');
  expect(lines).toContain('| `silenceMs` | `5 s` | how long |');
  expect(lines.find((line) => line.includes('retention'))).toContain(
    '(in a URL `maxEvents`, `maxBytes`, `maxAgeMs`) | 1,000,000, 1 GiB, 7 d |',
  );
});
