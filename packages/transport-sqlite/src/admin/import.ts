/** Records of an export, taken in. What is there already, by id, key or name, stays as it is. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import { CONTENT } from '../connection/schema.ts';
import type { Transaction } from '../connection/transaction.ts';
import { adopt, knownSeq, note, remember } from '../queues/dedupe.ts';
import { place } from '../queues/messages.ts';
import type { QueueRow } from '../queues/queue-row.ts';
import { CONTENT_COLUMNS, pushContent, toStored } from '../queues/stored-message.ts';
import { bind } from '../topics/bindings.ts';
import { append, ensureTopic } from '../topics/event-log.ts';

type RecordOf<K extends StateRecord['kind']> = Extract<StateRecord, { kind: K }>;

const marks = (count: number): string => Array(count).fill('?').join(',');

/** Ids of the events of topics that an import has met, so that looking for one does not read the log each time. */
export class ImportedTopics {
  readonly #ids = new Map<number, Set<string>>();

  ids(transaction: Transaction, topicId: number): Set<string> {
    const known = this.#ids.get(topicId);
    if (known !== undefined) return known;
    const rows = transaction.store.sql<[string]>('SELECT id FROM log WHERE topic_id=?').all(topicId);
    const ids = new Set(rows.map(([id]) => id));
    this.#ids.set(topicId, ids);
    return ids;
  }

  forget(): void {
    this.#ids.clear();
  }
}

/** Takes a record in. Whether it was new. */
export function importRecord(transaction: Transaction, record: StateRecord, topics: ImportedTopics): boolean {
  transaction.work += 1;
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
  // JSON has no Infinity: null stands for it.
  const restored = { ...settings };
  restored.expireIdleMs ??= Number.POSITIVE_INFINITY;
  restored.deadTtlMs ??= Number.POSITIVE_INFINITY;
  transaction.ensureQueue(name, restored);
  return true;
}

function importMessage(transaction: Transaction, queue: QueueRow, exported: ExportedMessage): boolean {
  const { id } = exported.message;
  if (isThere(transaction, queue, id)) return false;
  if (exported.dead !== undefined && exported.dead !== null) importDead(transaction, queue, exported, exported.dead);
  else importPending(transaction, queue, exported);
  return true;
}

function isThere(transaction: Transaction, queue: QueueRow, id: string): boolean {
  const { store } = transaction;
  if (store.value('SELECT 1 FROM dead WHERE queue_id=? AND id=?', queue.id, id) !== undefined) return true;
  const seq = knownSeq(transaction, queue.id, id);
  return (
    seq !== undefined &&
    store.value('SELECT 1 FROM job WHERE seq=? AND queue_id=? AND id=?', seq, queue.id, id) !== undefined
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
  pushContent(parameters, toMessage(exported));
  transaction.store
    .sql(
      `INSERT INTO dead (queue_id, died_at, died_at_wall, reason, attempts, history, ${CONTENT}) VALUES (${marks(6 + CONTENT_COLUMNS)})`,
    )
    .run(parameters);
  queue.dead += 1;
  queue.isChanged = true;
}

function importPending(transaction: Transaction, queue: QueueRow, exported: ExportedMessage): void {
  const { store, now } = transaction;
  const counter = transaction.counter();
  counter.jobHead += 1;
  const seq = counter.jobHead;
  const message = toMessage(exported);
  const at = exported.delayLeftMs ? Math.ceil(now + exported.delayLeftMs) : now;
  const expires =
    exported.ttlLeftMs === undefined || exported.ttlLeftMs === null ? null : Math.ceil(now + exported.ttlLeftMs);
  const parameters: unknown[] = [seq, queue.id, at, exported.attempts, expires, toHistory(exported)];
  pushContent(parameters, message);
  store
    .sql(
      `INSERT INTO job (seq, queue_id, at, attempts, expires, history, ${CONTENT}) VALUES (${marks(6 + CONTENT_COLUMNS)})`,
    )
    .run(parameters);
  note(transaction, { scope: queue.id, ids: [message.id], first: seq });
  place(transaction, queue, { seq, at, priority: message.priority, orderingKey: message.orderingKey });
}

function importDedupe(transaction: Transaction, { queue, id, leftMs }: RecordOf<'dedupe'>): boolean {
  return adopt(transaction, transaction.ensureQueue(queue).id, id, leftMs);
}

function importBinding(transaction: Transaction, { queue, pattern }: RecordOf<'binding'>): boolean {
  return bind(transaction, transaction.ensureQueue(queue), pattern, transaction.counter().logHead);
}

/** What a bound queue holds of it is a record of its own: no queue gets it from here. */
function importEvent(transaction: Transaction, { topic, message }: RecordOf<'event'>, topics: ImportedTopics): boolean {
  const topicId = ensureTopic(transaction.store, topic);
  const ids = topics.ids(transaction, topicId);
  if (ids.has(message.message.id)) return false;
  const counter = transaction.counter();
  counter.logHead += 1;
  const incoming = { scope: -topicId, ids: [message.message.id], first: counter.logHead };
  remember(transaction, { ...incoming, windowMs: transaction.store.settings.topicDedupeMs });
  // When it was published is not known; when it was sent is near enough.
  const at = Math.min(Date.now(), message.message.sentAt);
  append(transaction, topicId, [toMessage(message)], [counter.logHead], at);
  transaction.topics.add(topic);
  transaction.afterCommit(() => ids.add(message.message.id));
  return true;
}

function importEntry(transaction: Transaction, record: RecordOf<'kv'>): boolean {
  const { store, now } = transaction;
  const trace = store
    .sql<[number, string | null]>('SELECT revision, gone FROM entry WHERE ns=? AND key=?')
    .get(store.ns, record.key);
  if (trace !== undefined && trace[1] === null) return false;
  const counter = transaction.counter();
  // Watchers follow the order of changes, so this is the newest one; its revision may be older.
  counter.revision = Math.max(counter.revision + 1, record.revision);
  const expires =
    record.ttlLeftMs === undefined || record.ttlLeftMs === null ? null : Math.ceil(now + record.ttlLeftMs);
  store
    .sql(
      'INSERT OR REPLACE INTO entry (ns, key, value, revision, create_revision, expires, change) VALUES (?,?,?,?,?,?,?)',
    )
    .run(
      store.ns,
      record.key,
      toStored(Buffer.from(record.valueBase64, 'base64')),
      record.revision,
      record.createRevision,
      expires,
      counter.revision,
    );
  transaction.keys.add(record.key);
  return true;
}

function importRevision(transaction: Transaction, { highest }: RecordOf<'revision'>): boolean {
  const counter = transaction.counter();
  counter.revision = Math.max(counter.revision, highest);
  return false;
}

function toHistory({ history }: ExportedMessage): string | null {
  return history.length === 0 ? null : JSON.stringify(history);
}

/** A record that has been a line of a file lacks what was undefined. */
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
