/** The key-value store. A deleted or expired entry stays as a tombstone until watchers have seen it. */

import type { PageQuery, PutCondition } from '@busbar/api/driver';
import type { DeleteResult, KvEntry, KvPut, KvTouch, PutResult, TouchResult } from '@busbar/api/transport';
import { Insertion } from '../connection/rows.ts';
import { CLOSED_NAMESPACES } from '../connection/schema.ts';
import { prefixEnd } from '../connection/store.ts';
import type { Transaction } from '../connection/transaction.ts';
import { toBytes, toExpiry, toStored } from '../queues/stored-message.ts';

/** key, value, revision, create_revision, expires. */
type KvRow = readonly [string, string | Buffer, number, number, number | null];

const SELECT = 'SELECT key, value, revision, create_revision, expires FROM kv';
const LIVE = 'tombstone IS NULL AND (expires IS NULL OR expires > ?)';
/** Entries of one step. */
const STEP = 200;
/** A put without a condition. Its last parameter is the time. */
const REPLACEMENT = new Insertion(
  'kv',
  'ns, key, value, revision, create_revision, expires, change',
  `ON CONFLICT (ns, key) DO UPDATE SET value=excluded.value, revision=excluded.revision,
     create_revision=iif(${LIVE}, create_revision, excluded.create_revision),
     expires=excluded.expires, change=excluded.change, tombstone=NULL, tombstone_at=NULL`,
);

export function getEntry(tx: Transaction, key: string): KvEntry | undefined {
  const row = tx.sql<KvRow>(`${SELECT} WHERE ns=? AND key=? AND ${LIVE}`).get(tx.ns, key, tx.now);
  return row && toEntry(row, tx.now);
}

export function putEntry(tx: Transaction, key: string, value: Uint8Array, condition: PutCondition): PutResult {
  const current = getEntry(tx, key);
  const { ifRevision, ttlMs } = condition;
  if (ifRevision !== undefined && ifRevision !== (current?.revision ?? 0)) return { status: 'conflict', current };
  const revision = tx.nextRevision();
  const createRevision = current?.createRevision ?? revision;
  tx.sql(
    `INSERT INTO kv (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)
       ON CONFLICT (ns, key) DO UPDATE SET value=excluded.value, revision=excluded.revision,
         create_revision=excluded.create_revision, expires=excluded.expires, change=excluded.change, tombstone=NULL, tombstone_at=NULL`,
  ).run(tx.ns, key, toStored(value), revision, createRevision, toExpiry(tx.now, ttlMs), revision);
  tx.changedKeys.add(key);
  tx.rowCount += 1;
  return { status: 'stored', revision, createRevision };
}

/** Puts entries without a condition, in order. */
export function replaceEntries(tx: Transaction, entries: readonly KvPut[]): void {
  const push = (values: unknown[], { key, value, ttlMs }: KvPut): void => {
    const revision = tx.nextRevision();
    values.push(tx.ns, key, toStored(value), revision, revision, toExpiry(tx.now, ttlMs), revision);
    tx.changedKeys.add(key);
  };
  REPLACEMENT.run(tx, entries, push, tx.now);
  tx.rowCount += entries.length;
}

export function touchEntries(tx: Transaction, touches: readonly KvTouch[]): TouchResult[] {
  const update = tx.sql(
    `UPDATE kv SET expires=? WHERE ns=? AND key=? AND ${LIVE} AND create_revision = coalesce(?, create_revision)`,
  );
  tx.rowCount += touches.length;
  return touches.map(({ key, ttlMs, createRevision }) => {
    const { changes } = update.run(Math.ceil(tx.now + ttlMs), tx.ns, key, tx.now, createRevision);
    return { key, status: changes > 0 ? 'touched' : 'lost' };
  });
}

export function deleteEntry(tx: Transaction, key: string, ifRevision: number | undefined): DeleteResult {
  const current = getEntry(tx, key);
  if (current === undefined) return { status: 'absent' };
  if (ifRevision !== undefined && ifRevision !== current.revision) return { status: 'conflict' };
  writeTombstone(tx, tx.ns, key, 'deleted');
  return { status: 'deleted' };
}

export function listEntries(tx: Transaction, prefix: string, page: PageQuery): KvEntry[] {
  const rows = tx
    .sql<KvRow>(`${SELECT} WHERE ns=? AND key>=? AND key<CAST(? AS TEXT) AND key>? AND ${LIVE} ORDER BY key LIMIT ?`)
    .all(tx.ns, prefix, prefixEnd(prefix), page.after ?? '', tx.now, page.limit);
  return rows.map((row) => toEntry(row, tx.now));
}

/** Expires a step of entries, in all namespaces. Returns true when there are more. */
export function expireEntries(tx: Transaction): boolean {
  const expired = tx
    .sql<[string, string]>(
      `SELECT ns, key FROM kv WHERE expires IS NOT NULL AND expires<=? AND ns NOT IN (${CLOSED_NAMESPACES})
       ORDER BY expires LIMIT ${STEP}`,
    )
    .all(tx.now);
  for (const [ns, key] of expired) writeTombstone(tx, ns, key, 'expired');
  return expired.length === STEP;
}

/** Deletes a step of the entries that did not change after `upTo`. Returns true when there may be more. */
export function deleteEntries(tx: Transaction, upTo: number): boolean {
  const keys = tx
    .sql<[string]>(`SELECT key FROM kv WHERE ns=? AND tombstone IS NULL AND change<=? LIMIT ${STEP}`)
    .all(tx.ns, upTo);
  for (const [key] of keys) writeTombstone(tx, tx.ns, key, 'deleted');
  return keys.length > 0;
}

/** Prunes tombstones that all watchers had time to see. Returns true if there were some. */
export function pruneTombstones(tx: Transaction, olderThanMs: number): boolean {
  const old = tx
    .sql<[number]>(
      `SELECT change FROM kv WHERE tombstone IS NOT NULL AND tombstone_at<? ORDER BY tombstone_at LIMIT ${STEP}`,
    )
    .all(tx.now - olderThanMs);
  const counters = tx.counters();
  for (const [change] of old) {
    tx.sql('DELETE FROM kv WHERE change=?').run(change);
    counters.prunedChange = Math.max(counters.prunedChange, change);
  }
  tx.rowCount += old.length;
  return old.length > 0;
}

function toEntry([key, value, revision, createRevision, expires]: KvRow, now: number): KvEntry {
  const ttlLeftMs = expires === null ? undefined : expires - now;
  return { key, value: toBytes(value), revision, createRevision, ttlLeftMs };
}

function writeTombstone(tx: Transaction, ns: string, key: string, tombstone: 'deleted' | 'expired'): void {
  const revision = tx.nextRevision();
  tx.sql(
    "UPDATE kv SET value='', revision=?, expires=NULL, change=?, tombstone=?, tombstone_at=? WHERE ns=? AND key=?",
  ).run(revision, revision, tombstone, tx.now, ns, key);
  tx.rowCount += 1;
  if (ns === tx.ns) tx.changedKeys.add(key);
  else tx.changedForeignKeys.push([ns, key]);
}
