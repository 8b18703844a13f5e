/** Checks the minimum lifetime of a thing. */

import type { TestContext } from '../context/test-context.ts';

/** Asserts that `holds` is true at each poll until `performance.now()` reaches `at`. */
export async function minLifetime(test: TestContext, holds: () => Promise<boolean>, at: number): Promise<void> {
  const look = async (): Promise<boolean> => {
    const held = await holds();
    if (performance.now() >= at) return true;
    test.check.ok(held, 'it exists for its minimum lifetime');
    return false;
  };
  await test.until('the clock to reach the time', look, Number.POSITIVE_INFINITY);
}
