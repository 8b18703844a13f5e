/** Imports the records of an export. Existing messages, keys and queues stay as they are. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeq, importId, indexIds, recordIds } from '../queues/dedupe.ts';
import { insertIntoState } from '../queues/message-state.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { MESSAGE_COLUMN_COUNT, pushMessage, toStored } from '../queues/stored-message.ts';
import { bind } from '../topics/bindings.ts';
import { appendEvents, ensureTopic } from '../topics/event-log.ts';

type RecordOf<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

const marks = (count: number): string => Array(count).fill('?').join(',');

/** The ids of events per topic, so that an import does not read the log for each event. */
export class ImportedEventIds {
  readonly #ids = new Map<number, Set<string>>();

  ids(transaction: Transaction, topicId: number): Set<string> {
    const known = this.#ids.get(topicId);
    if (known !== undefined) return known;
    const rows = transaction.store.sql<[string]>('SELECT id FROM event WHERE topic_id=?').all(topicId);
    const ids = new Set(rows.map(([id]) => id));
    this.#ids.set(topicId, ids);
    return ids;
  }

  forget(): void {
    this.#ids.clear();
  }
}

/** Imports a record. Returns whether it was new. */
export function importRecord(transaction: Transaction, record: StateRecord, topics: ImportedEventIds): boolean {
  transaction.rowCount += 1;
  switch (record.kind) {
    case 'queue':
      return importQueue(transaction, record);
    case 'message':
      return importMessage(transaction, transaction.ensureQueue(record.queue), record.message);
    case 'dedupe':
      return importDedupe(transaction, record);
    case 'binding':
      return importBinding(transaction, record);
    case 'event':
      return importEvent(transaction, record, topics);
    case 'kv':
      return importEntry(transaction, record);
    case 'revision':
      return importRevision(transaction, record);
  }
}

function importQueue(transaction: Transaction, { name, settings }: RecordOf<'queue'>): boolean {
  if (transaction.queue(name) !== undefined) return false;
  // JSON has no Infinity. An export writes null instead.
  const restored = { ...settings };
  restored.expireIdleMs ??= Number.POSITIVE_INFINITY;
  restored.deadTtlMs ??= Number.POSITIVE_INFINITY;
  transaction.ensureQueue(name, restored);
  return true;
}

function importMessage(transaction: Transaction, queue: QueueRow, exported: ExportedMessage): boolean {
  const { id } = exported.message;
  if (exists(transaction, queue, id)) return false;
  if (exported.dead !== undefined && exported.dead !== null) importDead(transaction, queue, exported, exported.dead);
  else importPending(transaction, queue, exported);
  return true;
}

function exists(transaction: Transaction, queue: QueueRow, id: string): boolean {
  const { store } = transaction;
  if (store.value('SELECT 1 FROM dead WHERE queue_id=? AND id=?', queue.id, id) !== undefined) return true;
  const seq = findSeq(transaction, queue.id, id);
  return (
    seq !== undefined &&
    store.value('SELECT 1 FROM message WHERE seq=? AND queue_id=? AND id=?', seq, queue.id, id) !== undefined
  );
}

function importDead(
  transaction: Transaction,
  queue: QueueRow,
  exported: ExportedMessage,
  dead: NonNullable<ExportedMessage['dead']>,
): void {
  const age = Math.max(0, Date.now() - dead.at);
  const parameters: unknown[] = [
    queue.id,
    Math.floor(transaction.now - age),
    dead.at,
    dead.reason,
    exported.attempts,
    toHistory(exported),
  ];
  pushMessage(parameters, toMessage(exported));
  transaction.store
    .sql(
      `INSERT INTO dead (queue_id, died_at, died_at_wall, reason, attempts, history, ${MESSAGE_COLUMNS}) VALUES (${marks(6 + MESSAGE_COLUMN_COUNT)})`,
    )
    .run(parameters);
  queue.dead += 1;
  queue.isChanged = true;
}

function importPending(transaction: Transaction, queue: QueueRow, exported: ExportedMessage): void {
  const { store, now } = transaction;
  const counters = transaction.counters();
  counters.messageHead += 1;
  const seq = counters.messageHead;
  const message = toMessage(exported);
  const at = exported.delayLeftMs ? Math.ceil(now + exported.delayLeftMs) : now;
  const expires =
    exported.ttlLeftMs === undefined || exported.ttlLeftMs === null ? null : Math.ceil(now + exported.ttlLeftMs);
  const parameters: unknown[] = [seq, queue.id, at, exported.attempts, expires, toHistory(exported)];
  pushMessage(parameters, message);
  store
    .sql(
      `INSERT INTO message (seq, queue_id, at, attempts, expires, history, ${MESSAGE_COLUMNS}) VALUES (${marks(6 + MESSAGE_COLUMN_COUNT)})`,
    )
    .run(parameters);
  indexIds(transaction, { scope: queue.id, ids: [message.id], first: seq });
  insertIntoState(transaction, queue, { seq, at, priority: message.priority, orderingKey: message.orderingKey });
}

function importDedupe(transaction: Transaction, { queue, id, leftMs }: RecordOf<'dedupe'>): boolean {
  return importId(transaction, transaction.ensureQueue(queue).id, id, leftMs);
}

function importBinding(transaction: Transaction, { queue, pattern }: RecordOf<'binding'>): boolean {
  return bind(transaction, transaction.ensureQueue(queue), pattern, transaction.counters().eventHead);
}

/** Bound queues do not get the event: their messages are records of their own. */
function importEvent(
  transaction: Transaction,
  { topic, message }: RecordOf<'event'>,
  topics: ImportedEventIds,
): boolean {
  const topicId = ensureTopic(transaction.store, topic);
  const ids = topics.ids(transaction, topicId);
  if (ids.has(message.message.id)) return false;
  const counters = transaction.counters();
  counters.eventHead += 1;
  const incoming = { scope: -topicId, ids: [message.message.id], first: counters.eventHead };
  recordIds(transaction, { ...incoming, windowMs: transaction.store.settings.topicDedupeMs });
  // The time of the publish is not exported. The time of the send is close.
  const at = Math.min(Date.now(), message.message.sentAt);
  appendEvents(transaction, topicId, [toMessage(message)], [counters.eventHead], at);
  transaction.publishedTopics.add(topic);
  transaction.afterCommit(() => ids.add(message.message.id));
  return true;
}

function importEntry(transaction: Transaction, record: RecordOf<'kv'>): boolean {
  const { store, now } = transaction;
  const row = store
    .sql<[number, string | null]>('SELECT revision, tombstone FROM kv WHERE ns=? AND key=?')
    .get(store.ns, record.key);
  if (row !== undefined && row[1] === null) return false;
  const counters = transaction.counters();
  // Watches follow the order of changes, so the import is the newest change, even with an older revision.
  counters.revision = Math.max(counters.revision + 1, record.revision);
  const expires =
    record.ttlLeftMs === undefined || record.ttlLeftMs === null ? null : Math.ceil(now + record.ttlLeftMs);
  store
    .sql(
      'INSERT OR REPLACE INTO kv (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)',
    )
    .run(
      store.ns,
      record.key,
      toStored(Buffer.from(record.valueBase64, 'base64')),
      record.revision,
      record.createRevision,
      expires,
      counters.revision,
    );
  transaction.changedKeys.add(record.key);
  return true;
}

function importRevision(transaction: Transaction, { highest }: RecordOf<'revision'>): boolean {
  const counters = transaction.counters();
  counters.revision = Math.max(counters.revision, highest);
  return false;
}

function toHistory({ history }: ExportedMessage): string | null {
  return history.length === 0 ? null : JSON.stringify(history);
}

/** JSON drops undefined fields. This restores them. */
function toMessage({ message, bodyBase64, maxAttempts, ttlLeftMs }: ExportedMessage): PreparedMessage {
  const { type, from, to, topic, orderingKey, correlationId, causationId, replyTo, ...rest } = message as Message;
  return {
    ...rest,
    ...{ type, from, to, topic, orderingKey, correlationId, causationId, replyTo },
    body: Buffer.from(bodyBase64, 'base64'),
    delayMs: 0,
    ttlMs: ttlLeftMs ?? undefined,
    maxAttempts: maxAttempts ?? undefined,
  };
}
