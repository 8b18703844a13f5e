/** The command line of the benchmarks, bad ones above all. */

import { expect, test } from 'vitest';
import { parseOptions, UsageError } from '../src/options.ts';

test('the command of the README is read', () => {
  const argv = '--transports sqlite,plainjob,raw --scenarios queue,request,wake --json x.json'.split(' ');
  expect(parseOptions(argv)).toMatchObject({
    subjects: ['sqlite', 'plainjob', 'raw'],
    scenarios: ['queue', 'request', 'wake'],
    durabilities: ['process'],
    json: 'x.json',
    inFlight: 64,
    bodyBytes: 256,
  });
});

test.each([
  ['--transports', 'redis'],
  ['--transports', ''],
  ['--scenarios', 'queue,'],
  ['--durability', 'none'],
  ['--messages', '0'],
  ['--messages', '1e9'],
  ['--in-flight', '1001'],
  ['--in-flight', '-1'],
  ['--body', 'big'],
  ['--runs', '1.5'],
  ['--colour'],
  ['extra'],
  ['--messages'],
])('%s %s is refused with what is legal', (...argv) => {
  expect(() => parseOptions(argv)).toThrow(UsageError);
});
