/** Exports a namespace as records: page by page, over a connection of its own, from one snapshot. */

import { BatchSize, type PreparedMessage, toBase64, toExportedEvent, toExportedMessage } from '@busbar/api/driver';
import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import { openReader } from '../connection/database.ts';
import { isBatchFull, readBatch } from '../connection/rows.ts';
import { messageColumnsOf } from '../connection/schema.ts';
import { Store } from '../connection/store.ts';
import { Transaction } from '../connection/transaction.ts';
import { findQueue, type QueueRow } from '../queues/queue-row.ts';
import { readPreparedMessage, toBytes } from '../queues/stored-message.ts';
import { pendingEvents } from '../topics/backfill.ts';
import { findMessages } from './browse.ts';
import { listBindings, toInfo } from './inspect.ts';
import { EXPORTED_TABLES } from './state-tables.ts';

/** Rows of one read, of about {@link PAGE_BYTES}: a reader that is slow holds one page. */
const PAGE = 200;
const PAGE_BYTES = 1_048_576;
const MAX_VALUE_BYTES = 65_536;

/** All records of one snapshot. The WAL grows until the export ends. */
export async function* exportState(store: Store, signal: AbortSignal): AsyncIterable<StateRecord> {
  const db = openReader(store.path);
  try {
    db.exec('BEGIN');
    const snapshot = new Store({ db, path: store.path, storeId: store.storeId, clock: store.clock }, store.settings);
    const tx = new Transaction(snapshot);
    for (const page of pages(tx)) {
      signal.throwIfAborted();
      yield* page;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    db.close();
  }
}

function* pages(tx: Transaction): Iterable<StateRecord[]> {
  for (const name of queueNames(tx)) {
    const queue = findQueue(tx.store, name);
    if (queue === undefined) continue;
    const { settings, totals } = toInfo(tx, queue);
    yield [{ kind: 'queue', name, settings, totals }];
    yield* messages(tx, queue);
    if (queue.backfills > 0) yield* backfills(tx, queue);
    yield* dedupe(tx, queue);
  }
  yield listBindings(tx).map(({ queue, pattern }) => ({ kind: 'binding', queue, pattern }));
  yield* events(tx);
  yield* entries(tx);
  yield [{ kind: 'revision', highest: tx.counters().revision }];
}

function queueNames({ store }: Transaction): string[] {
  return store
    .sql<[string]>('SELECT name FROM queue WHERE ns=? ORDER BY name')
    .all(store.ns)
    .map(([name]) => name);
}

function* messages(tx: Transaction, queue: QueueRow): Iterable<StateRecord[]> {
  const size = pageSize(PAGE_BYTES);
  let after: string | undefined;
  do {
    const page = findMessages(
      tx,
      queue,
      { state: undefined, ids: undefined, limit: size.count, after },
      EXPORTED_TABLES,
    );
    size.record(page.found.length, bytesOf(page.found.map(({ browsed }) => browsed.message.body)));
    // What has expired is counted, and not yet deleted.
    const alive = page.found.filter(({ browsed }) => browsed.ttlLeftMs !== 0);
    yield alive.map(({ browsed, ...rules }) => {
      const message = toExportedMessage(browsed, rules);
      return { kind: 'message', queue: queue.name, message };
    });
    after = page.next;
  } while (after !== undefined);
}

/** The past events that bindings of the queue have not copied yet, as messages of the queue. */
function* backfills(tx: Transaction, queue: QueueRow): Iterable<StateRecord[]> {
  for (const page of pendingEvents(tx, queue)) {
    yield page.map(({ event, delayLeftMs, ttlLeftMs }) => {
      const isDelayed = delayLeftMs > 0;
      const times = { delayLeftMs: isDelayed ? delayLeftMs : undefined, ttlLeftMs };
      const message = { ...toExported(event), ...times, state: isDelayed ? 'delayed' : 'ready' } as const;
      return { kind: 'message', queue: queue.name, message };
    });
  }
}

function* dedupe({ store, now }: Transaction, queue: QueueRow): Iterable<StateRecord[]> {
  let after = '';
  for (let isMore = true; isMore; ) {
    const rows = store
      .sql<[string, number]>('SELECT id, until FROM dedupe WHERE scope=? AND id>? ORDER BY id LIMIT ?')
      .all(queue.id, after, PAGE);
    yield rows
      .filter(([, until]) => until > now)
      .map(([id, until]) => ({ kind: 'dedupe', queue: queue.name, id, leftMs: until - now }));
    after = rows.at(-1)?.[0] ?? after;
    isMore = rows.length === PAGE;
  }
}

function* events({ store }: Transaction): Iterable<StateRecord[]> {
  const size = pageSize(PAGE_BYTES);
  let after = 0;
  for (let isMore = true; isMore; ) {
    const limit = size.count;
    const rows = readBatch(
      store.sql<[number, string, ...unknown[]]>(
        `SELECT event.seq, topic.name, ${messageColumnsOf('event')}
         FROM event JOIN topic ON topic.id = topic_id AND topic.ns=? WHERE event.seq>? ORDER BY event.seq LIMIT ?`,
      ),
      [store.ns, after, limit],
    );
    const read = rows.map((row) => ({ topic: row[1], message: readPreparedMessage(row, 2) }));
    size.record(read.length, bytesOf(read.map(({ message }) => message.body)));
    yield read.map(({ topic, message }) => ({ kind: 'event', topic, message: toExported(message) }));
    after = rows.at(-1)?.[0] ?? after;
    isMore = rows.length === limit || isBatchFull(rows);
  }
}

/** An event with its delay and time to live as published. */
function toExported({ delayMs: delayLeftMs, ttlMs, maxAttempts, ...message }: PreparedMessage): ExportedMessage {
  return toExportedEvent(message, { delayLeftMs, ttlMs, maxAttempts });
}

/** In order of revision, so that an empty store keeps the revisions on import. */
function* entries({ store, now }: Transaction): Iterable<StateRecord[]> {
  const size = pageSize(MAX_VALUE_BYTES);
  let after = 0;
  for (let isMore = true; isMore; ) {
    const limit = size.count;
    const rows = store
      .sql<[number, string, string | Buffer, number, number | null]>(
        'SELECT revision, key, value, create_revision, expires FROM kv WHERE ns=? AND tombstone IS NULL AND (expires IS NULL OR expires>?) AND revision>? ORDER BY revision LIMIT ?',
      )
      .all(store.ns, now, after, limit);
    size.record(rows.length, bytesOf(rows.map(([, , value]) => value)));
    yield rows.map(([revision, key, value, createRevision, expires]) => ({
      kind: 'kv',
      key,
      valueBase64: toBase64(toBytes(value)),
      revision,
      createRevision,
      ttlLeftMs: expires === null ? undefined : expires - now,
    }));
    after = rows.at(-1)?.[0] ?? after;
    isMore = rows.length === limit;
  }
}

function pageSize(maxItemBytes: number): BatchSize {
  return new BatchSize({ max: PAGE, maxBytes: PAGE_BYTES, maxItemBytes });
}

function bytesOf(bodies: readonly { readonly length: number }[]): number {
  return bodies.reduce((bytes, { length }) => bytes + length, 0);
}
