/** Locks and semaphores, shared by all processes. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError } from '../../contract/errors.ts';
import type { KeyValue, KvEntry } from '../../contract/kv.ts';
import type { Transport } from '../../contract/transport.ts';
import { checkCallback } from '../../contract/validation.ts';
import { keepAliveDuring } from '../../driver-kit/keep-alive.ts';
import { BoundedWait } from '../bounded-wait.ts';
import type { BusRuntime } from '../runtime.ts';
import { KeyedMutex } from './keyed-mutex.ts';
import { LeaseRenewer } from './lease-renewer.ts';
import { encodeHolder, holderOf, type Lock, type LockHolder, LockImpl, lockLost } from './lock.ts';
import { type AcquiredLock, LockAcquisition } from './lock-acquisition.ts';
import {
  checkLockOptions,
  type LockOptions,
  type LockRequest,
  type SemaphoreOptions,
  toLockRequest,
  toSemaphoreRequest,
} from './lock-options.ts';

/** The work under a lock. */
export type LockWork = (lock: Lock) => unknown;

const DEFAULT_MS = 30_000;
/** How long the last attempt may take at least. Its answer decides who has the lock, so it is waited for. */
const LAST_ATTEMPT_MS = 5_000;

/** The held and pending locks of one bus. */
export class Locks {
  readonly #runtime: BusRuntime;
  readonly #kv: KeyValue;
  readonly #renewer: LeaseRenewer;
  readonly #mutex = new KeyedMutex();
  readonly #held = new Set<Lock>();
  readonly #waiting = new Set<BoundedWait>();
  readonly #closing = new AbortController();

  constructor(runtime: BusRuntime) {
    this.#runtime = runtime;
    this.#kv = runtime.transport.kv;
    this.#renewer = new LeaseRenewer(this.#kv, (error) => runtime.report(error, { kind: 'lock' }));
    runtime.shutdown.add('locks', this);
    runtime.declarations.add({ kind: 'lock' }, () => this.#renewer.renewAll());
  }

  /** Takes a lock; with `work`, until `work` ends. */
  async lock(name: string, work: LockWork | undefined, options: LockOptions | undefined): Promise<unknown> {
    const request = toLockRequest(name);
    checkLockOptions(options);
    return this.#takeFor(request, work, options);
  }

  /** Takes a slot of a semaphore; with `work`, until `work` ends. */
  async semaphore(name: string, work: LockWork | undefined, options: SemaphoreOptions | undefined): Promise<unknown> {
    return this.#takeFor(toSemaphoreRequest(name, options), work, options);
  }

  /** The holder of a lock; undefined when the lock is free. */
  async holder(name: string, options?: CallOptions): Promise<LockHolder | undefined> {
    const entry = await this.#kv.get(toLockRequest(name).prefix, options);
    return entry && holderOf(entry);
  }

  /** Rejects all waits with CLOSED and releases all locks. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    for (const wait of this.#waiting) wait.cancel(closed());
    await Promise.allSettled([...this.#held].map((lock) => lock.release()));
  }

  async #takeFor(request: LockRequest, work: LockWork | undefined, options: LockOptions = {}): Promise<unknown> {
    this.#runtime.assertSending();
    if (work !== undefined) checkCallback(work, 'work');
    const lock = await this.#take(request, options);
    return work === undefined ? lock : keepAliveDuring(this.#during(lock, work));
  }

  /** Acquires a lock. Rejects with CONFLICT when it is held and `waitMs` is 0, else with TIMEOUT. */
  async #take(request: LockRequest, options: LockOptions): Promise<Lock> {
    let acquisition: LockAcquisition | undefined;
    let releaseMutex: (() => void) | undefined;
    const { waitMs = DEFAULT_MS, signal, leaseMs: ttlMs = DEFAULT_MS, owner = this.#runtime.instance } = options;
    const wait = new BoundedWait({
      waitMs,
      signal,
      timeoutError: () =>
        acquisition?.isLate === true ? tooLate(request) : lockTaken('TIMEOUT', request, acquisition?.holder),
    });
    this.#waiting.add(wait);
    const forget = endWhileAway(wait, this.#runtime.transport, () => acquisition?.attemptedAt);
    try {
      // A caller that does not wait skips the mutex.
      if (waitMs > 0) releaseMutex = await this.#mutex.acquire(request.prefix, wait);
      const value = encodeHolder({ owner, ...this.#runtime.settings.identity });
      acquisition = new LockAcquisition(this.#kv, { ...request, value, ttlMs }, wait);
      const acquired = await acquisition.acquire();
      if (acquired === undefined && acquisition.isLate) throw tooLate(request);
      if (acquired === undefined) throw lockTaken(waitMs === 0 ? 'CONFLICT' : 'TIMEOUT', request, acquisition.holder);
      return this.#hold(request, acquired, options);
    } finally {
      forget();
      wait.end();
      this.#waiting.delete(wait);
      releaseMutex?.();
    }
  }

  /** Runs `work` under the lock and releases it. Rejects with LEASE_LOST when the lock was lost. */
  async #during(lock: Lock, work: LockWork): Promise<unknown> {
    try {
      const result = await work(lock);
      if (lock.lost) throw lockLost(lock.name);
      return result;
    } finally {
      // The work has succeeded: a failed release is only reported, and the lease ends by itself.
      await lock.release().catch((error: unknown) => this.#runtime.report(error, { kind: 'lock' }));
    }
  }

  #hold({ name }: LockRequest, acquired: AcquiredLock, { leaseMs = DEFAULT_MS, renew = true }: LockOptions): Lock {
    const lock = new LockImpl({
      ...{ name, acquired, leaseMs, renew },
      kv: this.#kv,
      renewer: this.#renewer,
      closing: this.#closing.signal,
      onEnd: () => void this.#held.delete(lock),
    });
    this.#held.add(lock);
    return lock;
  }
}

/**
 * Ends a wait that is over while the server is away or silent: an attempt in progress ends only when the server answers. So one
 * that began long ago ends with the wait.
 */
function endWhileAway(wait: BoundedWait, transport: Transport, attemptedAt: () => number | undefined): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const check = (): void => {
    if (wait.isExpired && transport.state === 'reconnecting') wait.cancel(away());
  };
  const endLate = (): void => {
    check();
    if (isOver || !wait.isExpired) return;
    const now = performance.now();
    // A timer may fire a fraction of a millisecond early, so it does not look at the clock again.
    timer = setTimeout(() => wait.cancel(away()), Math.max(0, (attemptedAt() ?? now) + LAST_ATTEMPT_MS - now));
  };
  const forget = transport.onState(check);
  wait.race(new Promise<never>(() => undefined)).catch(endLate);
  return () => {
    isOver = true;
    clearTimeout(timer);
    forget();
  };
}

function away(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'the server is away and did not come back in time', {
    hint: 'See that the server runs; the transport reconnects by itself. waitMs bounds the wait.',
  });
}

function tooLate({ name, what }: LockRequest): BusbarError {
  return new BusbarError('TIMEOUT', `the ${what} ${JSON.stringify(name)} was given after its lease had ended`, {
    retryable: true,
    hint: 'Set a longer leaseMs: the server answers slowly, or the event loop was blocked.',
  });
}

function lockTaken(
  code: 'TIMEOUT' | 'CONFLICT',
  { name, what }: LockRequest,
  holder: KvEntry | undefined,
): BusbarError {
  const text =
    what === 'lock' ? `is held${holder === undefined ? '' : ` by ${holderText(holder)}`}` : 'has no free slot';
  return new BusbarError(code, `the ${what} ${JSON.stringify(name)} ${text}`, {
    retryable: true,
    hint: `Wait longer with waitMs${what === 'lock' ? ', or see its holder with bus.lockHolder(name)' : ''}.`,
  });
}

function holderText(holder: KvEntry): string {
  const { owner, pid } = holderOf(holder);
  return pid === undefined ? owner : `${owner} (process ${pid})`;
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the bus is closed', { hint: 'Open a new one.' });
}
