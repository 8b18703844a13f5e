/** Runs the regular steps, such as those of pruner, retention and compactor, and renews registrations. */

import { isClosed } from '@busbar/api/driver';
import type { Batcher } from '../connection/batcher.ts';
import { CLOSED_QUEUES } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { boundLog } from '../connection/write-ahead-log.ts';
import { pruneTombstones } from '../kv/kv.ts';
import type { QueueClaims } from '../queues/claim.ts';
import { pruneDedupe } from '../queues/dedupe.ts';
import { pruneEphemeral } from '../topics/ephemeral.ts';
import type { WaiterRegistry } from '../wakeup/waiter-registry.ts';
import { Compactor, canShrink } from './compactor.ts';
import { pruneDeadLetters, pruneDeletedQueues, pruneIdleQueues } from './pruner.ts';
import { isOverRetention, pruneEvents } from './retention.ts';

/** How often each process looks whether there is work. One of them does it for all. */
const EVERY_MS = 5000;
const EPHEMERAL_MS = 10_000;
const TOMBSTONE_MS = 3_600_000;
/** Steps of one kind in one run, so that the other kinds get their turn. */
const MAX_STEPS = 200;

/** Does a bounded part of its work. Returns true when there is more. */
type Step = (tx: Transaction) => boolean;

export class Maintenance {
  readonly #store: Store;
  readonly #batcher: Batcher;
  readonly #registry: WaiterRegistry;
  readonly #claims: QueueClaims;
  readonly #compactor: Compactor;
  readonly #steps: readonly Step[];
  #nextAt = performance.now() + EVERY_MS;

  constructor(store: Store, batcher: Batcher, registry: WaiterRegistry, claims: QueueClaims) {
    this.#store = store;
    this.#batcher = batcher;
    this.#registry = registry;
    this.#claims = claims;
    this.#compactor = new Compactor(store, batcher);
    const { retention } = store.settings;
    this.#steps = [
      (tx) => !isClosed(tx.gate) && isOverRetention(tx, retention) && pruneEvents(tx, retention),
      (tx) => !isAnyClosing(tx) && pruneDedupe(tx),
      pruneDeadLetters,
      pruneIdleQueues,
      pruneDeletedQueues,
      (tx) => pruneEphemeral(tx, EPHEMERAL_MS),
      (tx) => pruneTombstones(tx, TOMBSTONE_MS),
    ];
  }

  /** Runs every 5 s. Returns false if it is not time yet. */
  async run(): Promise<boolean> {
    const now = performance.now();
    if (now < this.#nextAt) return false;
    this.#nextAt = now + EVERY_MS;
    boundLog(this.#store.db, this.#store.path);
    await this.#registry.renew();
    this.#claims.removeUnused();
    if (await this.#isMyTurn()) {
      for (const step of this.#steps) await this.#repeat(step);
      await this.#compactor.shrink();
    }
    this.#compactor.checkpoint();
    return true;
  }

  async #repeat(step: Step): Promise<void> {
    for (let count = 0; count < MAX_STEPS; count += 1) {
      if (!(await this.#batcher.write(step))) return;
    }
  }

  /** Whether there is work that no other process does already. An idle store is not written to. */
  async #isMyTurn(): Promise<boolean> {
    const { retention } = this.#store.settings;
    const isNeeded = await this.#batcher.read(
      (tx) => canShrink(tx.store) || hasPrunable(tx) || isOverRetention(tx, retention),
    );
    return isNeeded && (await this.#batcher.write(takeTurn));
  }
}

/** Whether the steps have something to prune, events excepted. Reads only. */
function hasPrunable({ store, time: now }: Transaction): boolean {
  return store.exists(
    `SELECT 1 WHERE EXISTS (SELECT 1 FROM dedupe_expiry WHERE n < @now * 4096)
      OR EXISTS (SELECT 1 FROM queue WHERE ns IS NULL)
      OR EXISTS (SELECT 1 FROM queue WHERE expire_idle_ms IS NOT NULL AND used_at + expire_idle_ms <= @now AND id NOT IN (${CLOSED_QUEUES}))
      OR EXISTS (SELECT 1 FROM ephemeral WHERE at < @now - ${EPHEMERAL_MS})
      OR EXISTS (SELECT 1 FROM kv WHERE tombstone IS NOT NULL AND tombstone_at < @now - ${TOMBSTONE_MS})
      OR EXISTS (SELECT 1 FROM queue WHERE dead > 0 AND dead_ttl_ms IS NOT NULL AND id NOT IN (${CLOSED_QUEUES}) AND (
        SELECT died_at FROM dead WHERE dead.queue_id = queue.id ORDER BY dead.seq LIMIT 1) <= @now - dead_ttl_ms)`,
    { now },
  );
}

/** Whether a namespace is being moved: the ids that it knows must not change meanwhile. */
function isAnyClosing({ store }: Transaction): boolean {
  return store.exists("SELECT 1 FROM namespace WHERE gate='closed'");
}

/** Returns true if no other process took its turn lately. It also stores the time, for clocks after a restart. */
function takeTurn({ store, time: now }: Transaction): boolean {
  const last = store.value('SELECT last_time FROM store') as number;
  if (now - last < EVERY_MS / 2 && now >= last) return false;
  store.sql('UPDATE store SET last_time=?').run(now);
  return true;
}
