/** A held lock with its fencing token and its signal. */

import { BusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { KeyValue, KvEntry } from '../../contract/kv.ts';
import { readObject } from '../messages/codec.ts';
import type { LeaseRenewer, RenewedEntry } from './lease-renewer.ts';
import type { AcquiredLock } from './lock-acquisition.ts';

/** What a lock works with. */
export interface LockDependencies {
  readonly name: string;
  readonly acquired: AcquiredLock;
  readonly leaseMs: number;
  readonly renew: boolean;
  readonly kv: KeyValue;
  readonly renewer: LeaseRenewer;
  /** Fires when the bus closes and releases its locks. */
  readonly closing: AbortSignal;
  /** Called when the lock is released or lost. */
  readonly onEnd: () => void;
}

/** The holder of a lock. */
export interface LockHolder {
  readonly owner: string;
  /** Its process, if known. */
  readonly pid: number | undefined;
  readonly host: string | undefined;
  /** When it took the lock, in milliseconds since 1970 by its clock. */
  readonly since: number;
  /** Its fencing token. */
  readonly token: number;
  /** How long its lease lasts without renewal. */
  readonly leaseLeftMs: number | undefined;
}

/** The process that asks for a lock. */
export type LockOwner = Pick<LockHolder, 'owner' | 'pid' | 'host'>;

const encoder = new TextEncoder();

/**
 * A lock that is held until {@link Lock.release}. It renews itself every third of its lease. It is lost when that fails for
 * a whole lease, or when another holder took the lock: then {@link Lock.signal} fires, and work under it must stop.
 */
export interface Lock extends AsyncDisposable {
  /** The name of the lock. */
  readonly name: string;
  /**
   * The fencing token: higher than that of every earlier holder of this lock (of a semaphore: of this slot). Pass it to
   * the protected resource, and let the resource refuse tokens lower than the highest it has seen.
   */
  readonly token: number;
  /** Fires with LEASE_LOST when the lock is lost, with CLOSED when the bus closes and releases it. Not on release. */
  readonly signal: AbortSignal;
  /** Whether it was lost before it was released. */
  readonly lost: boolean;
  /** Renews it now, for a whole lease. Rejects with LEASE_LOST when it is lost or was released. */
  extend(): Promise<void>;
  /** Releases it. A second call returns the promise of the first. Releasing a lost lock is no error. */
  release(): Promise<void>;
}

/** A lock over an entry. */
export class LockImpl implements Lock {
  readonly name: string;
  readonly token: number;
  readonly #ground: LockDependencies;
  readonly #held: RenewedEntry;
  readonly #controller = new AbortController();
  #signal: AbortSignal | undefined;
  #released: Promise<void> | undefined;

  constructor(ground: LockDependencies) {
    const { name, acquired, leaseMs, renew, renewer } = ground;
    this.name = name;
    this.token = acquired.createRevision;
    this.#ground = ground;
    const { key, createRevision, until } = acquired;
    this.#held = { key, ttlMs: leaseMs, createRevision, until, renew, onLost: () => this.#lose() };
    renewer.track(this.#held);
  }

  get signal(): AbortSignal {
    this.#notice();
    this.#signal ??= AbortSignal.any([this.#controller.signal, this.#ground.closing]);
    return this.#signal;
  }

  get lost(): boolean {
    this.#notice();
    return this.#controller.signal.aborted;
  }

  async extend(): Promise<void> {
    this.#notice();
    if (this.#released !== undefined || !(await this.#ground.renewer.renew(this.#held))) throw lockLost(this.name);
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #release(): Promise<void> {
    this.#notice();
    const { kv, renewer, acquired, onEnd } = this.#ground;
    renewer.untrack(this.#held);
    onEnd();
    // Also when it seems lost: the local clock is stricter than the store's, so the entry may still exist.
    await kv.delete(acquired.key, { ifRevision: acquired.revision });
  }

  /** Timers of a suspended process fire late, so the clock decides. */
  #notice(): void {
    if (this.#released === undefined && performance.now() >= this.#held.until) this.#lose();
  }

  #lose(): void {
    if (this.#controller.signal.aborted) return;
    const { renewer, onEnd } = this.#ground;
    renewer.untrack(this.#held);
    this.#controller.abort(lockLost(this.name));
    onEnd();
  }
}

/** LEASE_LOST for the lock `name`. */
export function lockLost(name: string): BusbarError {
  return new BusbarError('LEASE_LOST', `the lock ${JSON.stringify(name)} is not held any more`, {
    outcome: 'unknown',
    hint: 'Stop the protected work. Set a longer leaseMs, or do not block the event loop for longer than that.',
  });
}

/** The value of a lock's entry. It is unique, so its writer recognizes it. */
export function encodeHolder({ owner, pid, host }: LockOwner): Uint8Array {
  return encoder.encode(JSON.stringify({ owner, pid, host, since: Date.now(), nonce: newId() }));
}

/** The holder that an entry names. */
export function holderOf({ value, createRevision: token, ttlLeftMs: leaseLeftMs }: KvEntry): LockHolder {
  const { owner, pid, host, since } = readObject(value) ?? {};
  return {
    owner: typeof owner === 'string' ? owner : 'unknown',
    pid: typeof pid === 'number' ? pid : undefined,
    host: typeof host === 'string' ? host : undefined,
    since: typeof since === 'number' ? since : 0,
    token,
    leaseLeftMs,
  };
}
