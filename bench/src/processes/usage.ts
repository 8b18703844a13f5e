/** CPU time and memory of a process. */

import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Linux counts the time of another process in hundredths of a second. */
const TICK_MS = 10;
const MAX_COLLECTIONS = 10;
const RETURN_MS = 50;
/** Memory that falls by less than a hundredth has settled. */
const STILL = 0.99;

/** Runs a garbage collection, as V8 eventually does in an idle process. */
const collectGarbage = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** CPU time of this process since its start. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What this process has on its heap and in buffers after a garbage collection. */
export function heapBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Memory of this process after garbage collections, when it no longer falls: V8 returns pages in the background. */
export async function rssBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < MAX_COLLECTIONS; round += 1) {
    collectGarbage();
    await sleep(RETURN_MS);
    const now = process.memoryUsage.rss();
    if (now > least * STILL) return Math.min(now, least);
    least = now;
  }
  return least;
}

/** CPU time of another process and its children since its start; NaN if the system does not report it. */
export function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // Its own time, and that of its children that have ended.
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return childrenOf(pid).reduce((sum, child) => sum + (cpuMsOf(child) || 0), ticks * TICK_MS);
}

/** Memory of another process, with what its children do not share with it; NaN if the system does not report it. */
export function rssBytesOf(pid: number): number {
  const own = kilobytesOf(`/proc/${pid}/status`, 'VmRSS') * 1024;
  return childrenOf(pid).reduce((sum, child) => sum + privateBytesOf(child), own);
}

/** What a process shares with no other. A child of Redis that writes a file shares all pages that neither has changed. */
function privateBytesOf(pid: number): number {
  const file = `/proc/${pid}/smaps_rollup`;
  return (kilobytesOf(file, 'Private_Clean') + kilobytesOf(file, 'Private_Dirty') || 0) * 1024;
}

function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

/** A field of a file of the system; NaN without it. */
function kilobytesOf(file: string, field: string): number {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}
