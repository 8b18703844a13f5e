/** What a process uses. */

import { existsSync, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Linux counts the time of another process in hundredths of a second. */
const TICK_MS = 10;

/** Collects what is no longer needed, as V8 does itself in an idle process, sooner or later. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** Processor time of this process since it began. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Memory of this process, without what is no longer needed. */
export function rssBytes(): number {
  collectGarbage();
  return process.memoryUsage.rss();
}

/** Processor time of another process since it began; NaN where the system does not show it, or there is none. */
export function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
