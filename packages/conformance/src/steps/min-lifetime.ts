/** The lower bound of a life: something is there as long as it must be. */

import type { Lab } from '../context/test-context.ts';

/** Asserts that `holds` is true each time that it is asked until `at`, on the clock of `performance.now()`. */
export async function outlives(lab: Lab, holds: () => Promise<boolean>, at: number): Promise<void> {
  const look = async (): Promise<boolean> => {
    const held = await holds();
    if (performance.now() >= at) return true;
    lab.check.ok(held, 'it is there as long as it must be');
    return false;
  };
  await lab.until('the time to come', look, Number.POSITIVE_INFINITY);
}
