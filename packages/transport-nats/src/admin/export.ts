/** Exports a namespace, record by record. */

import { readAhead, toBase64, toExportedEvent, toExportedMessage } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import type { KvStore } from '../kv/kv-store.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { readDirect } from '../queues/stored-message.ts';
import type { AdminContext } from './admin-context.ts';
import { readWindows, windowsOf } from './id-windows.ts';
import type { Inspection } from './inspect.ts';
import type { Moment } from './queue-view.ts';

/** Exports all records of a namespace. A leased message is exported as ready, and its attempt counts. */
export async function* exportState(context: AdminContext, inspection: Inspection): AsyncIterable<StateRecord> {
  const { kv, views, clock } = context;
  // Counted from one moment, messages with one delay keep their order.
  const { now, dueNow, dueLate } = clock.store;
  const began = { now: clock.now, store: { now, dueNow, dueLate } };
  yield* exportKv(kv);
  yield* exportEvents(context, began);
  for (const queue of await inspection.alive()) {
    const totals = await views.totals(queue);
    yield { kind: 'queue', name: queue.name, settings: queue.record.settings, totals };
    const left = new Map<string, number>();
    for await (const page of views.scan(queue)) {
      windowsOf(context, page, left);
      for (const { stored, status } of page) {
        if (status === undefined) continue;
        const { maxAttempts, ttlMs } = stored.envelope;
        const message = toExportedMessage(views.browsed(queue, status, began), { maxAttempts, ttlMs });
        yield { kind: 'message', queue: queue.name, message };
      }
    }
    for await (const page of readAhead(readWindows(context, queue))) {
      for (const { id, leftMs } of page) {
        left.delete(id);
        yield { kind: 'dedupe', queue: queue.name, id, leftMs };
      }
    }
    for (const [id, leftMs] of left) yield { kind: 'dedupe', queue: queue.name, id, leftMs };
    for (const { pattern } of queue.record.bindings) yield { kind: 'binding', queue: queue.name, pattern };
  }
}

async function* exportKv(kv: KvStore): AsyncIterable<StateRecord> {
  const last = await kv.requests.reader.lastSequence(kv.names.kv);
  const all = await kv.list('');
  const highest = Math.max(last + (await kv.offset()), ...all.map(({ revision }) => revision));
  yield { kind: 'revision', highest };
  for (const one of all) {
    if (!kv.isAlive(one)) continue;
    const { value, ...entry } = kv.toEntry(one);
    yield { kind: 'kv', ...entry, valueBase64: toBase64(value) };
  }
}

async function* exportEvents({ requests, names }: QueueContext, { store }: Moment): AsyncIterable<StateRecord> {
  for await (const page of requests.reader.scan(names.topics, names.topic('>'))) {
    for (const each of page) {
      const { message, envelope, subject } = readDirect(each);
      const topic = subject.slice(names.topic('').length);
      const left = (time: number | undefined, now: number): number | undefined =>
        time === undefined ? undefined : Math.max(0, time - now);
      const times = {
        delayLeftMs: left(envelope.dueAt, store.dueNow) ?? 0,
        ttlLeftMs: left(envelope.expiresAt, store.now),
      };
      const options = { ...times, maxAttempts: envelope.maxAttempts, ttlMs: envelope.ttlMs };
      yield { kind: 'event', topic, message: toExportedEvent({ ...message, topic }, options) };
    }
  }
}
