/** Locks and semaphores: who may do something now, agreed on by all processes of one bus. */

import { checkBoolean, checkDuration, checkOptions, checkSignal, checkText, MAX_DURATION_MS } from '../checks.ts';
import { BusbarError, invalid, toBusbarError } from '../errors.ts';
import { newId } from '../id.ts';
import { quote, utf8Length } from '../names.ts';
import type { Entries, Entry } from '../transport.ts';
import { Contest, type Prize, type Won } from './contest.ts';
import { Lock, lockLost } from './lock.ts';
import { Patience } from './patience.ts';
import { Renewals } from './renewals.ts';
import { Turns } from './turns.ts';

/** How to take a lock. */
export interface LockOptions {
  /** Held so long without renewal, 50 or more. Default 30,000. This bounds how long a dead holder is in the way. */
  readonly ttlMs?: number;
  /** How long to wait for it: 0 (do not wait) or more, Infinity for ever. Default 30,000. */
  readonly waitMs?: number;
  /** Who holds it, as others are shown. 1 to 255 characters. Default: the name of this bus. */
  readonly owner?: string;
  /** Whether it renews itself. Default true; without it the lock is lost after `ttlMs` unless extended. */
  readonly renew?: boolean;
  /** Ends the wait with ABORTED. It does not end the lock. */
  readonly signal?: AbortSignal;
}

/** Who holds a lock. */
export interface LockHolder {
  readonly owner: string;
  /** Since when, in milliseconds since 1970 by the holder's clock. */
  readonly since: number;
  /** Its fencing token. */
  readonly token: number;
  /** When it would end if it were not renewed. */
  readonly ttlLeftMs: number | undefined;
}

/** What is asked for: the entries, any one of which will do. */
export interface Wanted {
  readonly name: string;
  readonly what: 'lock' | 'semaphore';
  readonly prefix: string;
  readonly keys: readonly string[];
}

const DEFAULT_MS = 30_000;
const MAX_NAME_BYTES = 480;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The keys of {@link LockOptions}. */
export const LOCK_KEYS: readonly string[] = ['ttlMs', 'waitMs', 'owner', 'renew', 'signal'];

/** The locks of one bus: those it holds and those it waits for. */
export class Locks {
  readonly #entries: Entries;
  readonly #owner: string;
  readonly #report: (error: BusbarError) => void;
  readonly #renewals: Renewals;
  readonly #turns = new Turns();
  readonly #held = new Set<Lock>();
  readonly #waiting = new Set<Patience>();
  #closed = false;

  /** `report` gets what failed in the background: renewals, which are tried again, and releases. */
  constructor(entries: Entries, owner: string, report: (error: BusbarError) => void) {
    this.#entries = entries;
    this.#owner = owner;
    this.#report = report;
    this.#renewals = new Renewals(entries, report);
  }

  /** Waits for what is wanted. Rejects with CONFLICT where `waitMs` is 0 and it is taken, else with TIMEOUT. */
  async take(wanted: Wanted, options: LockOptions): Promise<Lock> {
    if (this.#closed) throw closed();
    let contest: Contest | undefined;
    let pass: (() => void) | undefined;
    const { waitMs = DEFAULT_MS, signal } = options;
    const patience = new Patience({ waitMs, signal, late: () => taken('TIMEOUT', wanted, contest?.rival) });
    this.#waiting.add(patience);
    try {
      // One who does not wait does not stand in line either.
      if (waitMs > 0) pass = await this.#turns.take(wanted.prefix, patience);
      contest = new Contest(this.#entries, this.#prize(wanted, options), patience);
      const won = await contest.win();
      if (won === undefined) throw taken('CONFLICT', wanted, contest.rival);
      return this.#hold(wanted, won, options);
    } finally {
      patience.end();
      this.#waiting.delete(patience);
      pass?.();
    }
  }

  /** Runs `work` under the lock, and lets go of it after. Rejects with LEASE_LOST when it was lost meanwhile. */
  async during<T>(taking: Promise<Lock>, work: (lock: Lock) => T | Promise<T>): Promise<T> {
    const lock = await taking;
    try {
      const result = await work(lock);
      if (lock.lost) throw lockLost(lock.name);
      return result;
    } finally {
      // The work is done: that letting go failed is no failure of it, and the TTL frees the lock.
      await lock.release().catch((error: unknown) => this.#report(toBusbarError(error)));
    }
  }

  /** Who holds the lock of that name; undefined when nobody does. */
  async holder(name: string): Promise<LockHolder | undefined> {
    const entry = await this.#entries.get(lockWanted(name).prefix);
    return entry && holderOf(entry);
  }

  /** Ends all waits with CLOSED and lets go of what is held. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const patience of this.#waiting) patience.cut(closed());
    await Promise.allSettled([...this.#held].map((lock) => lock.release()));
  }

  #prize({ keys, prefix }: Wanted, { ttlMs = DEFAULT_MS, owner = this.#owner }: LockOptions): Prize {
    const value = encoder.encode(JSON.stringify({ owner, since: Date.now(), nonce: newId() }));
    return { keys, prefix, value, ttlMs };
  }

  #hold({ name }: Wanted, won: Won, { ttlMs = DEFAULT_MS, renew = true }: LockOptions): Lock {
    const entries = this.#entries;
    const renewals = this.#renewals;
    const onEnd = (lock: Lock): void => void this.#held.delete(lock);
    const lock = new Lock({ name, won, ttlMs, renew, entries, renewals, onEnd });
    this.#held.add(lock);
    return lock;
  }
}

/** The one entry of a lock. Throws INVALID_ARGUMENT for a bad name. */
export function lockWanted(name: string): Wanted {
  checkLockName(name, 'lock name');
  const key = `$lock/${name}`;
  return { name, what: 'lock', prefix: key, keys: [key] };
}

/** Throws INVALID_ARGUMENT unless `options` are legal. */
export function checkLockOptions(options: LockOptions | undefined): void {
  checkOptions(options, LOCK_KEYS, 'lock options');
  checkLockValues(options);
}

/** The same, whatever other keys there are. */
export function checkLockValues(options: LockOptions | undefined): void {
  checkDuration(options?.ttlMs, 'ttlMs', { min: 50, max: MAX_DURATION_MS });
  checkDuration(options?.waitMs, 'waitMs', { min: 0, max: MAX_DURATION_MS, infinity: true });
  checkText(options?.owner, 'owner', 255);
  checkBoolean(options?.renew, 'renew');
  checkSignal(options?.signal);
}

/** Throws INVALID_ARGUMENT unless `name` may name a lock. What is locked is often a file, so that any text will do. */
export function checkLockName(name: unknown, what: string): asserts name is string {
  checkText(name ?? null, what, MAX_NAME_BYTES);
  if (utf8Length(name as string) > MAX_NAME_BYTES) {
    throw invalid(`${what} ${quote(name)} is too long`, `Use at most ${MAX_NAME_BYTES} bytes of UTF-8.`);
  }
}

function holderOf(entry: Entry): LockHolder {
  const { createRevision: token, ttlLeftMs } = entry;
  try {
    const { owner, since } = JSON.parse(decoder.decode(entry.value)) as { owner?: unknown; since?: unknown };
    return { owner: String(owner), since: Number(since), token, ttlLeftMs };
  } catch {
    return { owner: 'unknown', since: 0, token, ttlLeftMs };
  }
}

function taken(code: 'TIMEOUT' | 'CONFLICT', { name, what }: Wanted, rival: Entry | undefined): BusbarError {
  const by = rival === undefined ? '' : ` by ${holderOf(rival).owner}`;
  const text = what === 'lock' ? `is held${by}` : 'has no free slot';
  return new BusbarError(code, `the ${what} ${JSON.stringify(name)} ${text}`, {
    retryable: true,
    hint: 'Wait longer with waitMs, or see who holds it.',
  });
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the bus is closed', { hint: 'Open a new one.' });
}
