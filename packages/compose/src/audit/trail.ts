/** The trails of messages: their records in order, their last known fate, and how they are related. */

import type { LogRecord } from './log-reader.ts';
import type { AuditRecord } from './record.ts';

/** What is known of one message in one place. A broadcast is in several places, and so is an event with bindings. */
export interface Trail {
  readonly id: string;
  readonly queue: string | undefined;
  /** The topic of an event; undefined for a message that was sent to a queue. */
  readonly topic: string | undefined;
  /** By time. */
  readonly records: readonly LogRecord[];
  /** The action of the last record that says what became of the message. */
  readonly fate: AuditRecord['action'];
  /** When that was. */
  readonly at: number;
  /** The record with its fields and body, if the log has it. */
  readonly sent: LogRecord | undefined;
  readonly attempts: number;
}

/** They begin a message. A later one does not say what became of it, unless the first had no effect. */
const SENDS: ReadonlySet<string> = new Set(['sent', 'published', 'called', 'failed', 'unknown']);
const UNSURE: ReadonlySet<string> = new Set(['failed', 'unknown']);
/** They end a message: that it is gone says no more. */
const FINAL: ReadonlySet<string> = new Set(['acked', 'rejected', 'dead', 'expired', 'cancelled', 'purged']);
/** They do not say what became of a message. */
const SILENT: ReadonlySet<string> = new Set(['received', 'lease-lost', 'duplicate']);

/** Puts the records of each message together. */
export function trailsOf(records: readonly LogRecord[]): Trail[] {
  const known = withMessages(records);
  const places = Map.groupBy(
    known.filter(({ id }) => id !== undefined),
    ({ id, queue, topic }) => `${id}\0${queue ?? `\0${topic}`}`,
  );
  const replies = new Map<string, LogRecord>();
  for (const record of known) {
    if (record.action === 'sent' && record.correlationId !== undefined) {
      replies.set(`${record.correlationId}\0${record.queue}`, record);
    }
  }
  return [...places.values()].map((each) => toTrail(each, replies)).sort((one, other) => one.at - other.at);
}

/**
 * Records with their messages: a settlement by a process that did not receive the message is found by its receipt, and an
 * operation on several messages concerns each of them.
 */
function withMessages(records: readonly LogRecord[]): LogRecord[] {
  const receipts = new Map<string, LogRecord>();
  for (const record of records) {
    if (record.action === 'delivered' && record.receipt !== undefined) receipts.set(record.receipt, record);
  }
  return records.flatMap((record) => {
    if (record.ids !== undefined) return record.ids.map((id) => ({ ...record, id }));
    if (record.id !== undefined || record.receipt === undefined) return [record];
    const { id, queue, attempt } = receipts.get(record.receipt) ?? {};
    return [{ ...record, id, queue, attempt }];
  });
}

function toTrail(unordered: readonly LogRecord[], replies: ReadonlyMap<string, LogRecord>): Trail {
  const records = unordered.toSorted((one, other) => one.at - other.at);
  const sent = records.find(({ action }) => SENDS.has(action) || action === 'duplicate');
  const reply = sent?.replyTo === undefined ? undefined : replies.get(`${sent.id}\0${sent.replyTo}`);
  const end = endOf(records);
  return {
    id: records[0]?.id ?? '',
    queue: records[0]?.queue,
    topic: records.find(({ topic }) => topic !== undefined)?.topic,
    records,
    fate: reply === undefined ? (end?.action ?? 'unknown') : 'replied',
    at: reply?.at ?? end?.at ?? 0,
    sent,
    attempts: Math.max(0, ...records.map(({ attempt = 0 }) => attempt)),
  };
}

/** The last record that says what became of a message. */
function endOf(records: readonly LogRecord[]): LogRecord | undefined {
  let end: LogRecord | undefined;
  for (const record of records) {
    const { action } = record;
    if (SILENT.has(action)) continue;
    if (SENDS.has(action) && end !== undefined && !UNSURE.has(end.action)) continue;
    if (action === 'gone' && end !== undefined && FINAL.has(end.action)) continue;
    end = record;
  }
  return end ?? records.at(-1);
}

/** The trails that belong to the same conversation as `id`: replies, and what handlers sent, in both directions. */
export function threadOf(trails: readonly Trail[], id: string): Trail[] {
  const links = new Map<string, string[]>();
  const link = (one: string, other: string | undefined): void => {
    if (other === undefined) return;
    links.set(one, [...(links.get(one) ?? []), other]);
    links.set(other, [...(links.get(other) ?? []), one]);
  };
  for (const { id: own, sent } of trails) {
    link(own, sent?.causationId);
    link(own, sent?.correlationId);
  }
  const found = new Set([id]);
  for (const each of found) for (const other of links.get(each) ?? []) found.add(other);
  return trails.filter((trail) => found.has(trail.id)).sort((one, other) => sentAt(one) - sentAt(other));
}

/** When a message was sent, or first seen. */
export function sentAt({ sent, records, at }: Trail): number {
  return sent?.at ?? records[0]?.at ?? at;
}
