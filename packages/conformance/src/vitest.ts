/** Entry `@busbar/conformance/vitest`: the suite as tests of vitest. */

import { describe, test } from 'vitest';
import type { ConformanceCase } from './case.ts';
import type { Harness, Profile } from './harness.ts';
import { newSeed, selectCases } from './run.ts';
import { runCase } from './run-case.ts';

/** What to run. */
export interface TestOptions {
  /** Default `full`. */
  readonly profile?: Profile;
  /** Default: a new one, told by each case that fails. */
  readonly seed?: number;
  /** Default: the whole suite. */
  readonly cases?: readonly ConformanceCase[];
}

/** How long a case may take to be cleared away after its own time-out. */
const CLEARING_MS = 40_000;

/**
 * Declares one test per case. They run concurrently, each on a store of its own, then those that want the machine for
 * themselves; what does not apply is skipped with its reason.
 */
export function testTransport(harness: Harness, options: TestOptions = {}): void {
  const { seed = newSeed(), profile = 'full' } = options;
  const declare = (subject: ConformanceCase): void => {
    const timeout = (subject.timeoutMs ?? 20_000) + CLEARING_MS;
    test(`${subject.id} ${subject.title}`, { timeout }, async ({ skip }) => {
      if (harness.notTested !== undefined) skip(`NOT TESTED: ${harness.notTested}`);
      const { status, reason } = await runCase(harness, subject, { seed, profile });
      if (status === 'failed') throw failureOf(`${reason} (${subject.rules.join(', ')}; seed ${seed})`);
      if (status !== 'passed') skip(`${status}: ${reason}`);
    });
  };
  const cases = selectCases(options);
  describe(`conformance of ${harness.name}`, () => {
    describe.concurrent('side by side', () => cases.filter(({ alone }) => !alone).forEach(declare));
    describe('alone', () => cases.filter(({ alone }) => alone).forEach(declare));
  });
}

/** Without a stack, which would show this file for each case that fails: the message says what there is to know. */
function failureOf(message: string): Error {
  const failure = new Error(message);
  failure.stack = `${failure.name}: ${message}`;
  return failure;
}
