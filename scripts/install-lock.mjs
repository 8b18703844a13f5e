// One installer at a time: a lock file with a heartbeat, taken over when its holder is dead.
import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { paths } from './paths.mjs';

const BEAT_MS = 1_000;
const STALE_MS = 15_000;

/** @param {(text: string) => void} say @param {() => Promise<void>} work */
export async function withInstallLock(say, work) {
  const release = await acquire(say);
  try {
    await work();
  } finally {
    release();
  }
}

/** @param {(text: string) => void} say */
async function acquire(say) {
  for (let told = false; ; told = true) {
    if (create(paths.installLock)) return hold();
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
  const release = () => {
    clearInterval(beat);
    rmSync(paths.installLock, { force: true });
    process.off('exit', release);
  };
  process.on('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  return release;
}

/** @param {string} file */
function create(file) {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, host: hostname(), token: crypto.randomUUID() }), {
      flag: 'wx',
    });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @typedef {{ pid: number, host: string, token: string, beatMs: number }} Holder */

/** @returns {Holder | undefined} */
function readHolder() {
  try {
    const beatMs = statSync(paths.installLock).mtimeMs;
    const text = readFileSync(paths.installLock, 'utf8');
    // Empty between creation and writing, or for ever when its writer died there.
    return text ? { ...JSON.parse(text), beatMs } : { pid: 0, host: '', token: 'empty', beatMs };
  } catch {
    return undefined;
  }
}

/** @param {Holder} holder */
function isStale({ pid, host, beatMs }) {
  if (Date.now() - beatMs > STALE_MS) return true;
  if (host !== hostname() || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

/**
 * Removes a dead holder's lock. Only who creates the marker of that very holder may, and looks again first:
 * otherwise a slow waiter would remove the lock of the one that took over before it.
 * @param {Holder} holder
 */
function takeOver(holder) {
  const marker = `${paths.installLock}.${holder.token}`;
  if (!create(marker)) return;
  try {
    if (readHolder()?.token === holder.token) rmSync(paths.installLock, { force: true });
  } finally {
    rmSync(marker, { force: true });
  }
}
