/** Exports and imports a namespace, record by record (rule RA7). */

import type { PreparedMessage } from '@busbar/api/driver';
import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import type { Namespace } from '../namespace.ts';
import { type StoredMessage, toMessage } from '../queues/stored-message.ts';

/** The whole namespace. Leased messages are exported as ready, with their attempt counted. */
export async function* exportNamespace(namespace: Namespace): AsyncIterable<StateRecord> {
  yield* snapshot(namespace);
}

/** One synchronous step, so the records are a consistent snapshot. */
function snapshot(namespace: Namespace): StateRecord[] {
  namespace.deadlines.runDue();
  const records: StateRecord[] = [{ kind: 'revision', highest: namespace.kv.revision }];
  for (const entry of namespace.kv.list('', { limit: Number.POSITIVE_INFINITY, after: undefined })) {
    const { value, ...rest } = entry;
    records.push({ kind: 'kv', ...rest, valueBase64: toBase64(value) });
  }
  for (const event of namespace.log.read(namespace.log.first, Number.POSITIVE_INFINITY, () => true).events) {
    records.push({ kind: 'event', topic: event.topic, message: exportMessage(event.message) });
  }
  for (const queue of namespace.queues.values()) {
    records.push({ kind: 'queue', name: queue.name, settings: queue.settings });
    for (const { id, leftMs } of queue.dedupe.entries())
      records.push({ kind: 'dedupe', queue: queue.name, id, leftMs });
    const items = [...queue.live].sort((a, b) => a.order - b.order);
    for (const item of [...items, ...queue.dead]) {
      records.push({ kind: 'message', queue: queue.name, message: exportItem(item) });
    }
  }
  for (const binding of namespace.listBindings()) records.push({ kind: 'binding', ...binding });
  return records;
}

/** Imports one record. Returns false when the store has it already. */
export function importRecord(namespace: Namespace, record: StateRecord): boolean {
  switch (record.kind) {
    case 'revision':
      namespace.kv.revision = Math.max(namespace.kv.revision, record.highest);
      return false;
    case 'kv':
      return namespace.kv.restore({ ...record, value: fromBase64(record.valueBase64) });
    case 'event':
      return namespace.log.append(record.topic, toPrepared(record.message), () => undefined).status === 'stored';
    case 'queue': {
      if (namespace.queues.has(record.name)) return false;
      namespace.queue(record.name).configure(record.settings);
      return true;
    }
    case 'dedupe':
      return remember(namespace, record.queue, record.id, record.leftMs);
    case 'message':
      return restore(namespace, record.queue, record.message);
    case 'binding': {
      const known = namespace.bindings.get(record.queue)?.has(record.pattern) ?? false;
      namespace.bind(record.queue, record.pattern, 'new');
      return !known;
    }
  }
}

function remember(namespace: Namespace, name: string, id: string, leftMs: number): boolean {
  const queue = namespace.queue(name);
  if (queue.dedupe.get(id)) return false;
  queue.dedupe.remember(id, true, leftMs);
  return true;
}

function restore(namespace: Namespace, name: string, exported: ExportedMessage): boolean {
  const queue = namespace.queue(name);
  if (queue.find(exported.message.id) !== undefined) return false;
  queue.restore(toPrepared(exported), exported);
  queue.dispatch();
  return true;
}

function exportItem(item: StoredMessage): ExportedMessage {
  const { message, leaseLeftMs, consumer, ...past } = item.toBrowsed();
  const { body, ...head } = message;
  const state = past.state === 'leased' ? 'ready' : past.state;
  return { ...past, state, message: head, bodyBase64: toBase64(body), maxAttempts: item.message.maxAttempts };
}

function exportMessage(message: PreparedMessage): ExportedMessage {
  const { body, ...head } = toMessage(message);
  return {
    message: head,
    bodyBase64: toBase64(body),
    maxAttempts: message.maxAttempts,
    state: 'ready',
    attempts: 0,
    delayLeftMs: message.delayMs,
    ttlLeftMs: message.ttlMs,
    history: [],
    dead: undefined,
  };
}

function toPrepared(exported: ExportedMessage): PreparedMessage {
  const message: Message = { ...exported.message, body: fromBase64(exported.bodyBase64) };
  return {
    ...message,
    delayMs: exported.delayLeftMs ?? 0,
    ttlMs: exported.ttlLeftMs,
    maxAttempts: exported.maxAttempts,
  };
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
