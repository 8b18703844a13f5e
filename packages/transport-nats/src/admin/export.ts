/** Exports a namespace, record by record. */

import { toBase64, toExportedEvent, toExportedMessage } from '@busbar/api/driver';
import type { StateRecord } from '@busbar/api/transport';
import { DEDUPE_MS } from '../connection/streams.ts';
import type { KvStore } from '../kv/kv-store.ts';
import type { QueueContext } from '../queues/queue-context.ts';
import { readDirect, type StoredMessage } from '../queues/stored-message.ts';
import type { AdminContext } from './admin-context.ts';
import type { Inspection } from './inspect.ts';
import type { QueueView } from './queue-view.ts';

/** Exports all records of a namespace. A leased message is exported as ready, and its attempt counts. */
export async function* exportState(context: AdminContext, inspection: Inspection): AsyncIterable<StateRecord> {
  const { kv, views } = context;
  yield* exportKv(kv);
  yield* exportEvents(context);
  for (const queue of await inspection.alive()) {
    const view = await views.view(queue);
    yield { kind: 'queue', name: queue.name, settings: queue.record.settings };
    yield* exportIds(context, view);
    const live = view.all.filter(({ state }) => state !== 'dead').sort((a, b) => a.stored.seq - b.stored.seq);
    const dead = view.all.filter(({ state }) => state === 'dead');
    for (const one of [...live, ...dead]) {
      const { maxAttempts, ttlMs } = one.stored.envelope;
      const message = toExportedMessage(views.browsed(queue, one), { maxAttempts, ttlMs });
      yield { kind: 'message', queue: queue.name, message };
    }
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

async function* exportEvents({ requests, names, clock }: QueueContext): AsyncIterable<StateRecord> {
  for await (const page of requests.reader.scan(names.topics, names.topic('>'))) {
    for (const each of page) {
      const { message, envelope, subject } = readDirect(each);
      const topic = subject.slice(names.topic('').length);
      const left = (time: number | undefined, now: number): number | undefined =>
        time === undefined ? undefined : Math.max(0, time - now);
      const { dueNow, now } = clock.store;
      const times = { delayLeftMs: left(envelope.dueAt, dueNow) ?? 0, ttlLeftMs: left(envelope.expiresAt, now) };
      const options = { ...times, maxAttempts: envelope.maxAttempts, ttlMs: envelope.ttlMs };
      yield { kind: 'event', topic, message: toExportedEvent({ ...message, topic }, options) };
    }
  }
}

/** The ids that a send cannot use again: those of stored messages, and those with records. */
async function* exportIds(
  { requests, names, clock }: QueueContext,
  { queue, stored }: QueueView,
): AsyncIterable<StateRecord> {
  const left = new Map<string, number>();
  for (const { stored: each, lane } of stored) {
    const leftMs = each.storedAt + DEDUPE_MS - clock.store.dueNow;
    if (lane !== 'dead' && isSent(each) && leftMs > 0) left.set(each.message.id, leftMs);
  }
  for await (const page of requests.reader.scan(names.queues, names.ids(queue.name))) {
    for (const each of page) {
      const { id, until } = each.json<{ id: string; until: number }>();
      const leftMs = until - clock.store.now;
      if (leftMs > 0) left.set(id, leftMs);
    }
  }
  for (const [id, leftMs] of left) yield { kind: 'dedupe', queue: queue.name, id, leftMs };
}

/** Whether the server remembers the id of a message: not of one that was imported, moved, or copied from a topic. */
function isSent({ message, envelope }: StoredMessage): boolean {
  return envelope.past === undefined && envelope.readyAt === undefined && message.topic === undefined;
}
