// Pauses a process.
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const STOP_MS = 1_000;

/** Sends SIGSTOP. The process does nothing more from the moment this returns: the signal alone takes a while on a busy machine. */
export function stopProcess(child: ChildProcess): void {
  child.kill('SIGSTOP');
  const deadline = performance.now() + STOP_MS;
  while (!standsStill(child.pid ?? -1) && performance.now() < deadline);
}

/** Returns true if every thread has stopped. Linux only. */
function standsStill(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  if (!existsSync(threads)) return true;
  return readdirSync(threads).every((thread) => isStopped(`${threads}/${thread}/stat`));
}

function isStopped(file: string): boolean {
  try {
    return / [TXZ] /.test(readFileSync(file, 'utf8'));
  } catch {
    // The process ended between the two reads.
    return true;
  }
}
