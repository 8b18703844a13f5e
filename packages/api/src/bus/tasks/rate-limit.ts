/** Rate limits: how many tasks of a queue may start in a time. The store counts them, for all workers of the queue. */

import { isBusbarError } from '../../contract/errors.ts';
import type { KvEntry } from '../../contract/kv.ts';
import { checkDuration, checkInteger, checkOptions } from '../../contract/validation.ts';
import { Condition } from '../../driver-kit/condition.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import { RetryError } from '../consuming/failure.ts';
import type { BusRuntime } from '../runtime.ts';

/** How many tasks may start in a time. */
export interface RateLimit {
  /** The most tasks that start in one window, 1 to 1,000,000. */
  readonly max: number;
  /** How long a window lasts, 10 to 86,400,000 (1 d). It begins with the first task that starts. */
  readonly perMs: number;
}

/** A window of time, as far as this process knows it. */
interface Window {
  readonly revision: number;
  /** How many tasks have started in it. */
  readonly used: number;
  /** By `performance.now()`, never before its end in the store. */
  readonly endsAt: number;
}

/** A task that waits for its turn. */
interface Waiting {
  readonly lease: DeliveryLease;
  resolve(): void;
  reject(error: Error): void;
}

/** How long the count of a window is kept after it. */
const KEPT_MS = 60_000;
/** The wait after a failed call. */
const FAILED_MS = 1000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Throws INVALID_ARGUMENT. */
export function checkRateLimit(limit: RateLimit | undefined): void {
  if (limit === undefined) return;
  checkOptions(limit, ['max', 'perMs'], 'rateLimit');
  checkInteger(limit.max ?? Number.NaN, 'rateLimit.max', { min: 1, max: 1_000_000 });
  checkDuration(limit.perMs ?? Number.NaN, 'rateLimit.perMs', { min: 10, max: 86_400_000 });
}

/** The rate limit of one worker. */
export class RateLimiter {
  readonly #runtime: BusRuntime;
  readonly #queue: string;
  readonly #limit: RateLimit;
  readonly #stopped = new Condition();
  #waiting: Waiting[] = [];
  #window: Window | undefined;
  #isStopped = false;
  #isRunning = false;

  constructor(runtime: BusRuntime, queue: string, limit: RateLimit) {
    this.#runtime = runtime;
    this.#queue = queue;
    this.#limit = limit;
  }

  /** Resolves when the task of `lease` may start. Rejects with a RetryError that counts no attempt when the worker stops. */
  take(lease: DeliveryLease): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ lease, resolve, reject });
    if (!this.#isRunning) void this.#run();
    return promise;
  }

  /** Tasks that wait go back to the queue. */
  stop(): void {
    this.#isStopped = true;
    this.#stopped.notify();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Tasks that come in one turn share a call.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#isStopped) {
      this.#waiting = this.#waiting.filter(({ lease, resolve }) => {
        if (lease.isOver || lease.isAborted) resolve();
        return !lease.isOver && !lease.isAborted;
      });
      const count = await this.#reserve(this.#waiting.length);
      for (const { resolve } of this.#waiting.splice(0, count)) resolve();
      const leftMs = (this.#window?.endsAt ?? 0) - performance.now();
      if (this.#waiting.length > 0 && !this.#isStopped) await this.#stopped.waitFor(Math.max(1, leftMs));
    }
    this.#isRunning = false;
    if (!this.#isStopped) return;
    const stops = new RetryError('the worker stops', { afterMs: 0, countAttempt: false });
    for (const { reject } of this.#waiting.splice(0)) reject(stops);
  }

  /** How many of `wanted` tasks may start now. After a failure none. */
  async #reserve(wanted: number): Promise<number> {
    try {
      this.#window ??= this.#toWindow(await this.#runtime.transport.kv.get(this.#key));
      for (;;) {
        const count = await this.#tryReserve(wanted);
        if (count !== undefined) return count;
      }
    } catch (error) {
      const isClosed = isBusbarError(error) && error.code === 'CLOSED';
      if (!isClosed) this.#runtime.report(error, { kind: 'task', queue: this.#queue });
      this.#window = undefined;
      await this.#stopped.waitFor(FAILED_MS);
      return 0;
    }
  }

  /** Undefined if another process has changed the count. */
  async #tryReserve(wanted: number): Promise<number | undefined> {
    const { max, perMs } = this.#limit;
    const known = this.#window;
    const now = performance.now();
    const isOver = known === undefined || now >= known.endsAt;
    const used = isOver ? 0 : known.used;
    const count = Math.min(wanted, max - used);
    if (count <= 0) return 0;
    const leftMs = isOver ? perMs : known.endsAt - now;
    const options = { ttlMs: Math.ceil(leftMs) + KEPT_MS, ifRevision: known?.revision ?? 0 };
    const put = await this.#runtime.transport.kv.put(this.#key, encoder.encode(`${used + count}`), options);
    if (put.status === 'conflict') {
      this.#window = this.#toWindow(put.current);
      return undefined;
    }
    const endsAt = isOver ? performance.now() + perMs : known.endsAt;
    this.#window = { revision: put.revision, used: used + count, endsAt };
    return count;
  }

  #toWindow(entry: KvEntry | undefined): Window | undefined {
    if (entry === undefined) return undefined;
    const endsAt = performance.now() + (entry.ttlLeftMs ?? 0) - KEPT_MS;
    return { revision: entry.revision, used: Number(decoder.decode(entry.value)) || 0, endsAt };
  }

  get #key(): string {
    return `$task/#rate/${this.#queue}`;
  }
}
