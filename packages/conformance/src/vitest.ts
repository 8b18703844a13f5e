/** Entry `@busbar/conformance/vitest`: the suite as tests of vitest. */

import { describe, test } from 'vitest';
import type { ConformanceCase } from './case.ts';
import type { Harness } from './harness.ts';
import { groupByLoad, newSeed, type RunOptions, selectCases } from './run.ts';
import { limitOf, runCase } from './run-case.ts';

/** Options of {@link testTransport}. */
export type TestOptions = Pick<RunOptions, 'profile' | 'seed' | 'cases'>;

/** Time limit for cleanup after the time-out of a case. */
const CLEARING_MS = 40_000;

/**
 * Declares one test per case. They run concurrently, each on its own store; then those whose load is `timed`, and those
 * that are `alone`, one at a time. Cases that do not apply are skipped with their reason.
 */
export function testTransport(harness: Harness, options: TestOptions = {}): void {
  const { seed = newSeed(), profile = 'full' } = options;
  const declare = (subject: ConformanceCase): void => {
    const { title, id, load } = subject;
    const declared = load === 'alone' ? test : test.concurrent;
    const timeout = limitOf(subject) + CLEARING_MS;
    declared(`${id} ${title}`, { timeout }, async ({ skip }) => {
      if (harness.notTested !== undefined) skip(`NOT TESTED: ${harness.notTested}`);
      const { status, reason } = await runCase(harness, subject, { seed, profile });
      if (status === 'failed') throw failureOf(`${reason} (${subject.rules.join(', ')}; seed ${seed})`);
      if (status !== 'passed') skip(`${status}: ${reason}`);
    });
  };
  const cases = selectCases(options);
  describe(`conformance of ${harness.name}`, () => {
    for (const [load, some] of Object.entries(groupByLoad(cases))) {
      if (some.length > 0) describe(load, () => some.forEach(declare));
    }
  });
}

/** An error without a stack, which would only show this file. */
function failureOf(message: string): Error {
  const failure = new Error(message);
  failure.stack = `${failure.name}: ${message}`;
  return failure;
}
