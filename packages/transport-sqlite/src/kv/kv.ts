/** The key-value store. A deleted or expired entry stays as a tombstone until watchers have seen it. */

import type { PageQuery, PutCondition } from '@busbar/api/driver';
import type { DeleteResult, KvEntry, KvTouch, PutResult, TouchResult } from '@busbar/api/transport';
import { prefixEnd } from '../connection/prefix-end.ts';
import type { Transaction } from '../connection/transaction.ts';
import { toBytes, toStored } from '../queues/stored-message.ts';

/** key, value, revision, create_revision, expires. */
type KvRow = readonly [string, string | Buffer, number, number, number | null];

const SELECT = 'SELECT key, value, revision, create_revision, expires FROM kv';
const LIVE = 'tombstone IS NULL AND (expires IS NULL OR expires > ?)';
/** Entries of one step. */
const STEP = 200;

export function getEntry(transaction: Transaction, key: string): KvEntry | undefined {
  const { store, now } = transaction;
  const row = store.sql<KvRow>(`${SELECT} WHERE ns=? AND key=? AND ${LIVE}`).get(store.ns, key, now);
  return row && toEntry(row, now);
}

export function putEntry(transaction: Transaction, key: string, value: Uint8Array, condition: PutCondition): PutResult {
  const { store, now } = transaction;
  const current = getEntry(transaction, key);
  const { ifRevision, ttlMs } = condition;
  if (ifRevision !== undefined && ifRevision !== (current?.revision ?? 0)) return { status: 'conflict', current };
  const counters = transaction.counters();
  counters.revision += 1;
  const { revision } = counters;
  const createRevision = current?.createRevision ?? revision;
  const expires = ttlMs === undefined ? null : Math.ceil(now + ttlMs);
  store
    .sql(
      `INSERT INTO kv (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)
       ON CONFLICT (ns, key) DO UPDATE SET value=excluded.value, revision=excluded.revision,
         create_revision=excluded.create_revision, expires=excluded.expires, change=excluded.change, tombstone=NULL, tombstone_at=NULL`,
    )
    .run(store.ns, key, toStored(value), revision, createRevision, expires, revision);
  transaction.changedKeys.add(key);
  transaction.rowCount += 1;
  return { status: 'stored', revision, createRevision };
}

export function touchEntries(transaction: Transaction, touches: readonly KvTouch[]): TouchResult[] {
  const { store, now } = transaction;
  const update = store.sql(
    `UPDATE kv SET expires=? WHERE ns=? AND key=? AND ${LIVE} AND create_revision = coalesce(?, create_revision)`,
  );
  transaction.rowCount += touches.length;
  return touches.map(({ key, ttlMs, createRevision }) => {
    const { changes } = update.run(Math.ceil(now + ttlMs), store.ns, key, now, createRevision);
    return { key, status: changes > 0 ? 'touched' : 'lost' };
  });
}

export function deleteEntry(transaction: Transaction, key: string, ifRevision: number | undefined): DeleteResult {
  const current = getEntry(transaction, key);
  if (current === undefined) return { status: 'absent' };
  if (ifRevision !== undefined && ifRevision !== current.revision) return { status: 'conflict' };
  writeTombstone(transaction, transaction.store.ns, key, 'deleted');
  return { status: 'deleted' };
}

export function listEntries(transaction: Transaction, prefix: string, page: PageQuery): KvEntry[] {
  const { store, now } = transaction;
  const rows = store
    .sql<KvRow>(`${SELECT} WHERE ns=? AND key>=? AND key<CAST(? AS TEXT) AND key>? AND ${LIVE} ORDER BY key LIMIT ?`)
    .all(store.ns, prefix, prefixEnd(prefix), page.after ?? '', now, page.limit);
  return rows.map((row) => toEntry(row, now));
}

/** Expires a step of entries, in all namespaces. Returns true when there are more. */
export function expireEntries(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const expired = store
    .sql<[string, string]>(
      `SELECT ns, key FROM kv WHERE expires IS NOT NULL AND expires<=? ORDER BY expires LIMIT ${STEP}`,
    )
    .all(now);
  for (const [ns, key] of expired) writeTombstone(transaction, ns, key, 'expired');
  return expired.length === STEP;
}

/** Deletes a step of all entries. Returns true when there may be more. */
export function deleteEntries(transaction: Transaction): boolean {
  const { store } = transaction;
  const keys = store.sql<[string]>(`SELECT key FROM kv WHERE ns=? AND tombstone IS NULL LIMIT ${STEP}`).all(store.ns);
  for (const [key] of keys) writeTombstone(transaction, transaction.store.ns, key, 'deleted');
  return keys.length > 0;
}

/** Prunes tombstones that all watchers had time to see. Returns true if there were some. */
export function pruneTombstones(transaction: Transaction, olderThanMs: number): boolean {
  const { store, now } = transaction;
  const old = store
    .sql<[number]>(
      `SELECT change FROM kv WHERE tombstone IS NOT NULL AND tombstone_at<? ORDER BY tombstone_at LIMIT ${STEP}`,
    )
    .all(now - olderThanMs);
  const counters = transaction.counters();
  for (const [change] of old) {
    store.sql('DELETE FROM kv WHERE change=?').run(change);
    counters.prunedChange = Math.max(counters.prunedChange, change);
  }
  transaction.rowCount += old.length;
  return old.length > 0;
}

function toEntry([key, value, revision, createRevision, expires]: KvRow, now: number): KvEntry {
  const ttlLeftMs = expires === null ? undefined : expires - now;
  return { key, value: toBytes(value), revision, createRevision, ttlLeftMs };
}

function writeTombstone(transaction: Transaction, ns: string, key: string, tombstone: 'deleted' | 'expired'): void {
  const { store, now } = transaction;
  const counters = transaction.counters();
  counters.revision += 1;
  const { revision } = counters;
  store
    .sql("UPDATE kv SET value='', revision=?, expires=NULL, change=?, tombstone=?, tombstone_at=? WHERE ns=? AND key=?")
    .run(revision, revision, tombstone, now, ns, key);
  transaction.rowCount += 1;
  if (ns === store.ns) transaction.changedKeys.add(key);
  else transaction.changedForeignKeys.push([ns, key]);
}
