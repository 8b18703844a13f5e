// One installer at a time: a lock file with a heartbeat, taken over when its holder is dead. It runs before any package
// is installed, so it cannot be a library.
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { paths } from './paths.mjs';

const BEAT_MS = 1_000;
const STALE_MS = 15_000;
const ORPHAN_MS = 300_000;

/** @typedef {{ isDoneBy(pid: number): void }} Work names the process that outlives a killed holder */
/** @typedef {{ pid: number, worker?: number, host: string, token: string }} Holder */

/** @param {(text: string) => void} say @param {(work: Work) => Promise<void>} work */
export async function withInstallLock(say, work) {
  const holder = { pid: process.pid, host: hostname(), token: crypto.randomUUID() };
  await acquire(holder, say);
  const release = hold();
  try {
    await work({ isDoneBy: (worker) => writeFileSync(paths.installLock, JSON.stringify({ ...holder, worker })) });
  } finally {
    release();
  }
}

/** @param {Holder} self @param {(text: string) => void} say */
async function acquire(self, say) {
  for (let told = false; ; told = true) {
    if (create(paths.installLock, self)) return;
    const holder = readHolder();
    if (holder && isStale(holder)) {
      takeOver(holder);
      continue;
    }
    if (holder && !told) say(`another command (process ${holder.pid}) is installing dependencies; waiting for it`);
    await sleep(100);
  }
}

function hold() {
  const beat = setInterval(() => {
    const now = new Date();
    utimesSync(paths.installLock, now, now);
  }, BEAT_MS);
  return () => {
    clearInterval(beat);
    rmSync(paths.installLock, { force: true });
  };
}

/** @param {string} file @param {Holder | undefined} content */
function create(file, content) {
  try {
    writeFileSync(file, JSON.stringify(content ?? {}), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @returns {(Holder & { beatMs: number }) | undefined} */
function readHolder() {
  try {
    const beatMs = statSync(paths.installLock).mtimeMs;
    return { ...parseHolder(readFileSync(paths.installLock, 'utf8')), beatMs };
  } catch {
    return undefined;
  }
}

/** @param {string} text @returns {Holder} */
function parseHolder(text) {
  try {
    return JSON.parse(text);
  } catch {
    // The file is created and not yet written. If its writer died at this point, only the heartbeat shows it.
    return { pid: 0, host: '', token: 'unwritten' };
  }
}

/**
 * A killed holder leaves an npm behind that still replaces files, so its end is awaited too. The heartbeat decides
 * if process ids cannot: on another host, or when the system has reused an id.
 * @param {Holder & { beatMs: number }} holder
 */
function isStale({ pid, worker, host, beatMs }) {
  const silentMs = Date.now() - beatMs;
  if (host !== hostname()) return silentMs > STALE_MS;
  if (isAlive(pid)) return silentMs > STALE_MS;
  return !isAlive(worker) || silentMs > ORPHAN_MS;
}

/** @param {number | undefined} pid */
function isAlive(pid) {
  if (!pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * Removes a dead holder's lock. The process that creates the marker of that holder may do so, after a second look.
 * Otherwise a slow waiter could remove the lock of the next holder.
 * @param {Holder} holder
 */
function takeOver(holder) {
  const marker = `${paths.installLock}.${holder.token}`;
  if (!create(marker, undefined)) return;
  try {
    if (readHolder()?.token === holder.token) rmSync(paths.installLock, { force: true });
  } finally {
    rmSync(marker, { force: true });
  }
}
