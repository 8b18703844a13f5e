// The closing lines of a test run, readable by scripts.
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const NOT_TESTED = 'NOT TESTED: ';

/**
 * Prints `tests: N passed, N failed` as the last line. A file that cannot be loaded counts as one failure. Prints a line
 * before it for each missing program that caused skipped tests; with `CI` set this is a failure too. A run without any
 * test is a failure.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const broken = modules.reduce((sum, module) => sum + module.errors().length, unhandled.length);
    const lacking = tests.map(lackOf).filter((lack) => lack !== undefined);
    const refused = process.env['CI'] ? lacking.length : 0;
    if (refused > 0) process.exitCode = 1;
    for (const [lack, { length }] of Map.groupBy(lacking, (text) => text)) {
      process.stdout.write(`${NOT_TESTED}${lack} (${length} tests)\n`);
    }
    const count = (state: string): number => tests.filter((test) => test.result().state === state).length;
    const passed = count('passed');
    const failed = count('failed') + broken + refused;
    const isEmpty = passed + failed + lacking.length === 0;
    if (isEmpty) {
      process.exitCode = 1;
      process.stdout.write('no test ran: check the file, and the name after -t\n');
    }
    process.stdout.write(`tests: ${passed} passed, ${failed + Number(isEmpty)} failed\n`);
  }
}

/** The reason of a skipped test if this machine lacks something. */
function lackOf(test: TestCase): string | undefined {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return note?.startsWith(NOT_TESTED) ? note.slice(NOT_TESTED.length) : undefined;
}
