/** The command line of the demonstration, good and bad. */

import { describe, expect, test } from 'vitest';
import { parseOptions, UsageError } from '../src/options.ts';

const DEFAULTS = { path: undefined, workers: 2, kill: false, killServer: false, migrate: undefined };

test.each([
  [[], DEFAULTS],
  [['src'], { ...DEFAULTS, path: 'src' }],
  [['--workers', '4', '--kill', 'a b'], { ...DEFAULTS, path: 'a b', workers: 4, kill: true }],
  [['--workers=64', '--kill-server'], { ...DEFAULTS, workers: 64, killServer: true }],
  [['--migrate', 'redis', '--kill'], { ...DEFAULTS, kill: true, migrate: 'redis' }],
  [['--', '--odd'], { ...DEFAULTS, path: '--odd' }],
  [['-h', '--kill'], 'help'],
])('%j', (argv, options) => {
  expect(parseOptions(argv)).toEqual(options);
});

describe('refused with one line', () => {
  test.each([
    [['a', 'b'], /at most one PATH, not 2/],
    [[''], /PATH is empty/],
    [['a\0b'], /PATH/],
    [['x'.repeat(5000)], /PATH/],
    [['--workers'], /workers/],
    [['--workers', '0'], /--workers "0" is not a whole number from 1 to 64/],
    [['--workers', '-1'], /workers/],
    [['--workers', '65'], /"65"/],
    [['--workers', '1.5'], /"1.5"/],
    [['--workers', '4x'], /"4x"/],
    [['--workers', '１'], /whole number/],
    [['--workers=', 'src'], /""/],
    [['--workers', '9'.repeat(100)], /whole number/],
    [['--workers', '\x1b[2J'], /"\\u001b\[2J"/],
    [['--kill=yes'], /kill/],
    [['--migrate'], /migrate/],
    [['--migrate', ' '], /--migrate is empty/],
    [['--migrate', 'redis', '--kill-server'], /exclude each other/],
    [['--nope'], /--nope/],
    [['-k'], /-k/],
    [['--__proto__'], /proto/],
  ])('%j', (argv, message) => {
    const refusal = refuse(argv);
    expect(refusal).toMatch(message);
    expect(refusal).not.toMatch(/[\p{Cc}]/u);
    expect(refusal.length).toBeLessThan(200);
  });
});

function refuse(argv: readonly string[]): string {
  try {
    parseOptions(argv);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error('it was not refused');
}
