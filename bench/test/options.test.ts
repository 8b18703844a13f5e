/** The command line of the benchmarks. */

import { expect, test } from 'vitest';
import { parseOptions, UsageError } from '../src/options.ts';
import { TARGETS } from '../src/targets/targets.ts';

const NAMES = Object.keys(TARGETS);

test('the command of the README is read', () => {
  const argv = '--transports sqlite,plainjob,raw --scenarios queue,request,wake --json x.json'.split(' ');
  expect(parseOptions(argv, NAMES)).toMatchObject({
    targets: ['sqlite', 'plainjob', 'raw'],
    scenarios: ['queue', 'request', 'wake'],
    durabilities: ['process', 'none'],
    json: 'x.json',
    inFlight: [1, 8, 64],
    bodyBytes: 256,
    members: [0, 50, 500, 2000],
  });
});

test('--quick changes what is not given', () => {
  expect(parseOptions([], NAMES)).toMatchObject({ scenarios: expect.not.arrayContaining(['members']) });
  expect(parseOptions(['--quick', '--runs', '2'], NAMES)).toMatchObject({
    inFlight: [64],
    durabilities: ['process'],
    members: [0, 50],
    mailboxes: [100],
    minutes: 6,
    targets: expect.not.arrayContaining(['sqlite-many']),
    runs: 2,
  });
});

test.each([
  ['--transports', 'carrier-pigeon'],
  ['--transports', ''],
  ['--scenarios', 'queue,'],
  ['--durability', 'ever'],
  ['--messages', '0'],
  ['--messages', '1e9'],
  ['--in-flight', '1001'],
  ['--in-flight', '-1'],
  ['--in-flight', '8,,64'],
  ['--body', 'big'],
  ['--members', '0,-1'],
  ['--runs', '1.5'],
  ['--write-docs', 'nowhere'],
  ['--quick', '--page'],
  ['--colour'],
  ['extra'],
  ['--messages'],
])('%s %s is refused with what is legal', (...argv) => {
  expect(() => parseOptions(argv, NAMES)).toThrow(UsageError);
});
