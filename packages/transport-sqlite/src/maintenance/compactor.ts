/** Keeping the store small: what is over is removed, free pages go back to the disk, the WAL into the file. */

import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { boundLog, emptyLog } from '../connection/write-ahead-log.ts';
import { sweepTombstones } from '../kv/kv.ts';
import { sweepDedupe } from '../queues/dedupe.ts';
import { sweepEphemeral } from '../topics/ephemeral.ts';
import type { Sleepers } from '../wakeup/commit-notifier.ts';
import { sweepGoneQueues } from './deleted-queues.ts';
import { sweepDead, sweepIdleQueues } from './pruner.ts';
import { isOverBounds, trimLog } from './retention.ts';

/** How often it is looked whether there is something to do. One process does it for all. */
const EVERY_MS = 5000;
const EPHEMERAL_MS = 10_000;
const TOMBSTONE_MS = 3_600_000;
const TOUCH_BELL_MS = 60_000;
/** Queues that nobody waits for any more are kept on the list for so long: mostly somebody does soon. */
const FORGET_QUEUE_MS = 30_000;
/** Pages given back in one step: 1 MiB. */
const VACUUM_PAGES = 256;
/** Steps in one go: 16 MiB every 5 s are 11 GiB an hour, and a queue that fills and empties is not moved about. */
const VACUUM_STEPS = 16;
/** Free pages that are kept for what comes next: 256 KiB, or a quarter of the file. */
const SPARE_PAGES = 64;
/** Steps of one kind in one go, so that the others get their turn. */
const MAX_STEPS = 200;

/** Does a bounded part of its work. True when there is more. */
type Step = (transaction: Transaction) => boolean;

export class Housekeeping {
  readonly #store: Store;
  readonly #sleepers: Sleepers;
  readonly #steps: readonly Step[];
  #nextAt = performance.now() + EVERY_MS;
  #touchedAt = performance.now();
  #checkpointed = -1;

  constructor(store: Store, sleepers: Sleepers) {
    this.#store = store;
    this.#sleepers = sleepers;
    const { retention } = store.settings;
    this.#steps = [
      (transaction) => isOverBounds(transaction, retention) && trimLog(transaction, retention),
      sweepDedupe,
      sweepDead,
      sweepIdleQueues,
      sweepGoneQueues,
      (transaction) => sweepEphemeral(transaction, EPHEMERAL_MS),
      (transaction) => sweepTombstones(transaction, TOMBSTONE_MS),
    ];
  }

  /** Does what there is to do, when it is time. */
  async run(): Promise<void> {
    const now = performance.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    boundLog(this.#store.db, this.#store.path);
    await this.#keepBell(now);
    await this.#sleepers.waiting.forget(now - FORGET_QUEUE_MS);
    // So that none falls behind the tombstones only because nothing it watches has changed.
    this.#sleepers.watches.look();
    if (await this.#isMyTurn()) {
      for (const step of this.#steps) await this.#repeat(step);
      await this.#giveBack();
    }
    this.#checkpoint();
  }

  async #repeat(step: Step): Promise<void> {
    for (let count = 0; count < MAX_STEPS; count += 1) {
      if (!(await this.#sleepers.batcher.write(step))) return;
    }
  }

  /** Whether there is something to do that no other process is at. An idle store is not written to. */
  async #isMyTurn(): Promise<boolean> {
    const { batcher } = this.#sleepers;
    const { retention } = this.#store.settings;
    if (!(await batcher.read((transaction) => isNeeded(transaction) || isOverBounds(transaction, retention))))
      return false;
    return batcher.write(takeTurn);
  }

  /** Shows that this process is alive, and forgets those that are not. */
  async #keepBell(now: number): Promise<void> {
    const { bell, listeners, batcher } = this.#sleepers;
    if (now - this.#touchedAt < TOUCH_BELL_MS) return;
    this.#touchedAt = now;
    if (!bell.touch()) this.#rehang();
    for (const process of bell.removeAbandoned()) {
      await batcher.write((transaction) => listeners.removeProcess(transaction, process));
    }
  }

  /** This process was taken for dead, having been stopped for long: it says anew what it listens for. */
  #rehang(): void {
    const { bell, listeners, batcher } = this.#sleepers;
    const kinds = ['queue', 'topic', 'entry'] as const;
    const all = kinds.map((kind) => [kind, listeners.own(kind)] as const);
    listeners.forgetOwn();
    bell.hang();
    batcher
      .write((transaction) => {
        for (const [kind, names] of all) for (const name of names) listeners.add(transaction, kind, name);
      })
      .catch(() => undefined);
  }

  /** After a burst the file shrinks step by step. */
  async #giveBack(): Promise<void> {
    for (let count = 0; count < VACUUM_STEPS && freePages(this.#store) > sparePages(this.#store); count += 1) {
      await this.#sleepers.batcher.write(({ store }) => {
        store.db.pragma(`incremental_vacuum(${VACUUM_PAGES})`);
      });
    }
  }

  /** Once writing has paused, what the WAL holds goes into the file: it is short when the store is opened next. */
  #checkpoint(): void {
    const written = this.#sleepers.batcher.committed;
    const hasPaused = written !== this.#checkpointed && performance.now() - this.#sleepers.batcher.committedAt > 1000;
    if (!hasPaused) return;
    this.#checkpointed = written;
    emptyLog(this.#store.db, this.#store.path);
  }
}

function freePages(store: Store): number {
  return store.value('PRAGMA freelist_count') as number;
}

function sparePages(store: Store): number {
  return Math.max(SPARE_PAGES, (store.value('PRAGMA page_count') as number) / 4);
}

function isNeeded({ store, now }: Transaction): boolean {
  if (freePages(store) > sparePages(store)) return true;
  const found = store
    .sql(
      `SELECT 1 WHERE EXISTS (SELECT 1 FROM dedupe_sweep WHERE n < @now * 4096)
        OR EXISTS (SELECT 1 FROM queue WHERE ns IS NULL)
        OR EXISTS (SELECT 1 FROM queue WHERE expire_idle_ms IS NOT NULL AND used_at + expire_idle_ms <= @now)
        OR EXISTS (SELECT 1 FROM ephemeral WHERE at < @now - ${EPHEMERAL_MS})
        OR EXISTS (SELECT 1 FROM entry WHERE gone IS NOT NULL AND gone_at < @now - ${TOMBSTONE_MS})
        OR EXISTS (SELECT 1 FROM queue WHERE dead > 0 AND dead_ttl_ms IS NOT NULL AND (
          SELECT died_at FROM dead WHERE dead.queue_id = queue.id ORDER BY dead.seq LIMIT 1) <= @now - dead_ttl_ms)`,
    )
    .get({ now });
  return found !== undefined;
}

/** Whether no other process has had its turn lately. Keeps the store's time, too. */
function takeTurn({ store, now }: Transaction): boolean {
  const last = store.value("SELECT value FROM meta WHERE key='time'");
  if (typeof last === 'number' && now - last < EVERY_MS / 2 && now >= last) return false;
  store.sql("INSERT OR REPLACE INTO meta VALUES ('time', ?)").run(now);
  return true;
}
