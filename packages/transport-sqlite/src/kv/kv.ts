/** Entries: small values with a revision and a time to live. What is gone stays as a tombstone for watchers. */

import type { PageQuery, PutCondition } from '@busbar/api/driver';
import type { DeleteResult, KvEntry, KvTouch, PutResult, TouchResult } from '@busbar/api/transport';
import type { Transaction } from '../connection/transaction.ts';
import { toBytes, toStored } from '../queues/stored-message.ts';

/** key, value, revision, create_revision, expires. */
type Raw = readonly [string, string | Buffer, number, number, number | null];

const SELECT = 'SELECT key, value, revision, create_revision, expires FROM entry';
const LIVE = 'gone IS NULL AND (expires IS NULL OR expires > ?)';
/** Entries that one sweep ends at most. */
const STEP = 200;

export function getEntry(transaction: Transaction, key: string): KvEntry | undefined {
  const { store, now } = transaction;
  const row = store.sql<Raw>(`${SELECT} WHERE ns=? AND key=? AND ${LIVE}`).get(store.ns, key, now);
  return row && toEntry(row, now);
}

export function putEntry(transaction: Transaction, key: string, value: Uint8Array, condition: PutCondition): PutResult {
  const { store, now } = transaction;
  const current = getEntry(transaction, key);
  const { ifRevision, ttlMs } = condition;
  if (ifRevision !== undefined && ifRevision !== (current?.revision ?? 0)) return { status: 'conflict', current };
  const counter = transaction.counter();
  counter.revision += 1;
  const { revision } = counter;
  const createRevision = current?.createRevision ?? revision;
  const expires = ttlMs === undefined ? null : Math.ceil(now + ttlMs);
  store
    .sql(
      `INSERT INTO entry (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)
       ON CONFLICT (ns, key) DO UPDATE SET value=excluded.value, revision=excluded.revision,
         create_revision=excluded.create_revision, expires=excluded.expires, change=excluded.change, gone=NULL, gone_at=NULL`,
    )
    .run(store.ns, key, toStored(value), revision, createRevision, expires, revision);
  transaction.keys.add(key);
  transaction.work += 1;
  return { status: 'stored', revision, createRevision };
}

export function touchEntries(transaction: Transaction, touches: readonly KvTouch[]): TouchResult[] {
  const { store, now } = transaction;
  const update = store.sql(
    `UPDATE entry SET expires=? WHERE ns=? AND key=? AND ${LIVE} AND create_revision = coalesce(?, create_revision)`,
  );
  transaction.work += touches.length;
  return touches.map(({ key, ttlMs, createRevision }) => {
    const { changes } = update.run(Math.ceil(now + ttlMs), store.ns, key, now, createRevision);
    return { key, status: changes > 0 ? 'touched' : 'lost' };
  });
}

export function deleteEntry(transaction: Transaction, key: string, ifRevision: number | undefined): DeleteResult {
  const current = getEntry(transaction, key);
  if (current === undefined) return { status: 'absent' };
  if (ifRevision !== undefined && ifRevision !== current.revision) return { status: 'conflict' };
  bury(transaction, transaction.store.ns, key, 'deleted');
  return { status: 'deleted' };
}

export function listEntries(transaction: Transaction, prefix: string, page: PageQuery): KvEntry[] {
  const { store, now } = transaction;
  const rows = store
    .sql<Raw>(`${SELECT} WHERE ns=? AND key>=? AND key<CAST(? AS TEXT) AND key>? AND ${LIVE} ORDER BY key LIMIT ?`)
    .all(store.ns, prefix, endOf(prefix), page.after ?? '', now, page.limit);
  return rows.map((row) => toEntry(row, now));
}

/** Ends entries, of whatever namespace, whose time to live is over. True when there are more. */
export function expireEntries(transaction: Transaction): boolean {
  const { store, now } = transaction;
  const over = store
    .sql<[string, string]>(
      `SELECT ns, key FROM entry WHERE expires IS NOT NULL AND expires<=? ORDER BY expires LIMIT ${STEP}`,
    )
    .all(now);
  for (const [ns, key] of over) bury(transaction, ns, key, 'expired');
  return over.length === STEP;
}

/** Deletes a step of all entries. True when there may be more. */
export function deleteEntries(transaction: Transaction): boolean {
  const { store } = transaction;
  const keys = store.sql<[string]>(`SELECT key FROM entry WHERE ns=? AND gone IS NULL LIMIT ${STEP}`).all(store.ns);
  for (const [key] of keys) bury(transaction, transaction.store.ns, key, 'deleted');
  return keys.length > 0;
}

/** Removes tombstones that every watcher has had time to see. True when something was removed. */
export function sweepTombstones(transaction: Transaction, olderThanMs: number): boolean {
  const { store, now } = transaction;
  const old = store
    .sql<[number]>(`SELECT change FROM entry WHERE gone IS NOT NULL AND gone_at<? ORDER BY gone_at LIMIT ${STEP}`)
    .all(now - olderThanMs);
  const counter = transaction.counter();
  for (const [change] of old) {
    store.sql('DELETE FROM entry WHERE change=?').run(change);
    counter.tombstones = Math.max(counter.tombstones, change);
  }
  transaction.work += old.length;
  return old.length > 0;
}

/** The end, in the order of UTF-8 bytes, of all keys that start with `prefix`: no byte of UTF-8 is 0xff. */
export function endOf(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)]);
}

function toEntry([key, value, revision, createRevision, expires]: Raw, now: number): KvEntry {
  const ttlLeftMs = expires === null ? undefined : expires - now;
  return { key, value: toBytes(value), revision, createRevision, ttlLeftMs };
}

function bury(transaction: Transaction, ns: string, key: string, gone: 'deleted' | 'expired'): void {
  const { store, now } = transaction;
  const counter = transaction.counter();
  counter.revision += 1;
  const { revision } = counter;
  store
    .sql("UPDATE entry SET value='', revision=?, expires=NULL, change=?, gone=?, gone_at=? WHERE ns=? AND key=?")
    .run(revision, revision, gone, now, ns, key);
  transaction.work += 1;
  if (ns === store.ns) transaction.keys.add(key);
  else transaction.foreignKeys.push([ns, key]);
}
