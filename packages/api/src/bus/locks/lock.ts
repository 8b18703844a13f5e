/** A lock, held: its token, and the signal that fires when it is lost. */

import { BusbarError } from '../../contract/errors.ts';
import type { KeyValue } from '../../contract/transport.ts';
import type { Held, Renewals } from './lease-renewer.ts';
import type { Won } from './lock-acquisition.ts';

/** What a lock that was won stands on. */
export interface LockGround {
  readonly name: string;
  readonly won: Won;
  readonly ttlMs: number;
  readonly renew: boolean;
  readonly entries: KeyValue;
  readonly renewals: Renewals;
  /** Fires when the bus closes, which lets go of all locks. */
  readonly closing: AbortSignal;
  /** Called when it is held no more. */
  readonly onEnd: () => void;
}

/**
 * A lock that is held until {@link Lock.release}. It renews itself every third of its TTL. When that fails for a whole
 * TTL, or somebody else took the lock, it is lost: {@link Lock.signal} fires and work under it should stop.
 */
export class Lock implements AsyncDisposable {
  /** The name it was asked for. */
  readonly name: string;
  /**
   * The fencing token: higher than that of every earlier holder of this lock (of a semaphore: of this slot). Pass it on
   * to what the lock protects, and let that refuse tokens lower than one it has seen.
   */
  readonly token: number;
  readonly #ground: LockGround;
  readonly #held: Held;
  readonly #controller = new AbortController();
  #signal: AbortSignal | undefined;
  #released: Promise<void> | undefined;

  /** Made by the bus. */
  constructor(ground: LockGround) {
    const { name, won, ttlMs, renew, renewals } = ground;
    this.name = name;
    this.token = won.createRevision;
    this.#ground = ground;
    const { key, createRevision, until } = won;
    this.#held = { key, ttlMs, createRevision, until, renew, onLost: () => this.#lose() };
    renewals.keep(this.#held);
  }

  /** Fires with LEASE_LOST when the lock is lost, or CLOSED when the bus closes and lets go of it. Not on release. */
  get signal(): AbortSignal {
    this.#notice();
    this.#signal ??= AbortSignal.any([this.#controller.signal, this.#ground.closing]);
    return this.#signal;
  }

  /** Whether it was lost before it was released. */
  get lost(): boolean {
    this.#notice();
    return this.#controller.signal.aborted;
  }

  /** Renews it now, for a whole TTL. Rejects with LEASE_LOST when it is lost or was released. */
  async extend(): Promise<void> {
    this.#notice();
    if (this.#released !== undefined || !(await this.#ground.renewals.renew(this.#held))) throw lockLost(this.name);
  }

  /** Lets go of it. A second call gets the promise of the first; one that is lost is let go of without an error. */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #release(): Promise<void> {
    this.#notice();
    const { entries, renewals, won, onEnd } = this.#ground;
    renewals.drop(this.#held);
    onEnd();
    // Also when it seems lost: our clock is stricter than the store's, and the entry may still be there.
    await entries.delete(won.key, { ifRevision: won.revision });
  }

  /** A process that slept wakes up with a timer that is late: the clock decides. */
  #notice(): void {
    if (this.#released === undefined && performance.now() >= this.#held.until) this.#lose();
  }

  #lose(): void {
    if (this.#controller.signal.aborted) return;
    const { renewals, onEnd } = this.#ground;
    renewals.drop(this.#held);
    this.#controller.abort(lockLost(this.name));
    onEnd();
  }
}

/** LEASE_LOST, for the lock of that name. */
export function lockLost(name: string): BusbarError {
  return new BusbarError('LEASE_LOST', `the lock ${JSON.stringify(name)} is not held any more`, {
    outcome: 'unknown',
    hint: 'Stop what it protects; take a longer ttlMs, or do not block the event loop for longer than that.',
  });
}
