/** Holds a lock or a slot of a semaphore while a command runs. */

import type { Lock, LockOptions } from '@busbar/api';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { CONFLICT } from '../output/exit-codes.ts';
import type { Session } from '../session.ts';
import { commandEnvironment } from './consume.ts';
import type { CommandLine } from './program.ts';
import { runInteractive } from './run-interactive.ts';

/** Flags of the verbs that hold a lock. */
export const LOCK_FLAGS = {
  wait: { kind: 'duration', min: 0, max: 315_360_000_000, help: 'how long to wait for it (default: no limit)' },
  ttl: { kind: 'duration', min: 1_000, max: 86_400_000, help: 'how long it outlives a killed holder (default 30s)' },
} as const;

/** Notes of these verbs. */
export const LOCK_NOTES = [
  'BUSBAR_TOKEN in the environment of CMD is the fencing token: higher for each holder. Pass it to what you write to, and let that refuse a lower one than it has seen.',
  'The exit code is that of CMD. Without the lock CMD does not run: exit 6 with --wait 0, else exit 4. If the lock is lost, CMD gets SIGTERM: exit 6.',
] as const;

/** When to say that another process holds it. */
const SAY_MS = 1_000;

/** What to hold, and the command. */
export interface Held {
  /** Such as `lock "deploy"`. */
  readonly what: string;
  readonly name: string;
  readonly command: CommandLine;
  readonly flags: { readonly wait: number | undefined; readonly ttl: number | undefined };
  /** Takes it. */
  take(options: LockOptions): Promise<Lock>;
}

/** Takes a lock, runs the command and releases the lock. Resolves with the exit code. */
export async function holdDuring(session: Session, { what, name, command, flags, take }: Held): Promise<number> {
  const { out, signal } = session;
  const { wait: waitMs = Number.POSITIVE_INFINITY, ttl: leaseMs } = flags;
  const saying = setTimeout(() => out.note(`busbar: waiting for the ${what}; busbar lock ls shows its holder`), SAY_MS);
  let lock: Lock;
  try {
    lock = await take({ waitMs, leaseMs, owner: session.sender, signal });
  } catch (error) {
    throw isBusbarError(error) ? withShellHint(error) : error;
  } finally {
    clearTimeout(saying);
  }
  const env = { ...commandEnvironment(session), BUSBAR_LOCK: name, BUSBAR_TOKEN: String(lock.token) };
  try {
    const code = await runInteractive(session, { command, env, lost: lock.signal });
    if (!lock.lost) return code;
    out.warn(`the ${what} was lost while the command ran`);
    return CONFLICT;
  } finally {
    await lock.release();
  }
}

/** The same error, with a hint that names flags instead of options. */
function withShellHint(error: BusbarError): BusbarError {
  const { code, message, outcome, cause, hint } = error;
  const isTaken = code === 'TIMEOUT' || code === 'CONFLICT';
  return new BusbarError(code, message, {
    hint: isTaken ? 'Wait longer with --wait, or see the holders: busbar lock ls.' : hint,
    outcome,
    cause,
  });
}
