/** What has to be done though nobody calls: what comes due, what is over, and looking for rings that were missed. */

import { promoteDue } from './due.ts';
import { expireEntries } from './entries.ts';
import { expireJobs } from './expiry.ts';
import { copyHistory } from './history.ts';
import { Housekeeping } from './housekeeping.ts';
import { requeueExpired } from './leases.ts';
import type { Sleepers } from './signals.ts';
import type { Store } from './store.ts';
import type { Transaction } from './transaction.ts';

/** A look at the store costs 20 µs, so once a second is 0.002 % of a CPU. */
const LOOK_MS = 1000;
/** Where no bell is heard: looks while something went on within the last second, and otherwise. */
const DEAF_BUSY_MS = 2;
const DEAF_IDLE_MS = 25;
const BUSY_FOR_MS = 1000;
/** A process that neither waits nor watches still helps to keep the store small. */
const IDLE_LOOK_MS = 5000;

export class Sweeper {
  readonly #store: Store;
  readonly #sleepers: Sleepers;
  readonly #housekeeping: Housekeeping;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #dataVersion = -1;
  #changedAt = 0;
  #isBusy = false;
  #isClosed = false;

  constructor(store: Store, sleepers: Sleepers) {
    this.#store = store;
    this.#sleepers = sleepers;
    this.#housekeeping = new Housekeeping(store, sleepers);
    this.#arm(IDLE_LOOK_MS);
  }

  /** Who waits has changed: so may have when to look next. */
  reschedule(): void {
    if (this.#isClosed) return;
    this.#sleepers.bell.keepAlive(this.#isWanted());
    this.#arm(this.#pause());
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** The bell was rung. */
  rung(): void {
    if (this.#isClosed) return;
    this.#lookAtQueues();
    this.#sleepers.cursors.look();
    this.#sleepers.watches.look();
    this.reschedule();
  }

  #isWanted(): boolean {
    const { waiting, cursors, watches } = this.#sleepers;
    return waiting.size + cursors.size + watches.size > 0;
  }

  #arm(ms: number): void {
    const at = performance.now() + ms;
    if (this.#timer !== undefined && this.#timerAt <= at + 0.5 && this.#timerAt > performance.now()) {
      if (this.#isWanted()) this.#timer.ref();
      else this.#timer.unref();
      return;
    }
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => void this.#tick(), ms);
    if (!this.#isWanted()) this.#timer.unref();
  }

  /** How long nothing has to be looked at. */
  #pause(): number {
    if (!this.#isWanted()) return IDLE_LOOK_MS;
    const untilDue = Math.max(0, this.#nextDue() - this.#store.clock.now());
    return Math.min(LOOK_MS, this.#deafPause(), untilDue);
  }

  #deafPause(): number {
    if (this.#sleepers.bell.isHeard) return LOOK_MS;
    return performance.now() - this.#changedAt < BUSY_FOR_MS ? DEAF_BUSY_MS : DEAF_IDLE_MS;
  }

  /** When something comes due that may concern who waits here. */
  #nextDue(): number {
    const least = (text: string): number => (this.#store.value(text) as number | null) ?? Number.POSITIVE_INFINITY;
    let due = Number.POSITIVE_INFINITY;
    if (this.#sleepers.waiting.size > 0) {
      due = Math.min(least('SELECT min(due) FROM delayed'), least('SELECT min(until) FROM leased'));
    }
    if (this.#sleepers.watches.size > 0) {
      due = Math.min(due, least('SELECT min(expires) FROM entry WHERE expires IS NOT NULL'));
    }
    return due;
  }

  async #tick(): Promise<void> {
    this.#timer = undefined;
    if (this.#isClosed || this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (this.#hasChanged()) this.rung();
      while (!this.#isClosed && this.#isSomethingDue() && (await this.#bringForward())) await nextTurn();
      await this.#housekeeping.run();
    } catch (error) {
      this.#report(error);
    } finally {
      this.#isBusy = false;
    }
    if (!this.#isClosed) this.#arm(Math.max(1, this.#pause()));
  }

  #report(error: unknown): void {
    if (!this.#isClosed && error instanceof Error) this.#store.settings.onError(error);
  }

  /** Whether another process has written since the last look. */
  #hasChanged(): boolean {
    const version = this.#store.value('PRAGMA data_version') as number;
    if (version === this.#dataVersion) return false;
    this.#dataVersion = version;
    this.#changedAt = performance.now();
    return true;
  }

  #isSomethingDue(): boolean {
    const now = this.#store.clock.now();
    const due = this.#store.value(
      `SELECT 1 WHERE EXISTS (SELECT 1 FROM delayed WHERE due<=?) OR EXISTS (SELECT 1 FROM leased WHERE until<=?)
        OR EXISTS (SELECT 1 FROM job WHERE expires IS NOT NULL AND expires<=?)
        OR EXISTS (SELECT 1 FROM entry WHERE expires IS NOT NULL AND expires<=?)
        OR EXISTS (SELECT 1 FROM binding WHERE next IS NOT NULL)`,
      now,
      now,
      now,
      now,
    );
    return due !== undefined;
  }

  /** A step of everything that has come due. True when there is more. */
  #bringForward(): Promise<boolean> {
    return this.#sleepers.batcher.write((transaction) => {
      const isMore = [
        promoteAll(transaction),
        requeueExpired(transaction),
        expireJobs(transaction),
        expireEntries(transaction),
        copyAll(transaction),
      ];
      return isMore.includes(true);
    });
  }

  /** Has those look whose queue holds something, should a ring have been missed. */
  #lookAtQueues(): void {
    const { waiting } = this.#sleepers;
    if (waiting.size === 0) return;
    const { ns } = this.#store;
    if (waiting.queues.size <= FEW_QUEUES) {
      for (const queue of waiting.queues.keys()) waiting.look(queue);
      return;
    }
    const ready = this.#store.sql<[string]>('SELECT name FROM queue WHERE ns=? AND ready > 0').all(ns);
    for (const [queue] of ready) waiting.look(queue);
  }
}

/** As long as so few queues are waited for, each is looked at; beyond, all that hold something are listed. */
const FEW_QUEUES = 100;

function promoteAll(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const ids = store
    .sql<[number]>('SELECT DISTINCT queue_id FROM (SELECT queue_id FROM delayed WHERE due<=? ORDER BY due LIMIT 500)')
    .all(now);
  let isMore = false;
  for (const [id] of ids) {
    const queue = transaction.queueById(id);
    if (queue !== undefined && promoteDue(transaction, queue)) isMore = true;
  }
  return isMore;
}

function copyAll(transaction: Transaction): boolean {
  const { store } = transaction;
  const [id] =
    store.sql<[number]>('SELECT queue_id FROM binding WHERE next IS NOT NULL AND ns=? LIMIT 1').get(store.ns) ?? [];
  const queue = id === undefined ? undefined : transaction.queueById(id);
  return queue !== undefined && (copyHistory(transaction, queue) || copyAllIsMore(transaction));
}

function copyAllIsMore({ store }: Transaction): boolean {
  return store.value('SELECT 1 FROM binding WHERE next IS NOT NULL AND ns=?', store.ns) !== undefined;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
