/** Values that JSON cannot say: Infinity is null on the wire, and bytes stand behind the head. */

import type { Capabilities, KvEntry, QueueSettings } from '@busbar/api/transport';
import type { Head } from './frame.ts';

type Settings = Required<QueueSettings>;

/** Infinity where the wire said null. */
export function readUnbounded(value: unknown): number {
  return value === null ? Number.POSITIVE_INFINITY : (value as number);
}

/** Settings of a queue as the wire says them, with their Infinity. */
export function readSettings<T extends QueueSettings>(settings: T): T {
  const { expireIdleMs, deadTtlMs } = settings as Partial<Settings>;
  if (expireIdleMs !== null && deadTtlMs !== null) return settings;
  return {
    ...settings,
    ...(expireIdleMs === null && { expireIdleMs: Number.POSITIVE_INFINITY }),
    ...(deadTtlMs === null && { deadTtlMs: Number.POSITIVE_INFINITY }),
  };
}

/** Capabilities as the wire says them, with their Infinity. */
export function readCapabilities(head: Capabilities): Capabilities {
  const { maxAgeMs, maxEvents, maxBytes } = head.retention;
  return {
    ...head,
    reclaimMs: readUnbounded(head.reclaimMs),
    retention: {
      maxAgeMs: readUnbounded(maxAgeMs),
      maxEvents: readUnbounded(maxEvents),
      maxBytes: readUnbounded(maxBytes),
    },
  };
}

/** What the wire says of an entry; its value is a body. */
export function toEntryHead({ key, revision, createRevision, ttlLeftMs }: KvEntry): Head {
  return { key, revision, createRevision, ttlLeftMs };
}

/** The entry that a head and a body make. */
export function readEntry(head: Head, value: Uint8Array | undefined): KvEntry {
  const { key, revision, createRevision, ttlLeftMs } = head as unknown as KvEntry;
  return { key, value: new Uint8Array(value ?? []), revision, createRevision, ttlLeftMs: ttlLeftMs ?? undefined };
}
