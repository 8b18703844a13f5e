/** Export and import of one namespace, record by record (rule RA7). Events are not in the state: the history reader has them. */

import type { PreparedMessage } from '@busbar/api/driver';
import type { ExportedMessage, Message, StateRecord } from '@busbar/api/transport';
import { fromBase64, toBase64 } from '../base64.ts';
import { type Item, toMessage } from './item.ts';
import type { Namespace } from './namespace.ts';
import type { Imported } from './operation.ts';

/** What comes before the events: revisions and entries. */
export function exportEntries({ entries }: Namespace): StateRecord[] {
  const records: StateRecord[] = [{ kind: 'revision', highest: entries.revision }];
  for (const entry of entries.list('', { limit: Number.POSITIVE_INFINITY, after: undefined })) {
    const { value, ...rest } = entry;
    records.push({ kind: 'kv', ...rest, valueBase64: toBase64(value) });
  }
  return records;
}

/** What comes after them: queues with their messages, and bindings. What is leased is exported as ready. */
export function exportQueues({ queues, bindings, agenda }: Namespace): StateRecord[] {
  const records: StateRecord[] = [];
  for (const { name, settings, dedupe, live, dead } of queues.values()) {
    records.push({ kind: 'queue', name, settings });
    for (const [id, until] of dedupe.entries()) {
      records.push({ kind: 'dedupe', queue: name, id, leftMs: until - agenda.now });
    }
    const items = [...live].sort((a, b) => a.place - b.place);
    for (const item of [...items, ...dead]) {
      records.push({ kind: 'message', queue: name, message: exportItem(item, agenda) });
    }
  }
  for (const binding of bindings.list()) records.push({ kind: 'binding', ...binding });
  return records;
}

/** Takes one record in; false where it is there already. `now`: no event so far has a number above it. */
export function importRecord(namespace: Namespace, record: Imported, now: number): boolean {
  switch (record.kind) {
    case 'revision':
      namespace.entries.revision = Math.max(namespace.entries.revision, record.highest);
      return false;
    case 'kv':
      return namespace.entries.restore({ ...record, value: fromBase64(record.valueBase64) });
    case 'queue': {
      if (namespace.queues.has(record.name)) return false;
      namespace.queue(record.name).configure(record.settings);
      return true;
    }
    case 'dedupe': {
      const { dedupe } = namespace.queue(record.queue);
      if (dedupe.get(record.id)) return false;
      dedupe.remember(record.id, true, record.leftMs);
      return true;
    }
    case 'message': {
      const queue = namespace.queue(record.queue);
      if (queue.find(record.message.message.id) !== undefined) return false;
      queue.restore(importMessage(record.message), record.message);
      return true;
    }
    case 'binding':
      return namespace.bind(record.queue, record.pattern, undefined, now);
  }
}

/** An event as an export has it. */
export function exportEvent(message: PreparedMessage): ExportedMessage {
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

/** The message of an export. */
export function importMessage(exported: ExportedMessage): PreparedMessage {
  const message: Message = { ...exported.message, body: fromBase64(exported.bodyBase64) };
  return {
    ...message,
    delayMs: exported.delayLeftMs ?? 0,
    ttlMs: exported.ttlLeftMs,
    maxAttempts: exported.maxAttempts,
  };
}

function exportItem(item: Item, agenda: Namespace['agenda']): ExportedMessage {
  const { message, leaseLeftMs, consumer, ...past } = item.toBrowsed(agenda);
  const { body, ...head } = message;
  const state = past.state === 'leased' ? 'ready' : past.state;
  return { ...past, state, message: head, bodyBase64: toBase64(body), maxAttempts: item.message.maxAttempts };
}
