/** Locks and semaphores: who may do something now, agreed on by all processes of one bus. */

import { BusbarError } from '../../contract/errors.ts';
import type { KeyValue, KvEntry } from '../../contract/transport.ts';
import { checkFunction } from '../../contract/validation.ts';
import { Patience } from '../deadline.ts';
import type { BusKernel } from '../runtime.ts';
import { Turns } from './keyed-mutex.ts';
import { Renewals } from './lease-renewer.ts';
import { encodeHolder, holderOf, type Lock, type LockHolder, LockImpl, lockLost } from './lock.ts';
import { Contest, type Prize, type Won } from './lock-acquisition.ts';
import {
  checkLockOptions,
  type LockOptions,
  type LockWanted,
  lockWanted,
  type SemaphoreOptions,
  semaphoreWanted,
} from './lock-options.ts';

/** What is done under a lock. */
export type LockWork = (lock: Lock) => unknown;

const DEFAULT_MS = 30_000;

/** The locks of one bus: those it holds and those it waits for. */
export class Locks {
  readonly #kernel: BusKernel;
  readonly #entries: KeyValue;
  readonly #renewals: Renewals;
  readonly #turns = new Turns();
  readonly #held = new Set<Lock>();
  readonly #waiting = new Set<Patience>();
  readonly #closing = new AbortController();

  constructor(kernel: BusKernel) {
    this.#kernel = kernel;
    this.#entries = kernel.transport.kv;
    this.#renewals = new Renewals(this.#entries, (error) => kernel.report(error, 'locks'));
    kernel.lifetime.add('holdings', this);
  }

  /** Takes a lock; with `work`, for as long as that lasts. */
  async lock(name: string, work: LockWork | undefined, options: LockOptions | undefined): Promise<unknown> {
    const wanted = lockWanted(name);
    checkLockOptions(options);
    return this.#takeFor(wanted, work, options);
  }

  /** Takes a slot of a semaphore; with `work`, for as long as that lasts. */
  async semaphore(name: string, work: LockWork | undefined, options: SemaphoreOptions | undefined): Promise<unknown> {
    return this.#takeFor(semaphoreWanted(name, options), work, options);
  }

  /** Who holds the lock of that name; undefined when nobody does. */
  async holder(name: string): Promise<LockHolder | undefined> {
    const entry = await this.#entries.get(lockWanted(name).prefix);
    return entry && holderOf(entry);
  }

  /** Ends all waits with CLOSED and lets go of what is held. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    for (const patience of this.#waiting) patience.cut(closed());
    await Promise.allSettled([...this.#held].map((lock) => lock.release()));
  }

  async #takeFor(wanted: LockWanted, work: LockWork | undefined, options: LockOptions = {}): Promise<unknown> {
    this.#kernel.assertSending();
    if (work !== undefined) checkFunction(work, 'work');
    const lock = await this.#take(wanted, options);
    return work === undefined ? lock : this.#during(lock, work);
  }

  /** Waits for what is wanted. Rejects with CONFLICT where `waitMs` is 0 and it is taken, else with TIMEOUT. */
  async #take(wanted: LockWanted, options: LockOptions): Promise<Lock> {
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
      if (won === undefined) throw taken(waitMs === 0 ? 'CONFLICT' : 'TIMEOUT', wanted, contest.rival);
      return this.#hold(wanted, won, options);
    } finally {
      patience.end();
      this.#waiting.delete(patience);
      pass?.();
    }
  }

  /** Runs `work` under the lock, and lets go of it after. Rejects with LEASE_LOST when it was lost meanwhile. */
  async #during(lock: Lock, work: LockWork): Promise<unknown> {
    try {
      const result = await work(lock);
      if (lock.lost) throw lockLost(lock.name);
      return result;
    } finally {
      // The work is done: that letting go failed is no failure of it, and the TTL frees the lock.
      await lock.release().catch((error: unknown) => this.#kernel.report(error, 'locks'));
    }
  }

  #prize(
    { keys, prefix }: LockWanted,
    { leaseMs: ttlMs = DEFAULT_MS, owner = this.#kernel.instance }: LockOptions,
  ): Prize {
    const value = encodeHolder({ owner, ...this.#kernel.settings.identity });
    return { keys, prefix, value, ttlMs };
  }

  #hold({ name }: LockWanted, won: Won, { leaseMs = DEFAULT_MS, renew = true }: LockOptions): Lock {
    const lock = new LockImpl({
      ...{ name, won, leaseMs, renew },
      entries: this.#entries,
      renewals: this.#renewals,
      closing: this.#closing.signal,
      onEnd: () => void this.#held.delete(lock),
    });
    this.#held.add(lock);
    return lock;
  }
}

function taken(code: 'TIMEOUT' | 'CONFLICT', { name, what }: LockWanted, rival: KvEntry | undefined): BusbarError {
  const text = what === 'lock' ? `is held${rival === undefined ? '' : ` by ${sayHolder(rival)}`}` : 'has no free slot';
  return new BusbarError(code, `the ${what} ${JSON.stringify(name)} ${text}`, {
    retryable: true,
    hint: `Wait longer with waitMs${what === 'lock' ? ', or see who holds it: bus.lockHolder(name)' : ''}.`,
  });
}

function sayHolder(rival: KvEntry): string {
  const { owner, pid } = holderOf(rival);
  return pid === undefined ? owner : `${owner} (process ${pid})`;
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the bus is closed', { hint: 'Open a new one.' });
}
