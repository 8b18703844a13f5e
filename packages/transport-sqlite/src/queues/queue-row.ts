/** A row of the table of queues: settings, counters, and what of them has changed. */

import { MAX_DURATION_MS, type QueueSettings } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';

const COLUMNS =
  'id, ns, name, lease_ms, max_length, max_attempts, dedupe_ms, expire_idle_ms, frozen, dead_ttl_ms, ready, delayed, leased, blocked, copying, dead, total_sent, total_done, total_dead, total_expired, used_at';

type Raw = readonly [number, string, string, ...(number | null)[]];

/** A queue as one transaction sees and changes it. Written back once, by the transaction. */
export class QueueRow {
  readonly id: number;
  readonly ns: string;
  readonly name: string;
  settings: Required<QueueSettings>;
  ready: number;
  delayed: number;
  leased: number;
  blocked: number;
  /** Bindings whose history is still to be copied. */
  copying: number;
  dead: number;
  sent: number;
  done: number;
  died: number;
  expired: number;
  usedAt: number;
  /** How many were ready when the transaction began: from none to some is what wakes waiting consumers. */
  readonly readyBefore: number;
  /** The queue has a delayed message that comes due before any it had. */
  hasEarlierDue = false;
  isChanged = false;

  constructor(raw: Raw) {
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
    this.copying = count(4);
    this.dead = count(5);
    this.sent = count(6);
    this.done = count(7);
    this.died = count(8);
    this.expired = count(9);
    this.usedAt = count(10);
    this.readyBefore = this.ready;
  }

  /** Messages that count towards `maxLength`. */
  get length(): number {
    return this.ready + this.delayed + this.leased + this.blocked;
  }

  /** Somebody sent, received or settled. */
  use(now: number): void {
    this.usedAt = Math.max(this.usedAt, now);
    this.isChanged = true;
  }

  save(store: Store): void {
    store
      .sql(
        'UPDATE queue SET ready=?, delayed=?, leased=?, blocked=?, copying=?, dead=?, total_sent=?, total_done=?, total_dead=?, total_expired=?, used_at=? WHERE id=?',
      )
      .run(
        this.ready,
        this.delayed,
        this.leased,
        this.blocked,
        this.copying,
        this.dead,
        this.sent,
        this.done,
        this.died,
        this.expired,
        this.usedAt,
        this.id,
      );
  }
}

/** The queue of this name in the namespace of the store. */
export function findQueue(store: Store, name: string): QueueRow | undefined {
  const raw = store.sql<Raw>(`SELECT ${COLUMNS} FROM queue WHERE ns=? AND name=?`).get(store.ns, name);
  return raw && new QueueRow(raw);
}

/** The queue of this id, of whatever namespace. */
export function findQueueById(store: Store, id: number): QueueRow | undefined {
  const raw = store.sql<Raw>(`SELECT ${COLUMNS} FROM queue WHERE id=? AND ns IS NOT NULL`).get(id);
  return raw && new QueueRow(raw);
}

/** Makes a queue. There must be none of this name. */
export function insertQueue(store: Store, name: string, settings: Required<QueueSettings>, now: number): number {
  const result = store
    .sql(
      'INSERT INTO queue (ns, name, lease_ms, max_length, max_attempts, dedupe_ms, expire_idle_ms, frozen, dead_ttl_ms, ready, delayed, leased, blocked, copying, dead, total_sent, total_done, total_dead, total_expired, used_at) VALUES (?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,0,0,?)',
    )
    .run(store.ns, name, ...toColumns(settings), now);
  return Number(result.lastInsertRowid);
}

/** Sets the settings of a queue. */
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
