/** Acquires one of several entries as soon as one is free, for locks and semaphores. */

import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { KeyValue, KvChange, KvEntry, KvWatch, PutResult } from '../../contract/kv.ts';
import { Condition } from '../../driver-kit/condition.ts';
import type { BoundedWait } from '../bounded-wait.ts';
import { readObject } from '../messages/codec.ts';
import type { LockRequest } from './lock-options.ts';

/** The entries to acquire. */
export interface LockTarget extends Pick<LockRequest, 'keys' | 'prefix'> {
  /** The value to write. It is unique among all contenders. */
  readonly value: Uint8Array;
  readonly ttlMs: number;
}

/** An acquired entry. */
export interface AcquiredLock {
  readonly key: string;
  readonly revision: number;
  readonly createRevision: number;
  /** Until when it is certainly held without renewal, by `performance.now()`. */
  readonly until: number;
}

/** The timeout of one attempt, even if less time is left: its outcome must be known. */
const ATTEMPT_MS = 30_000;
const MAX_SPREAD_MS = 50;
/** Tries again after this time without a change: a watch can merge a put and a delete into no change. */
const RECHECK_MS = 5_000;

/** One acquisition. */
export class LockAcquisition {
  readonly #kv: KeyValue;
  readonly #target: LockTarget;
  readonly #wait: BoundedWait;
  readonly #free: Set<string>;
  /** The revision at which each key was last released. */
  readonly #freedAt = new Map<string, number>();
  #watch: KvWatch | undefined;
  #isSynced = false;
  readonly #changed = new Condition();
  /** The longest random delay after a release. It spreads the attempts of many contenders. */
  #spreadMs = 0;
  /** The entry of the last known holder. */
  holder: KvEntry | undefined;
  /** Whether the answer to the last attempt came after the lease that it gave. */
  isLate = false;
  /** When the last attempt began, by `performance.now()`. */
  attemptedAt: number | undefined;

  constructor(kv: KeyValue, target: LockTarget, wait: BoundedWait) {
    this.#kv = kv;
    this.#target = target;
    this.#wait = wait;
    this.#free = new Set(target.keys);
  }

  /** Resolves with the acquired entry, or undefined when the wait expired. Rejects when the wait is cancelled. */
  async acquire(): Promise<AcquiredLock | undefined> {
    try {
      const acquired = await this.#attempt();
      if (acquired !== undefined || (this.#wait.isExpired && this.#target.keys.length === 1)) return acquired;
      return await this.#acquireWatching();
    } finally {
      void this.#watch?.close().catch(() => undefined);
    }
  }

  async #acquireWatching(): Promise<AcquiredLock | undefined> {
    const watch = await this.#openWatch();
    const ended = watch.ended.then((error) => Promise.reject(error ?? closed()));
    ended.catch(() => undefined);
    while (!this.#isSynced) await this.#wait.raceCancel(Promise.race([this.#changed.wait(), ended]));
    while (true) {
      const acquired = await this.#attempt();
      if (acquired !== undefined || this.#wait.isExpired) return acquired;
      await this.#waitForRelease(ended);
    }
  }

  /** Tries until it acquires a key or no key seems free. */
  async #attempt(): Promise<AcquiredLock | undefined> {
    while (true) {
      this.#wait.throwIfCancelled();
      const key = anyOf(this.#free);
      if (key === undefined) return undefined;
      const acquired = await this.#claim(key);
      if (acquired !== undefined) return acquired;
      if (this.isLate && this.#wait.isExpired) return undefined;
      this.#spreadMs = Math.min(MAX_SPREAD_MS, this.#spreadMs * 2 + 1);
      // Without the watch the free keys are unknown: one attempt is enough.
      if (this.#watch === undefined) return undefined;
    }
  }

  async #claim(key: string): Promise<AcquiredLock | undefined> {
    const startedAt = performance.now();
    this.attemptedAt = startedAt;
    const { value, ttlMs } = this.#target;
    const put = this.#kv.put(key, value, { ttlMs, ifRevision: 0, timeoutMs: ATTEMPT_MS });
    let result: PutResult;
    try {
      result = await this.#wait.raceCancel(put);
    } catch (error) {
      this.#undo(key, put);
      throw error;
    }
    const stored = result.status === 'stored' ? result : this.#own(result.current);
    const until = startedAt + ttlMs;
    this.isLate = stored !== undefined && performance.now() >= until;
    if (stored !== undefined && !this.isLate) {
      return { key, revision: stored.revision, createRevision: stored.createRevision, until };
    }
    if (stored !== undefined) await this.#giveBack(key, stored.revision);
    else if (result.status === 'conflict' && result.current !== undefined) this.#onConflict(result.current);
    return undefined;
  }

  /** Deletes an entry whose lease may be over already: work under it could overlap with that of another holder. */
  async #giveBack(key: string, revision: number): Promise<void> {
    await this.#wait.raceCancel(this.#kv.delete(key, { ifRevision: revision, timeoutMs: ATTEMPT_MS }));
  }

  /** The entry of a conflict is our own if an earlier attempt stored it and its result was lost. */
  #own(current: KvEntry | undefined): KvEntry | undefined {
    return current !== undefined && isSameAttempt(current.value, this.#target.value) ? current : undefined;
  }

  #onConflict(current: KvEntry): void {
    this.holder = current;
    // It may have been released between the attempt and its result.
    if ((this.#freedAt.get(current.key) ?? 0) < current.revision) this.#free.delete(current.key);
  }

  /** Deletes the entry that an abandoned `put` may have stored. */
  #undo(key: string, put: Promise<PutResult>): void {
    const undo = async (): Promise<void> => {
      const result = await put.catch((error: unknown) => error as BusbarError);
      if (isBusbarError(result) && result.outcome === 'failed') return;
      const own = 'status' in result && result.status === 'stored' ? result : this.#own(await this.#kv.get(key));
      if (own !== undefined) await this.#kv.delete(key, { ifRevision: own.revision });
    };
    // If this fails too, the TTL removes the entry.
    undo().catch(() => undefined);
  }

  async #openWatch(): Promise<KvWatch> {
    this.#recheck();
    const opening = this.#kv.watch(this.#target.prefix, (changes) => this.#onChanges(changes));
    try {
      this.#watch = await this.#wait.raceCancel(opening);
    } catch (error) {
      void opening.then((watch) => watch.close()).catch(() => undefined);
      throw error;
    }
    return this.#watch;
  }

  /** Waits until a key is free, then for a short random time. */
  async #waitForRelease(ended: Promise<never>): Promise<void> {
    while (this.#free.size === 0) {
      const waiting = Promise.race([this.#changed.wait(), ended]);
      if (await this.#wait.raceTimer(waiting, RECHECK_MS)) this.#recheck();
    }
    if (this.#spreadMs > 1) await this.#wait.sleep(Math.random() * this.#spreadMs);
  }

  #recheck(): void {
    for (const key of this.#target.keys) this.#free.add(key);
  }

  #onChanges(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind === 'synced') this.#isSynced = true;
      else if (change.kind === 'put') this.#markTaken(change.entry);
      else if (this.#target.keys.includes(change.key)) {
        this.#freedAt.set(change.key, change.revision);
        this.#free.add(change.key);
      }
    }
    this.#changed.notify();
  }

  #markTaken(entry: KvEntry): void {
    this.#free.delete(entry.key);
    if (this.#target.keys.includes(entry.key)) this.holder = entry;
  }
}

function closed(): BusbarError {
  return new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
}

function anyOf(keys: ReadonlySet<string>): string | undefined {
  if (keys.size === 0) return undefined;
  return [...keys][Math.floor(Math.random() * keys.size)];
}

/** Whether two values are of one attempt. A hub adds to the value which agent holds the lock. */
function isSameAttempt(one: Uint8Array, other: Uint8Array): boolean {
  const nonce = readObject(one)?.['nonce'];
  return nonce !== undefined && nonce === readObject(other)?.['nonce'];
}
