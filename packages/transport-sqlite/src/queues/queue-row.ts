/** A row of the table `queue`: settings and counters, with changes that are not yet written. */

import { MAX_DURATION_MS, type QueueSettings } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';

const COLUMNS =
  'id, ns, name, lease_ms, max_length, max_attempts, dedupe_ms, expire_idle_ms, frozen, dead_ttl_ms, ready, delayed, leased, blocked, backfills, dead, total_sent, total_done, total_dead, total_expired, used_at';

type QueueColumns = readonly [number, string, string, ...(number | null)[]];

/** A queue within one transaction. The transaction writes it back once. */
export class QueueRow {
  readonly id: number;
  readonly ns: string;
  readonly name: string;
  settings: Required<QueueSettings>;
  ready: number;
  delayed: number;
  leased: number;
  blocked: number;
  /** Bindings whose backfill is not complete. */
  backfills: number;
  dead: number;
  totalSent: number;
  totalDone: number;
  totalDead: number;
  totalExpired: number;
  usedAt: number;
  /** Ready messages at the start of the transaction. A change from 0 wakes waiting consumers. */
  readonly readyBefore: number;
  /** The earliest due time has moved forward. */
  isDueEarlier = false;
  isChanged = false;

  constructor(raw: QueueColumns) {
    const [id, ns, name, lease, maxLength, maxAttempts, dedupe, idle, frozen, deadTtl, ...counts] = raw;
    this.id = id;
    this.ns = ns;
    this.name = name;
    this.settings = {
      leaseMs: lease ?? 0,
      maxLength: maxLength ?? 0,
      maxAttempts: maxAttempts ?? 0,
      dedupeMs: dedupe ?? 0,
      expireIdleMs: idle ?? Number.POSITIVE_INFINITY,
      frozen: frozen === 1,
      deadTtlMs: deadTtl ?? Number.POSITIVE_INFINITY,
    };
    const count = (index: number): number => counts[index] ?? 0;
    this.ready = count(0);
    this.delayed = count(1);
    this.leased = count(2);
    this.blocked = count(3);
    this.backfills = count(4);
    this.dead = count(5);
    this.totalSent = count(6);
    this.totalDone = count(7);
    this.totalDead = count(8);
    this.totalExpired = count(9);
    this.usedAt = count(10);
    this.readyBefore = this.ready;
  }

  /** Messages that count towards `maxLength`. */
  get length(): number {
    return this.ready + this.delayed + this.leased + this.blocked;
  }

  /** Records that the queue is in use, which postpones its idle expiry. */
  touch(now: number): void {
    this.usedAt = Math.max(this.usedAt, now);
    this.isChanged = true;
  }

  save(store: Store): void {
    store
      .sql(
        'UPDATE queue SET ready=?, delayed=?, leased=?, blocked=?, backfills=?, dead=?, total_sent=?, total_done=?, total_dead=?, total_expired=?, used_at=? WHERE id=?',
      )
      .run(
        this.ready,
        this.delayed,
        this.leased,
        this.blocked,
        this.backfills,
        this.dead,
        this.totalSent,
        this.totalDone,
        this.totalDead,
        this.totalExpired,
        this.usedAt,
        this.id,
      );
  }
}

/** The queue with this name in the namespace of the store. */
export function findQueue(store: Store, name: string): QueueRow | undefined {
  const raw = store.sql<QueueColumns>(`SELECT ${COLUMNS} FROM queue WHERE ns=? AND name=?`).get(store.ns, name);
  return raw && new QueueRow(raw);
}

/** The queue with this id, of any namespace. */
export function findQueueById(store: Store, id: number): QueueRow | undefined {
  const raw = store.sql<QueueColumns>(`SELECT ${COLUMNS} FROM queue WHERE id=? AND ns IS NOT NULL`).get(id);
  return raw && new QueueRow(raw);
}

/** Creates a queue. The name must be free. */
export function insertQueue(store: Store, name: string, settings: Required<QueueSettings>, now: number): number {
  const result = store
    .sql(
      'INSERT INTO queue (ns, name, lease_ms, max_length, max_attempts, dedupe_ms, expire_idle_ms, frozen, dead_ttl_ms, ready, delayed, leased, blocked, backfills, dead, total_sent, total_done, total_dead, total_expired, used_at) VALUES (?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,0,0,?)',
    )
    .run(store.ns, name, ...toColumns(settings), now);
  return Number(result.lastInsertRowid);
}

/** Stores the settings of a queue. */
export function saveSettings(store: Store, id: number, settings: Required<QueueSettings>): void {
  store
    .sql(
      'UPDATE queue SET lease_ms=?, max_length=?, max_attempts=?, dedupe_ms=?, expire_idle_ms=?, frozen=?, dead_ttl_ms=? WHERE id=?',
    )
    .run(...toColumns(settings), id);
}

function toColumns(settings: Required<QueueSettings>): (number | null)[] {
  const { leaseMs, maxLength, maxAttempts, dedupeMs, expireIdleMs, frozen, deadTtlMs } = settings;
  return [leaseMs, maxLength, maxAttempts, dedupeMs, orNull(expireIdleMs), frozen ? 1 : 0, orNull(deadTtlMs)];
}

function orNull(ms: number): number | null {
  return ms > MAX_DURATION_MS ? null : ms;
}
