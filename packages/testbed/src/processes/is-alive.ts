// Whether a process still runs.
import { readFileSync } from 'node:fs';

/** Whether the process runs. One that has ended counts as dead, also while nobody has asked for its exit status. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return !isZombie(pid);
}

/** Known on Linux only; elsewhere the parent of all orphans reaps them at once. */
function isZombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
