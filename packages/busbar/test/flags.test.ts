// Parsing of command lines, and their errors.
import { isBusbarError } from '@busbar/api';
import { didYouMean } from '@busbar/api/transport';
import { describe, expect, test } from 'vitest';
import { maskUrl } from '../src/bus-url.ts';
import { formatDuration, parseDuration } from '../src/cli/input/durations.ts';
import type { FlagTable } from '../src/cli/input/flag-values.ts';
import { parseFlags } from '../src/cli/input/parse-flags.ts';

const TABLE = {
  type: { kind: 'text', value: 'NAME', help: '' },
  priority: { kind: 'integer', min: 0, max: 9, help: '' },
  delay: { kind: 'duration', help: '' },
  wait: { kind: 'wait', help: '' },
  header: { kind: 'pairs', short: 'H', help: '' },
  capability: { kind: 'list', help: '' },
  hold: { kind: 'switch', help: '' },
  ack: { kind: 'choice', choices: ['auto', 'manual'], help: '' },
} as const satisfies FlagTable;

const read = (...argv: string[]): ReturnType<typeof parseFlags<typeof TABLE>> =>
  parseFlags(argv, TABLE, ['TO', 'BODY?']);

function refusal(...argv: string[]): string {
  try {
    read(...argv);
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'INVALID_ARGUMENT' || !error.hint) throw error;
    return `${error.message} | ${error.hint}`;
  }
  throw new Error('it was not refused');
}

describe('a command line', () => {
  test('has flags, values and arguments in any order', () => {
    const { flags, args } = read(
      '--type=note',
      '@a',
      '--priority',
      '9',
      'hello',
      '-H',
      'a=b=c',
      '--header',
      'X-Y: z',
      '--hold',
    );
    expect(args).toEqual(['@a', 'hello']);
    expect(flags).toMatchObject({
      type: 'note',
      priority: 9,
      hold: true,
      header: { a: 'b=c', 'x-y': 'z' },
      capability: [],
    });
  });

  test('a missing flag is undefined, a missing switch is false', () => {
    expect(read('@a').flags).toEqual({
      type: undefined,
      priority: undefined,
      delay: undefined,
      wait: undefined,
      header: {},
      capability: [],
      hold: false,
      ack: undefined,
    });
  });

  test.each([
    [['--wait', '@a'], Number.POSITIVE_INFINITY],
    [['@a', '--wait'], Number.POSITIVE_INFINITY],
    [['@a', '--wait=30s'], 30_000],
    [['@a', '--wait', '30s'], 30_000],
    [['--wait', '250ms', '@a'], 250],
    [['@a', '--wait=0'], 0],
  ])('%j waits', (argv, ms) => {
    const { flags, args } = read(...argv);
    expect(args).toEqual(['@a']);
    expect(flags.wait).toBe(ms);
  });

  test('everything after -- is an argument', () => {
    expect(read('@a', '--', '--hold').args).toEqual(['@a', '--hold']);
    expect(read('@a', '-').args).toEqual(['@a', '-']);
  });

  test.each([
    [['@a', '--typ', 'x'], /unknown flag "--typ" \| Did you mean --type\?/],
    [['@a', '-z'], /unknown flag "-z" \| .*The flags are/],
    [['@a', '-5'], /unknown flag "-5"/],
    [['@a', '--__proto__'], /unknown flag "--__proto__"/],
    [['@a', '--constructor=x'], /unknown flag "--constructor"/],
    [['@a', '--type'], /--type needs a value \| Write --type NAME/],
    [['@a', '--type', '--hold'], /--type needs a value, and "--hold" looks like a flag/],
    [['@a', '--type='], /--type is illegal: ""/],
    [['@a', `--type=${'x'.repeat(5000)}`], /--type is illegal/],
    [['@a', '--type=a\nb'], /--type is illegal: "a\\nb"/],
    [['@a', '--hold=yes'], /--hold takes no value/],
    [['@a', '--priority', 'high'], /--priority is illegal: "high" \| Use a whole number from 0 to 9/],
    [['@a', '--priority', '10'], /--priority is illegal: "10"/],
    [['@a', '--priority=-1'], /--priority is illegal: "-1"/],
    [['@a', '--priority', '1e1'], /--priority is illegal/],
    [['@a', '--delay', '30'], /--delay is not a duration: "30" \| Write it like 250ms, 30s/],
    [['@a', '--delay', '99999d'], /--delay is out of bounds/],
    [['@a', '--delay=-5s'], /--delay is not a duration/],
    [['@a', '--wait=soon'], /--wait is not a duration/],
    [['@a', '--ack', 'maybe'], /--ack is illegal: "maybe" \| Use one of auto, manual/],
    [['@a', '--header', 'novalue'], /--header is not a pair: "novalue"/],
    [['@a', '--header', '__proto__=x'], /--header is not a pair/],
    [[], /TO is missing \| The arguments are TO \[BODY\]/],
    [['@a', 'b', 'c'], /unexpected argument "c"/],
  ])('%j is refused', (argv, message) => {
    expect(refusal(...argv)).toMatch(message);
  });
});

describe('durations', () => {
  test.each([
    ['0', 0],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text, 'x', 0, 1e12)).toBe(ms);
  });

  test.each([
    [0.1234, '0.12ms'],
    [12, '12ms'],
    [1_500, '1.5s'],
    [59_000, '59s'],
    [90_000, '1.5m'],
    [7_200_000, '2h'],
    [Number.POSITIVE_INFINITY, 'forever'],
  ])('%d is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

test.each([
  ['sned', 'send'],
  ['recieve', undefined],
  ['taks', 'task'],
  ['xyz', undefined],
])('%s is nearest to %s', (word, meant) => {
  expect(didYouMean(word, ['send', 'recv', 'task', 'tail'])).toBe(meant === undefined ? '' : `Did you mean ${meant}? `);
});

test.each([
  ['redis://user:pw@h:6379/2', 'redis://***@h:6379/2'],
  ['nats://token@a:4222,b:4222', 'nats://***@a:4222,b:4222'],
  ['redis://u:p@ss@h/1', 'redis://***@h/1'],
  ['wss://h/bus?access_token=abc&ns=x', 'wss://h/bus?access_token=***&ns=x'],
  ['redis://:p/a#s?s@h/1', 'redis://***@h/1'],
  ['sqlite:/a@b/c.db?ns=x', 'sqlite:/a@b/c.db?ns=x'],
  ['sqlite:///a@b/c.db', 'sqlite:///a@b/c.db'],
  ['no nats://u:p@a,nats://u:p@b and ws://h?token=x y', 'no nats://***@b and ws://h?token=*** y'],
])('%s is masked as %s', (url, shown) => {
  expect(maskUrl(url)).toBe(shown);
});

test.each([
  ['slashes', '//'.repeat(100_000)],
  ['parameters', '?token'.repeat(50_000)],
  ['separators', '?&;'.repeat(100_000)],
  ['a long word', `?${'passtoken'.repeat(30_000)}`],
])('masking %s takes linear time', (_, text) => {
  const began = performance.now();
  maskUrl(text);
  maskUrl(`${text}@`);
  expect(performance.now() - began).toBeLessThan(1000);
});
