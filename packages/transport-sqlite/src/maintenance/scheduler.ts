/** Schedules work that is due without a call: delays, lease ends, expiry, backfill, missed wake-ups and maintenance. */

import type { WorkFailures } from '@busbar/api/driver';
import { releaseGates } from '../admin/gate.ts';
import type { Batcher } from '../connection/batcher.ts';
import { CLOSED_NAMESPACES, CLOSED_QUEUES, IS_LEASED } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { expireEntries } from '../kv/kv.ts';
import { backfillAny } from '../topics/backfill.ts';
import type { LocalWaiters } from '../wakeup/local-waiters.ts';
import type { CommitNotifier } from '../wakeup/notifier.ts';
import type { WakeupFile } from '../wakeup/wakeup-file.ts';
import type { Maintenance } from './maintenance.ts';
import { promoteAllDue } from './promoter.ts';
import { pruneExpiredMessages } from './pruner.ts';
import { rescueExpiredLeases } from './rescuer.ts';

/** A look at the store takes 20 µs, so once a second is 0.002 % of a CPU. */
const LOOK_MS = 1000;
/** Without a watched wake-up file the process polls: fast for a second after each change, otherwise slowly. */
const POLL_BUSY_MS = 2;
const POLL_IDLE_MS = 25;
const BUSY_FOR_MS = 1000;
/** A process that waits for nothing still takes part in maintenance. */
const IDLE_LOOK_MS = 5000;

/** What the scheduler works with. */
export interface SchedulerParts {
  readonly batcher: Batcher;
  readonly commits: CommitNotifier;
  readonly wakeupFile: WakeupFile;
  readonly waiters: LocalWaiters;
  readonly maintenance: Maintenance;
  readonly failures: WorkFailures;
}

export class Scheduler {
  readonly #store: Store;
  readonly #parts: SchedulerParts;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #dataVersion = '';
  #changedAt = 0;
  #isRunning = false;
  #isClosed = false;

  constructor(store: Store, parts: SchedulerParts) {
    this.#store = store;
    this.#parts = parts;
    parts.commits.committed.subscribe(({ readyQueues }) => {
      if (readyQueues.size > 0) this.#reschedule();
    });
    parts.waiters.changed.subscribe(() => this.#reschedule());
    this.#arm(IDLE_LOOK_MS);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #reschedule(): void {
    if (!this.#isClosed) this.#arm(this.#safePause());
  }

  #arm(ms: number): void {
    const at = performance.now() + ms;
    const isSoonEnough = this.#timer !== undefined && this.#timerAt <= at + 0.5;
    if (!isSoonEnough) {
      clearTimeout(this.#timer);
      this.#timerAt = at;
      this.#timer = setTimeout(() => void this.#onTimer(), ms);
      this.#timer.unref();
    }
  }

  /** Time until the next look. */
  #pause(): number {
    const { waiters, wakeupFile } = this.#parts;
    if (waiters.isEmpty) return IDLE_LOOK_MS;
    if (!this.#store.isOpen) return LOOK_MS;
    const queueDueAt = waiters.hasReceives ? nextQueueDueAt(this.#store) : Number.POSITIVE_INFINITY;
    const kvDueAt = waiters.hasWatches ? nextKvDueAt(this.#store) : Number.POSITIVE_INFINITY;
    const untilDue = Math.max(0, Math.min(queueDueAt, kvDueAt) - this.#store.clock.now());
    return Math.min(wakeupFile.isWatched ? LOOK_MS : this.#pollPause(), untilDue);
  }

  #pollPause(): number {
    return performance.now() - this.#changedAt < BUSY_FOR_MS ? POLL_BUSY_MS : POLL_IDLE_MS;
  }

  async #onTimer(): Promise<void> {
    this.#timer = undefined;
    if (this.#isClosed || this.#isRunning) return;
    this.#isRunning = true;
    try {
      await this.#run();
    } catch (error) {
      if (!this.#isClosed) this.#parts.failures.report('maintenance', error);
    }
    this.#isRunning = false;
    if (!this.#isClosed) this.#arm(Math.max(1, this.#safePause()));
  }

  async #run(): Promise<void> {
    const { batcher, waiters, maintenance, wakeupFile } = this.#parts;
    if (!(await batcher.isReady())) return;
    wakeupFile.check();
    if (this.#hasChanged()) {
      batcher.observe();
      waiters.wakeAll();
    }
    while (!this.#isClosed && isAnythingDue(this.#store)) {
      if (!(await batcher.write(runDueStep))) break;
    }
    if (this.#isClosed || !(await maintenance.run())) return;
    // A watch without changes reads on, so that it does not fall behind the pruned tombstones.
    waiters.wakeWatches();
  }

  /** A damaged or removed store is looked at again. */
  #safePause(): number {
    try {
      return this.#pause();
    } catch {
      return LOOK_MS;
    }
  }

  /** Whether another process has written since the last look. */
  #hasChanged(): boolean {
    const version = `${this.#store.openCount} ${this.#store.value('PRAGMA data_version')}`;
    if (version === this.#dataVersion) return false;
    this.#dataVersion = version;
    this.#changedAt = performance.now();
    return true;
  }
}

/** Whether anything is due. Reads only, without the write lock. */
function isAnythingDue(store: Store): boolean {
  return store.exists(
    `SELECT 1 WHERE EXISTS (SELECT 1 FROM delayed WHERE due<=@now AND queue_id NOT IN (${CLOSED_QUEUES}))
      OR EXISTS (SELECT 1 FROM leased WHERE until<=@now)
      OR EXISTS (SELECT 1 FROM message WHERE expires IS NOT NULL AND expires<=@now
        AND queue_id NOT IN (${CLOSED_QUEUES}) AND NOT ${IS_LEASED})
      OR EXISTS (SELECT 1 FROM kv WHERE expires IS NOT NULL AND expires<=@now AND ns NOT IN (${CLOSED_NAMESPACES}))
      OR EXISTS (SELECT 1 FROM queue WHERE backfills > 0 AND id NOT IN (${CLOSED_QUEUES}))
      OR EXISTS (SELECT 1 FROM namespace WHERE gate_until<=@now)`,
    { now: store.clock.now() },
  );
}

/** Does a step of everything that is due, in all namespaces. Returns true when there is more. */
function runDueStep(tx: Transaction): boolean {
  const isMore = [
    releaseGates(tx),
    promoteAllDue(tx),
    rescueExpiredLeases(tx),
    pruneExpiredMessages(tx),
    expireEntries(tx),
    backfillAny(tx),
  ];
  return isMore.includes(true);
}

/** When the next delay or lease ends. */
function nextQueueDueAt(store: Store): number {
  return Math.min(
    minimum(store, `SELECT due FROM delayed WHERE queue_id NOT IN (${CLOSED_QUEUES}) ORDER BY due LIMIT 1`),
    minimum(store, 'SELECT min(until) FROM leased'),
  );
}

/** When the next kv entry expires. */
function nextKvDueAt(store: Store): number {
  return minimum(
    store,
    `SELECT expires FROM kv WHERE expires IS NOT NULL AND ns NOT IN (${CLOSED_NAMESPACES}) ORDER BY expires LIMIT 1`,
  );
}

function minimum(store: Store, query: string): number {
  return (store.value(query) as number | null | undefined) ?? Number.POSITIVE_INFINITY;
}
