/** Key-value entries as scripts return them, and changes as the channel carries them. */

import type { KeyChange } from '@busbar/api/driver';
import type { KvEntry } from '@busbar/api/transport';
import { toBytes } from '../queues/stored-message.ts';

export type EntryReply = readonly [key: Buffer, value: Buffer, revision: Buffer, created: Buffer, leftUs: Buffer];

export function toEntry([key, value, revision, created, leftUs]: EntryReply): KvEntry {
  return {
    key: String(key),
    value: toBytes(value),
    revision: Number(revision),
    createRevision: Number(created),
    ttlLeftMs: toTtlMs(Number(leftUs)),
  };
}

/** Reads `kind revision created leftUs keyBytes`, a line end, key, value. The kinds are p (put), d (deleted), x (expired). */
export function parseChange(payload: Buffer): KeyChange {
  const end = payload.indexOf('\n');
  const [kind, revision, created, leftUs, keyBytes] = payload.toString('latin1', 0, end).split(' ');
  const keyEnd = end + 1 + Number(keyBytes);
  const key = payload.toString('utf8', end + 1, keyEnd);
  if (kind !== 'p') return { kind: removalKind(kind), key, revision: Number(revision) };
  const value = toBytes(payload.subarray(keyEnd));
  const entry = { key, value, revision: Number(revision), createRevision: Number(created) };
  return { kind: 'put', entry: { ...entry, ttlLeftMs: toTtlMs(Number(leftUs)) } };
}

/** Reads the list of kind and key, and revision, of each removal. */
export function parseRemovals(fields: readonly Buffer[]): KeyChange[] {
  const removals: KeyChange[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const text = String(fields[index]);
    removals.push({ kind: removalKind(text[0]), key: text.slice(1), revision: Number(fields[index + 1]) });
  }
  return removals;
}

function removalKind(letter: string | undefined): 'deleted' | 'expired' {
  return letter === 'x' ? 'expired' : 'deleted';
}

function toTtlMs(leftUs: number): number | undefined {
  return leftUs === 0 ? undefined : leftUs / 1000;
}
