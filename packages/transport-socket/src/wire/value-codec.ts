/** Values that JSON cannot hold: Infinity becomes null, and bytes follow the header. */

import type { Capabilities, KvEntry, QueueSettings, StateRecord } from '@busbar/api/transport';
import type { Header } from '@busbar/wire';

/** Infinity for null. The receiver validates the rest. */
export function decodeNumber(value: unknown): number {
  return value === null ? Number.POSITIVE_INFINITY : (value as number);
}

/** Decodes the settings of a queue. */
export function decodeSettings<T extends QueueSettings>(settings: T): T {
  const { expireIdleMs, deadTtlMs } = settings as Partial<Required<QueueSettings>>;
  if (expireIdleMs !== null && deadTtlMs !== null) return settings;
  return {
    ...settings,
    ...(expireIdleMs === null && { expireIdleMs: Number.POSITIVE_INFINITY }),
    ...(deadTtlMs === null && { deadTtlMs: Number.POSITIVE_INFINITY }),
  };
}

/** Decodes the record of an export. */
export function decodeRecord(record: StateRecord): StateRecord {
  const hasSettings = typeof record === 'object' && record?.kind === 'queue' && typeof record.settings === 'object';
  return hasSettings ? { ...record, settings: decodeSettings(record.settings) } : record;
}

/** Decodes the capabilities in a welcome. */
export function decodeCapabilities(capabilities: Capabilities): Capabilities {
  const { maxAgeMs, maxEvents, maxBytes } = capabilities.retention;
  return {
    ...capabilities,
    reclaimMs: decodeNumber(capabilities.reclaimMs),
    retention: {
      maxAgeMs: decodeNumber(maxAgeMs),
      maxEvents: decodeNumber(maxEvents),
      maxBytes: decodeNumber(maxBytes),
    },
  };
}

/** The fields of an entry. Its value is a body. */
export function encodeEntry({ key, revision, createRevision, ttlLeftMs }: KvEntry): Header {
  return { key, revision, createRevision, ttlLeftMs };
}

/** The entry from its fields and its value. */
export function decodeEntry(header: Header, value: Uint8Array | undefined): KvEntry {
  const { key, revision, createRevision, ttlLeftMs } = header as unknown as KvEntry;
  return { key, value: new Uint8Array(value ?? []), revision, createRevision, ttlLeftMs: ttlLeftMs ?? undefined };
}
