/** Rate limits: how many tasks of a queue may start in a time. The store counts them, for all workers of the queue. */

import type { CallOptions } from '../../contract/call-options.ts';
import { BusbarError, isBusbarError } from '../../contract/errors.ts';
import type { KvEntry } from '../../contract/kv.ts';
import { Condition } from '../../driver-kit/condition.ts';
import type { DeliveryLease } from '../consuming/delivery-leases.ts';
import { RetryError } from '../consuming/failure.ts';
import type { BusRuntime } from '../runtime.ts';
import type { MoveWatch } from './move-watch.ts';
import { encodeLimit, limitKey, type RateLimit, readLimit, type StoredLimit } from './queue-settings.ts';
import { type EntryChange, WorkerWatch } from './worker-watch.ts';

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

/** The rate limit of a queue at one worker. */
export class RateLimiter {
  readonly #runtime: BusRuntime;
  readonly #queue: string;
  /** The option of the worker. */
  readonly #own: RateLimit | undefined;
  readonly #watch: WorkerWatch;
  readonly #moves: MoveWatch;
  readonly #changed = new Condition();
  #stored: StoredLimit | undefined;
  #waiting: Waiting[] = [];
  #window: Window | undefined;
  #isOpen = false;
  #isStopped = false;
  #isRunning = false;

  constructor(runtime: BusRuntime, queue: string, own: RateLimit | undefined, moves: MoveWatch) {
    this.#runtime = runtime;
    this.#queue = queue;
    this.#own = own;
    this.#moves = moves;
    this.#watch = new WorkerWatch(runtime, { kind: 'task', queue }, (change) => this.#onChange(change));
  }

  /** Follows the limit of the queue. Without one, or over that of another worker, it stores the option of this worker. */
  async open(bounds: CallOptions | undefined): Promise<void> {
    await this.#watch.open(limitKey(this.#queue), bounds);
    await this.#offer(({ isOption }) => isOption, bounds);
    this.#isOpen = true;
    this.#compare();
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  /**
   * Resolves when the task of `lease` may start; undefined if there is no limit. Rejects with a RetryError that counts no attempt
   * when the worker stops, or gives it back.
   */
  take(lease: DeliveryLease): Promise<void> | undefined {
    if (this.#limit === undefined) return undefined;
    this.#moves.follow(this);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ lease, resolve, reject });
    // One that lost its lease makes room for another.
    lease.onAbort(() => this.#changed.notify());
    if (!this.#isRunning) void this.#run();
    return promise;
  }

  /** Tasks that wait go back to the queue, and so do those that come. */
  stop(): void {
    this.#isStopped = true;
    this.#changed.notify();
  }

  /** Tasks that wait go back to the queue. */
  giveBack(error: RetryError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#changed.notify();
  }

  get #limit(): RateLimit | undefined {
    return this.#stored?.limit ?? this.#own;
  }

  /** Stores the option where there is no limit, or one that `replaces` accepts. */
  async #offer(replaces: (stored: StoredLimit) => boolean, bounds?: CallOptions): Promise<void> {
    const own = this.#own;
    if (own === undefined) return;
    for (;;) {
      const stored = this.#stored;
      if (stored !== undefined && (isEqual(stored.limit, own) || !replaces(stored))) return;
      const options = { ifRevision: stored?.revision ?? 0, ...bounds };
      const put = await this.#runtime.transport.kv.put(limitKey(this.#queue), encodeLimit(own, true), options);
      if (put.status === 'stored') this.#set({ limit: own, isOption: true, revision: put.revision });
      else this.#set(put.current && readLimit(put.current));
    }
  }

  #onChange(change: EntryChange): void {
    if (change.kind === 'put') {
      this.#set(readLimit(change.entry));
      this.#compare();
      return;
    }
    this.#set(undefined);
    if (this.#isOpen) void this.#offer(() => false).catch((error: unknown) => this.#report(error));
  }

  #set(stored: StoredLimit | undefined): void {
    this.#stored = stored;
    // A shorter window ends sooner.
    this.#window = undefined;
    this.#changed.notify();
  }

  /** Reports that the option of this worker does not count. */
  #compare(): void {
    const [own, stored] = [this.#own, this.#stored];
    if (!this.#isOpen || own === undefined || stored === undefined || isEqual(stored.limit, own)) return;
    const text = `the rate limit of ${this.#queue} is ${toText(stored.limit)}, and not ${toText(own)} as this worker says`;
    const hint = stored.isOption
      ? 'Another worker has set it since. Give all workers of the queue the same rateLimit.'
      : 'It is a setting of the queue. Change it with configure, or leave out the rateLimit of the worker.';
    this.#report(new BusbarError('CONFLICT', text, { hint }));
  }

  #report(error: unknown): void {
    this.#runtime.report(error, { kind: 'task', queue: this.#queue });
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
      if (this.#waiting.length > 0 && !this.#isStopped) await this.#changed.waitFor(Math.max(1, leftMs));
    }
    this.#isRunning = false;
    if (this.#isStopped) this.giveBack(new RetryError('the worker stops', { afterMs: 0, countAttempt: false }));
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
      if (!isClosed) this.#report(error);
      this.#window = undefined;
      await this.#changed.waitFor(FAILED_MS);
      return 0;
    }
  }

  /** Undefined if another process has changed the count. */
  async #tryReserve(wanted: number): Promise<number | undefined> {
    const limit = this.#limit;
    if (limit === undefined) return wanted;
    const { max, perMs } = limit;
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
    const leftMs = Math.min((entry.ttlLeftMs ?? 0) - KEPT_MS, this.#limit?.perMs ?? 0);
    const endsAt = performance.now() + leftMs;
    return { revision: entry.revision, used: Number(decoder.decode(entry.value)) || 0, endsAt };
  }

  get #key(): string {
    return `$task/#rate/${this.#queue}`;
  }
}

function isEqual(one: RateLimit, other: RateLimit): boolean {
  return one.max === other.max && one.perMs === other.perMs;
}

function toText({ max, perMs }: RateLimit): string {
  return `${max} in ${perMs} ms`;
}
