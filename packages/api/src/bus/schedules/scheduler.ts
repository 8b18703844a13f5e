/** The scheduler of a process: it waits to be the one that fires, and fires what is due. */

import { isBusbarError } from '../../contract/errors.ts';
import type { KvChange } from '../../contract/kv.ts';
import { MAX_TIMER_MS } from '../../contract/validation.ts';
import { Condition } from '../../driver-kit/condition.ts';
import { backoffMs } from '../consuming/backoff.ts';
import type { Lock } from '../locks/lock.ts';
import type { Locks } from '../locks/locks.ts';
import type { BusRuntime } from '../runtime.ts';
import type { BusPart } from '../shutdown.ts';
import type { Firing } from './firing.ts';
import { readSchedule, SCHEDULE_PREFIX, type ScheduleRecord, scheduleAt } from './schedule-record.ts';

/** Fires schedules while this process is the one that does. */
export interface Scheduler extends AsyncDisposable {
  /** Whether this process fires now. One process of a store does at a time; the others wait until it ends. */
  readonly isActive: boolean;
  /** Ends what it fires, and lets another process go on at once. Idempotent. */
  close(): Promise<void>;
}

/** What a scheduler needs. */
export interface SchedulerDependencies {
  readonly runtime: BusRuntime;
  readonly locks: Locks;
  readonly firing: Firing;
}

/** The lock of the process that fires. */
export const SCHEDULER_LOCK = 'busbar/scheduler';
const RETRY = { baseMs: 100, factor: 2, maxMs: 30_000, jitter: 'full' } as const;
/** How often it looks at the wall clock, which may be set. */
const CLOCK_MS = 5_000;

/** The scheduler of one call of `start`. */
export class SchedulerImpl implements Scheduler, BusPart {
  readonly #parts: SchedulerDependencies;
  readonly #leaseMs: number;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #isActive = false;

  constructor(parts: SchedulerDependencies, leaseMs: number) {
    this.#parts = parts;
    this.#leaseMs = leaseMs;
    const forget = parts.runtime.shutdown.add('consumers', this);
    this.#ended = this.#run().finally(forget);
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { locks, runtime } = this.#parts;
    const { signal } = this.#closing;
    const options = { leaseMs: this.#leaseMs, waitMs: Number.POSITIVE_INFINITY, signal };
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await locks.lock(SCHEDULER_LOCK, (lock) => this.#lead(lock as Lock), options);
        failures = 0;
      } catch (error) {
        if (signal.aborted || (isBusbarError(error) && error.code === 'CLOSED')) return;
        runtime.report(error, { kind: 'schedule' });
        await pause(backoffMs(RETRY, failures), signal);
      }
    }
  }

  /** Fires until the lock is lost, or this scheduler is closed. */
  async #lead(lock: Lock): Promise<void> {
    this.#isActive = true;
    try {
      await new Plan(this.#parts).run(AbortSignal.any([lock.signal, this.#closing.signal]));
    } finally {
      this.#isActive = false;
    }
  }
}

/** A schedule that is not paused, and has a next planned time. */
interface Planned {
  revision: number;
  /** By the wall clock. */
  nextAt: number | undefined;
  isFiring: boolean;
  failures: number;
  /** By `performance.now()`. */
  retryAt: number;
}

/** The next planned times of all schedules, as a watch reports them, and the timer for the first of them. */
class Plan {
  readonly #parts: SchedulerDependencies;
  readonly #all = new Map<string, Planned>();
  readonly #firing = new Set<Promise<void>>();
  readonly #changed = new Condition();

  constructor(parts: SchedulerDependencies) {
    this.#parts = parts;
  }

  /** Resolves when `over` has fired and nothing is fired any more. Rejects when the watch ended. */
  async run(over: AbortSignal): Promise<void> {
    const wake = (): void => this.#changed.notify();
    over.addEventListener('abort', wake, { once: true });
    const watch = await this.#parts.runtime.transport.kv.watch(SCHEDULE_PREFIX, (changes) => this.#take(changes));
    let ended = false;
    void watch.ended.then(() => {
      ended = true;
      wake();
    });
    try {
      while (!over.aborted && !ended) {
        this.#fireDue();
        await this.#changed.waitFor(this.#untilNext());
      }
    } finally {
      over.removeEventListener('abort', wake);
      await watch.close();
      await Promise.all(this.#firing);
    }
    const error = await watch.ended;
    if (!over.aborted && error !== undefined) throw error;
  }

  #take(changes: readonly KvChange[]): void {
    for (const change of changes) {
      if (change.kind === 'put')
        this.#note(scheduleAt(change.entry.key), change.entry.revision, this.#read(change.entry));
      else if (change.kind !== 'synced') this.#note(scheduleAt(change.key), change.revision, undefined);
    }
    this.#changed.notify();
  }

  #read(entry: Parameters<typeof readSchedule>[0]): ScheduleRecord | undefined {
    try {
      return readSchedule(entry);
    } catch (error) {
      this.#parts.runtime.report(error, { kind: 'schedule', schedule: scheduleAt(entry.key) });
      return undefined;
    }
  }

  /** The watch may report an older state than the one that this process has stored. */
  #note(name: string, revision: number, record: ScheduleRecord | undefined): void {
    const planned = this.#all.get(name) ?? { revision, nextAt: undefined, isFiring: false, failures: 0, retryAt: 0 };
    if (revision < planned.revision) return;
    planned.revision = revision;
    planned.nextAt = record?.isPaused === false ? record.nextAt : undefined;
    if (record === undefined && !planned.isFiring) this.#all.delete(name);
    else this.#all.set(name, planned);
  }

  #fireDue(): void {
    const [now, at] = [Date.now(), performance.now()];
    for (const [name, planned] of this.#all) {
      const { nextAt = Number.POSITIVE_INFINITY, isFiring, retryAt } = planned;
      if (isFiring || nextAt > now || retryAt > at) continue;
      planned.isFiring = true;
      const firing = this.#fire(name, planned).finally(() => {
        this.#firing.delete(firing);
        this.#changed.notify();
      });
      this.#firing.add(firing);
    }
  }

  async #fire(name: string, planned: Planned): Promise<void> {
    const { firing, runtime } = this.#parts;
    try {
      const stored = await firing.due(name);
      Object.assign(planned, { isFiring: false, failures: 0, retryAt: 0 });
      this.#note(name, stored?.revision ?? planned.revision, stored?.record);
    } catch (error) {
      const failures = planned.failures + 1;
      Object.assign(planned, { isFiring: false, failures, retryAt: performance.now() + backoffMs(RETRY, failures) });
      runtime.report(error, { kind: 'schedule', schedule: name });
    }
  }

  /** The time until something may be due, at most {@link CLOCK_MS}. */
  #untilNext(): number {
    if (this.#all.size === 0) return MAX_TIMER_MS;
    const [now, at] = [Date.now(), performance.now()];
    let wait = CLOCK_MS;
    for (const { nextAt, isFiring, retryAt } of this.#all.values()) {
      if (nextAt !== undefined && !isFiring) wait = Math.min(wait, Math.max(nextAt - now, retryAt - at));
    }
    return Math.max(1, wait);
  }
}

/** Waits for `ms`, or until `signal` fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const over = new Condition();
  const wake = (): void => over.notify();
  signal.addEventListener('abort', wake, { once: true });
  await over.waitFor(ms);
  signal.removeEventListener('abort', wake);
}
