/** Keeping the store small: what is over is removed, free pages go back to the disk, the WAL into the file. */

import { sweepDedupe } from './dedupe.ts';
import { sweepTombstones } from './entries.ts';
import { sweepEphemeral } from './ephemeral.ts';
import { sweepGoneQueues } from './gone-queues.ts';
import { deleteQueue } from './operations.ts';
import { isOverBounds, trimLog } from './retention.ts';
import type { Sleepers } from './signals.ts';
import type { Store } from './store.ts';
import type { Transaction } from './transaction.ts';

/** One process does it for all, this often. */
const EVERY_MS = 5000;
const EPHEMERAL_MS = 10_000;
const TOMBSTONE_MS = 3_600_000;
const TOUCH_BELL_MS = 60_000;
/** Rows of one step. */
const STEP = 500;
/** Pages given back in one step: 1 MiB. */
const VACUUM_PAGES = 256;
/** Free pages that are kept for what comes next: 4 MiB, or a quarter of the file. */
const SPARE_PAGES = 1000;
/** Steps in one go, so that calls get their turn between. */
const MAX_STEPS = 200;

type Step = (transaction: Transaction) => boolean;

export class Housekeeping {
  readonly #store: Store;
  readonly #sleepers: Sleepers;
  #nextAt = 0;
  #touchedAt = performance.now();
  readonly #steps: readonly Step[];

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
      (transaction) => sweepEphemeral(transaction, EPHEMERAL_MS) && false,
      (transaction) => sweepTombstones(transaction, TOMBSTONE_MS),
    ];
  }

  /** Does what there is to do, when it is time and no other process has done it. */
  async run(): Promise<void> {
    const now = performance.now();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    await this.#keepBell(now);
    this.#sleepers.watches.look();
    if (!(await this.#sleepers.batcher.write((transaction) => takeTurn(transaction)))) return;
    for (const step of this.#steps) await this.#repeat(step);
    await this.#giveBack();
  }

  async #repeat(step: Step): Promise<void> {
    for (let count = 0; count < MAX_STEPS; count += 1) {
      if (!(await this.#sleepers.batcher.write(step))) return;
    }
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

  async #giveBack(): Promise<void> {
    const { store } = this;
    for (let count = 0; count < MAX_STEPS; count += 1) {
      const free = store.value('PRAGMA freelist_count') as number;
      const all = store.value('PRAGMA page_count') as number;
      if (free <= Math.max(SPARE_PAGES, all / 4)) return;
      await this.#sleepers.batcher.write(() => {
        store.db.pragma(`incremental_vacuum(${VACUUM_PAGES})`);
      });
    }
  }

  get store(): Store {
    return this.#store;
  }
}

/** Whether it is this process's turn: none has had one lately. Keeps the store's time, too. */
function takeTurn({ store, now }: Transaction): boolean {
  const last = store.value("SELECT value FROM meta WHERE key='time'");
  if (typeof last === 'number' && now - last < EVERY_MS / 2 && now >= last) return false;
  store.sql("INSERT OR REPLACE INTO meta VALUES ('time', ?)").run(now);
  return true;
}

function sweepDead(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const over = store
    .sql<[number, number]>(
      `SELECT dead.seq, queue.id FROM queue JOIN dead ON dead.queue_id = queue.id
       WHERE queue.dead > 0 AND queue.ns=? AND queue.dead_ttl_ms IS NOT NULL AND dead.died_at <= ? - queue.dead_ttl_ms LIMIT ${STEP}`,
    )
    .all(store.ns, now);
  for (const [seq, queueId] of over) {
    const queue = transaction.queueById(queueId);
    if (queue === undefined) continue;
    store.sql('DELETE FROM dead WHERE seq=?').run(seq);
    queue.dead -= 1;
    queue.isChanged = true;
  }
  return over.length === STEP;
}

function sweepIdleQueues(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const idle = store
    .sql<[string]>(
      'SELECT name FROM queue WHERE expire_idle_ms IS NOT NULL AND used_at + expire_idle_ms <= ? AND ns=? LIMIT 100',
    )
    .all(now, store.ns);
  for (const [name] of idle) deleteQueue(transaction, name);
  return idle.length === 100;
}
