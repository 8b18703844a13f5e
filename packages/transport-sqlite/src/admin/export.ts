/** The whole state of a namespace as records: read page by page over a connection of its own, so that it is one cut. */

import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import { openReader } from '../connection/database.ts';
import { isFull, readBatch } from '../connection/row-batch.ts';
import { contentOf } from '../connection/schema.ts';
import { Store } from '../connection/store.ts';
import { Transaction } from '../connection/transaction.ts';
import { findQueue, type QueueRow } from '../queues/queue-row.ts';
import { readContent, toBytes } from '../queues/stored-message.ts';
import { find } from './browse.ts';
import { listBindings } from './inspect.ts';
import type { Found } from './state-tables.ts';

/** Rows of one read. */
const PAGE = 200;

/** Everything there is. What is written meanwhile is not seen, and the WAL grows by it until this ends. */
export async function* exportState(store: Store, signal: AbortSignal): AsyncIterable<StateRecord> {
  const db = openReader(store.path);
  try {
    db.exec('BEGIN');
    const cut = new Store({ db, path: store.path, storeId: store.storeId, clock: store.clock }, store.settings);
    const transaction = new Transaction(cut);
    for (const page of pages(transaction)) {
      signal.throwIfAborted();
      yield* page;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    db.close();
  }
}

function* pages(transaction: Transaction): Iterable<StateRecord[]> {
  for (const name of queueNames(transaction)) {
    const queue = findQueue(transaction.store, name);
    if (queue === undefined) continue;
    yield [{ kind: 'queue', name, settings: { ...queue.settings } }];
    yield* messages(transaction, queue);
    yield* dedupe(transaction, queue);
  }
  yield listBindings(transaction).map(({ queue, pattern }) => ({ kind: 'binding', queue, pattern }));
  yield* events(transaction);
  yield* entries(transaction);
  yield [{ kind: 'revision', highest: transaction.counter().revision }];
}

function queueNames({ store }: Transaction): string[] {
  return store
    .sql<[string]>('SELECT name FROM queue WHERE ns=? ORDER BY name')
    .all(store.ns)
    .map(([name]) => name);
}

function* messages(transaction: Transaction, queue: QueueRow): Iterable<StateRecord[]> {
  let after: string | undefined;
  do {
    const page = find(transaction, queue, { state: undefined, ids: undefined, limit: PAGE, after });
    yield page.found.map((one) => ({ kind: 'message', queue: queue.name, message: toExported(one) }));
    after = page.next;
  } while (after !== undefined);
}

function toExported({ browsed, maxAttempts }: Found): ExportedMessage {
  const { message, leaseLeftMs: _lease, consumer: _consumer, ...rest } = browsed;
  const { body, ...content } = message;
  // A lease stays behind with its store; its attempt counts.
  const state = rest.state === 'leased' ? 'ready' : rest.state;
  return { ...rest, state, message: content, bodyBase64: toBase64(body), maxAttempts };
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
  let after = 0;
  for (let isMore = true; isMore; ) {
    const rows = readBatch(
      store.sql<[number, string, ...unknown[]]>(
        `SELECT log.seq, topic.name, ${contentOf('log')}
         FROM log JOIN topic ON topic.id = topic_id AND topic.ns=? WHERE log.seq>? ORDER BY log.seq LIMIT ?`,
      ),
      [store.ns, after, PAGE],
    );
    yield rows.map((row) => ({ kind: 'event', topic: row[1], message: toExportedEvent(row) }));
    after = rows.at(-1)?.[0] ?? after;
    isMore = rows.length === PAGE || isFull(rows);
  }
}

function toExportedEvent(row: readonly unknown[]): ExportedMessage {
  const { body, ...message } = readContent(row, 2);
  return {
    message,
    bodyBase64: toBase64(body),
    state: 'ready',
    attempts: 0,
    delayLeftMs: undefined,
    ttlLeftMs: undefined,
    history: [],
    dead: undefined,
    maxAttempts: undefined,
  };
}

/** In order of revision, so that a store that is empty can take each over with the revision it has. */
function* entries({ store, now }: Transaction): Iterable<StateRecord[]> {
  let after = 0;
  for (let isMore = true; isMore; ) {
    const rows = store
      .sql<[number, string, string | Buffer, number, number | null]>(
        'SELECT revision, key, value, create_revision, expires FROM entry WHERE ns=? AND gone IS NULL AND (expires IS NULL OR expires>?) AND revision>? ORDER BY revision LIMIT ?',
      )
      .all(store.ns, now, after, PAGE);
    yield rows.map(([revision, key, value, createRevision, expires]) => ({
      kind: 'kv',
      key,
      valueBase64: toBase64(toBytes(value)),
      revision,
      createRevision,
      ttlLeftMs: expires === null ? undefined : expires - now,
    }));
    after = rows.at(-1)?.[0] ?? after;
    isMore = rows.length === PAGE;
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
