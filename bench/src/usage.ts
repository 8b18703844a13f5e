/** What a process uses. */

import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Processor time since it began, and memory without what is no longer needed. */
export interface Usage {
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** Linux counts the time of another process in hundredths of a second. */
const TICK_MS = 10;

/** Collects what is no longer needed, as V8 does itself in an idle process, sooner or later. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** What this process uses. */
export function usage(): Usage {
  collectGarbage();
  const { user, system } = process.cpuUsage();
  return { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() };
}

/** Processor time of another process since it began; NaN where the system does not show it, or there is none. */
export function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
