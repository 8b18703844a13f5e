/** Entry `@busbar/conformance/vitest`: the suite as tests of vitest. */

import { describe, test } from 'vitest';
import type { ConformanceCase } from './case.ts';
import type { Harness } from './harness.ts';
import { newSeed, type RunOptions, selectCases } from './run.ts';
import { runCase } from './run-case.ts';

/** Options of {@link testTransport}. */
export type TestOptions = Pick<RunOptions, 'profile' | 'seed' | 'cases'>;

/** Time limit for cleanup after the time-out of a case. */
const CLEARING_MS = 40_000;

/**
 * Declares one test per case. They run concurrently, each on its own store; cases with `alone` run afterwards, one at a
 * time. Cases that do not apply are skipped with their reason.
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
    const alone = cases.filter((subject) => subject.alone);
    describe.concurrent('side by side', () => cases.filter((subject) => !alone.includes(subject)).forEach(declare));
    if (alone.length > 0) describe('alone', () => alone.forEach(declare));
  });
}

/** An error without a stack, which would only show this file. */
function failureOf(message: string): Error {
  const failure = new Error(message);
  failure.stack = `${failure.name}: ${message}`;
  return failure;
}
