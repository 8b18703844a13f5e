/** How a process ends that may still have a profile to write. */

import type { Child } from '@busbar/testbed';

const PATIENCE_MS = 5_000;

/** Asks it to end; kills it where it does not. */
export async function endOrderly(child: Child): Promise<void> {
  const late = setTimeout(() => void child.kill(), PATIENCE_MS);
  await child.kill('SIGTERM');
  clearTimeout(late);
}
