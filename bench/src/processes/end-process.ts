/** Ends a child process and gives it time to write a CPU profile. */

import type { Child } from '@busbar/testbed';

const TIMEOUT_MS = 5_000;

/** Sends SIGTERM, and SIGKILL if the process does not end. */
export async function endProcess(child: Child): Promise<void> {
  const timer = setTimeout(() => void child.kill(), TIMEOUT_MS);
  await child.kill('SIGTERM');
  clearTimeout(timer);
}
