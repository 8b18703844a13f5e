/** A row of the table `queue`: settings and counters, with changes that are not yet written. */

import { MAX_DURATION_MS, type QueueSettings } from '@busbar/api/transport';
import { columnsOf } from '../connection/schema.ts';
import type { Store } from '../connection/store.ts';

const SETTINGS = [
  'leaseMs',
  'maxLength',
  'maxAttempts',
  'dedupeMs',
  'expireIdleMs',
  'frozen',
  'paused',
  'deadTtlMs',
] as const;
const COUNTS = [
  ...(['ready', 'delayed', 'leased', 'blocked', 'backfills', 'dead'] as const),
  ...(['totalSent', 'totalDone', 'totalDead', 'totalExpired', 'usedAt'] as const),
];
const SETTING_COLUMNS = columnsOf(SETTINGS);
const COUNT_COLUMNS = columnsOf(COUNTS);
const SELECT = `SELECT id, ns, name, ${SETTING_COLUMNS.join()}, ${COUNT_COLUMNS.join()} FROM queue`;
const INSERT = `INSERT INTO queue (ns, name, ${SETTING_COLUMNS.join()}, ${COUNT_COLUMNS.join()})
  VALUES (?, ?, ${SETTINGS.map(() => '?').join()}, ${COUNTS.map((name) => (name === 'usedAt' ? '?' : '0')).join()})`;
const UPDATE_COUNTS = updateOf(COUNT_COLUMNS);
const UPDATE_SETTINGS = updateOf(SETTING_COLUMNS);

type QueueColumns = readonly [number, string, string, ...(number | null)[]];

/** A queue within one transaction. The transaction writes it back once. */
export class QueueRow {
  readonly id: number;
  readonly ns: string;
  readonly name: string;
  settings: Required<QueueSettings>;
  ready = 0;
  delayed = 0;
  leased = 0;
  blocked = 0;
  /** Bindings whose backfill is not complete. */
  backfills = 0;
  dead = 0;
  totalSent = 0;
  totalDone = 0;
  totalDead = 0;
  totalExpired = 0;
  usedAt = 0;
  /** Ready messages at the start of the transaction. A change from 0 wakes waiting consumers. */
  readonly readyBefore: number;
  /** The earliest due time has moved forward. */
  isDueEarlier = false;
  isChanged = false;

  constructor(raw: QueueColumns) {
    const [id, ns, name, lease, maxLength, maxAttempts, dedupe, idle, frozen, paused, deadTtl, ...counts] = raw;
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
      paused: paused === 1,
      deadTtlMs: deadTtl ?? Number.POSITIVE_INFINITY,
    };
    for (const [index, name] of COUNTS.entries()) this[name] = counts[index] ?? 0;
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
    store.sql(UPDATE_COUNTS).run(...COUNTS.map((name) => this[name]), this.id);
  }
}

/** The queue with this name in the namespace of the store. */
export function findQueue(store: Store, name: string): QueueRow | undefined {
  const raw = store.sql<QueueColumns>(`${SELECT} WHERE ns=? AND name=?`).get(store.ns, name);
  return raw && new QueueRow(raw);
}

/** The queue with this id, of any namespace. */
export function findQueueById(store: Store, id: number): QueueRow | undefined {
  const raw = store.sql<QueueColumns>(`${SELECT} WHERE id=? AND ns IS NOT NULL`).get(id);
  return raw && new QueueRow(raw);
}

/** Creates a queue. The name must be free. */
export function insertQueue(store: Store, name: string, settings: Required<QueueSettings>, now: number): number {
  return Number(store.sql(INSERT).run(store.ns, name, ...toColumns(settings), now).lastInsertRowid);
}

/** Stores the settings of a queue. */
export function saveSettings(store: Store, id: number, settings: Required<QueueSettings>): void {
  store.sql(UPDATE_SETTINGS).run(...toColumns(settings), id);
}

function toColumns(settings: Required<QueueSettings>): (number | null)[] {
  const { leaseMs, maxLength, maxAttempts, dedupeMs, expireIdleMs, frozen, paused, deadTtlMs } = settings;
  const switches = [frozen ? 1 : 0, paused ? 1 : 0];
  return [leaseMs, maxLength, maxAttempts, dedupeMs, orNull(expireIdleMs), ...switches, orNull(deadTtlMs)];
}

function orNull(ms: number): number | null {
  return ms > MAX_DURATION_MS ? null : ms;
}

function updateOf(columns: readonly string[]): string {
  return `UPDATE queue SET ${columns.map((column) => `${column}=?`).join()} WHERE id=?`;
}
