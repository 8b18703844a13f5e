// The closing line of a test run, in a form that a script can read.
import type { Reporter, TestModule } from 'vitest/node';

/** Prints `tests: N passed, N failed` as the last line; a file that cannot be loaded counts as one failure. */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandled.length;
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        if (state === 'failed') failed += 1;
      }
      failed += module.errors().length;
    }
    process.stdout.write(`tests: ${passed} passed, ${failed} failed\n`);
  }
}
