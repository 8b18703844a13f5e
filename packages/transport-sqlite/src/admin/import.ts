/** Imports the records of an export. Existing messages, keys and queues stay as they are. */

import { fromBase64, fromExportedMessage, type PreparedMessage } from '@busbar/api/driver';
import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import { Insertion } from '../connection/rows.ts';
import { MESSAGE_COLUMNS } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { findSeqs, IdExpiries, importId, indexIds, isWithinWindow, recordIds } from '../queues/dedupe.ts';
import { insertIntoState } from '../queues/message-state.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { pushMessage, toExpiry, toStored } from '../queues/stored-message.ts';
import { bind } from '../topics/bindings.ts';
import { appendEvents, ensureTopic } from '../topics/event-log.ts';

const SELECT_DEAD = 'SELECT sent_at, topic FROM dead WHERE queue_id=? AND id=?';

type RecordOf<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

const PENDING = new Insertion('message', `seq, queue_id, at, attempts, expires, history, ${MESSAGE_COLUMNS}`);
const DEAD = new Insertion('dead', `queue_id, died_at, died_at_wall, reason, attempts, history, ${MESSAGE_COLUMNS}`);

/** The ids of events per topic, so that an import does not read the log for each event. */
export class ImportedEventIds {
  readonly #ids = new Map<number, Set<string>>();

  ids(tx: Transaction, topicId: number): Set<string> {
    const known = this.#ids.get(topicId);
    if (known !== undefined) return known;
    const rows = tx.sql<[string]>('SELECT id FROM event WHERE topic_id=?').all(topicId);
    const ids = new Set(rows.map(([id]) => id));
    this.#ids.set(topicId, ids);
    return ids;
  }

  forget(): void {
    this.#ids.clear();
  }
}

/** Imports records in their order. Returns how many were new. */
export function importRecords(tx: Transaction, records: readonly StateRecord[], topics: ImportedEventIds): number {
  const expiries = new IdExpiries();
  const { length } = records.filter((record) => importRecord(tx, record, { topics, expiries }));
  expiries.schedule(tx);
  return length;
}

interface Import {
  readonly topics: ImportedEventIds;
  readonly expiries: IdExpiries;
}

/** Returns whether it was new. */
function importRecord(tx: Transaction, record: StateRecord, { topics, expiries }: Import): boolean {
  tx.rowCount += 1;
  switch (record.kind) {
    case 'queue':
      return importQueue(tx, record);
    case 'message':
      return importMessage(tx, tx.ensureQueue(record.queue), { exported: record.message, expiries });
    case 'dedupe':
      return importId(tx, { scope: tx.ensureQueue(record.queue).id, id: record.id, leftMs: record.leftMs }, expiries);
    case 'binding':
      return bind(tx, tx.ensureQueue(record.queue), record.pattern, tx.counters().eventHead);
    case 'event':
      return importEvent(tx, record, topics);
    case 'kv':
      return importEntry(tx, record);
    case 'revision':
      return importRevision(tx, record);
  }
}

function importQueue(tx: Transaction, { name, settings, totals }: RecordOf<'queue'>): boolean {
  if (tx.queue(name) !== undefined) return false;
  // JSON has no Infinity. An export writes null instead.
  const restored = { ...settings };
  restored.expireIdleMs ??= Number.POSITIVE_INFINITY;
  restored.deadTtlMs ??= Number.POSITIVE_INFINITY;
  const queue = tx.ensureQueue(name, restored);
  queue.totalSent = totals.sent;
  queue.totalDone = totals.done;
  queue.totalDead = totals.dead;
  queue.totalExpired = totals.expired;
  queue.isChanged = true;
  return true;
}

interface ImportedMessage {
  readonly exported: ExportedMessage;
  readonly expiries: IdExpiries;
}

function importMessage(tx: Transaction, queue: QueueRow, { exported, expiries }: ImportedMessage): boolean {
  if (isKnown(tx, queue, exported.message)) return false;
  if (exported.dead !== undefined && exported.dead !== null) importDead(tx, queue, exported, exported.dead);
  else importPending(tx, queue, { exported, expiries });
  return true;
}

/** Whether the queue has this message, or within its window another one that was sent with its id. */
function isKnown(tx: Transaction, queue: QueueRow, { id, topic, sentAt }: ExportedMessage['message']): boolean {
  const rows = findSeqs(tx, queue.id, id).flatMap((seq) =>
    tx.sql<[number, string | null]>('SELECT sent_at, topic FROM message WHERE seq=?').all(seq),
  );
  if (queue.dead > 0) rows.push(...tx.sql<[number, string | null]>(SELECT_DEAD).all(queue.id, id));
  const same = rows.filter(([, from]) => (from ?? undefined) === topic);
  if (same.some(([at]) => at === sentAt)) return true;
  return topic === undefined && same.length > 0 && isWithinWindow(tx, queue.id, id);
}

function importDead(
  tx: Transaction,
  queue: QueueRow,
  exported: ExportedMessage,
  dead: NonNullable<ExportedMessage['dead']>,
): void {
  const age = Math.max(0, tx.wallTime - dead.at);
  DEAD.run(tx, [toMessage(exported)], (values, message) => {
    const { attempts } = exported;
    values.push(queue.id, Math.floor(tx.now - age), dead.at, dead.reason, attempts, toHistory(exported));
    pushMessage(values, message);
  });
  queue.dead += 1;
  queue.isChanged = true;
}

function importPending(tx: Transaction, queue: QueueRow, { exported, expiries }: ImportedMessage): void {
  const { now, time } = tx;
  const counters = tx.counters();
  counters.messageHead += 1;
  const seq = counters.messageHead;
  const message = toMessage(exported);
  // A delay has a due time that the end of a move does not shift, so it counts from the present also in a closed store.
  const at = exported.delayLeftMs ? Math.ceil(time + exported.delayLeftMs) : now;
  const expires = toExpiry(now, exported.ttlLeftMs);
  PENDING.run(tx, [message], (values) => {
    values.push(seq, queue.id, at, exported.attempts, expires, toHistory(exported));
    pushMessage(values, message);
  });
  indexIds(tx, { scope: queue.id, ids: [message.id], first: seq }, expiries);
  insertIntoState(tx, queue, { seq, at, priority: message.priority, orderingKey: message.orderingKey });
}

/** Bound queues do not get the event: their messages are records of their own. */
function importEvent(tx: Transaction, { topic, message }: RecordOf<'event'>, topics: ImportedEventIds): boolean {
  const topicId = ensureTopic(tx.store, topic);
  const ids = topics.ids(tx, topicId);
  if (ids.has(message.message.id)) return false;
  const seq = tx.takeEventNumbers(1);
  const incoming = { scope: -topicId, ids: [message.message.id], first: seq };
  recordIds(tx, { ...incoming, windowMs: tx.store.settings.topicDedupeMs });
  // The time of the publish is not exported. The time of the send is close.
  const at = Math.min(Date.now(), message.message.sentAt);
  appendEvents(tx, topicId, [fromExportedMessage(message)], [seq], at);
  tx.publishedTopics.add(topic);
  tx.afterCommit(() => ids.add(message.message.id));
  return true;
}

function importEntry(tx: Transaction, record: RecordOf<'kv'>): boolean {
  const row = tx
    .sql<[number, string | null]>('SELECT revision, tombstone FROM kv WHERE ns=? AND key=?')
    .get(tx.ns, record.key);
  if (row !== undefined && row[1] === null) return false;
  const counters = tx.counters();
  // Watches follow the order of changes, so the import is the newest change, even with an older revision.
  counters.revision = Math.max(tx.nextRevision(), record.revision);
  const { key, revision, createRevision } = record;
  const value = toStored(fromBase64(record.valueBase64));
  tx.sql(
    'INSERT OR REPLACE INTO kv (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)',
  ).run(tx.ns, key, value, revision, createRevision, toExpiry(tx.now, record.ttlLeftMs), counters.revision);
  tx.changedKeys.add(record.key);
  return true;
}

function importRevision(tx: Transaction, { highest }: RecordOf<'revision'>): boolean {
  const counters = tx.counters();
  counters.revision = Math.max(counters.revision, highest);
  return false;
}

function toHistory({ history }: ExportedMessage): string | null {
  return history.length === 0 ? null : JSON.stringify(history);
}

/** A delay is stored as the due time of a message, not as an option of its sender. */
function toMessage(exported: ExportedMessage): PreparedMessage {
  return { ...fromExportedMessage(exported), delayMs: 0 };
}
