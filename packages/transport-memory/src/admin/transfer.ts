/** Exports and imports a namespace, record by record (rule RA7). */

import { fromBase64, fromExportedMessage, toBase64, toExportedEvent, toExportedMessage } from '@busbar/api/driver';
import type { ExportedMessage, StateRecord } from '@busbar/api/transport';
import type { Namespace } from '../namespace.ts';
import { toMessage } from '../queues/stored-message.ts';

/** The whole namespace. Leased messages are exported as ready, with their attempt counted. */
export async function* exportNamespace(namespace: Namespace): AsyncIterable<StateRecord> {
  yield* snapshot(namespace);
}

/** One synchronous step, so the records are a consistent snapshot. */
function snapshot(namespace: Namespace): StateRecord[] {
  namespace.deadlines.runDue();
  const { now } = namespace.deadlines;
  const records: StateRecord[] = [{ kind: 'revision', highest: namespace.kv.revision }];
  for (const entry of namespace.kv.list('', { limit: Number.POSITIVE_INFINITY, after: undefined })) {
    const { value, ...rest } = entry;
    records.push({ kind: 'kv', ...rest, valueBase64: toBase64(value) });
  }
  for (const event of namespace.log.read(namespace.log.first, Number.POSITIVE_INFINITY, () => true).events) {
    const { delayMs: delayLeftMs, ttlMs, maxAttempts } = event.message;
    const message = toExportedEvent(toMessage(event.message), { delayLeftMs, ttlMs, maxAttempts });
    records.push({ kind: 'event', topic: event.topic, message });
  }
  for (const queue of namespace.queues.values()) {
    const { name, settings, totals } = queue;
    records.push({ kind: 'queue', name, settings, totals: { ...totals } });
    const items = [...queue.live].sort((a, b) => a.order - b.order);
    for (const item of [...items, ...queue.dead]) {
      const message = toExportedMessage(item.toBrowsed(now), item.message);
      records.push({ kind: 'message', queue: queue.name, message });
    }
    for (const { id, leftMs } of queue.dedupe.entries()) records.push({ kind: 'dedupe', queue: name, id, leftMs });
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
      return (
        namespace.log.append(record.topic, fromExportedMessage(record.message), () => undefined).status === 'stored'
      );
    case 'queue': {
      if (namespace.queues.has(record.name)) return false;
      const queue = namespace.queue(record.name);
      queue.configure(record.settings);
      Object.assign(queue.totals, record.totals);
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
  if (queue.has(exported.message)) return false;
  queue.restore(fromExportedMessage(exported), exported);
  queue.dispatch();
  return true;
}
