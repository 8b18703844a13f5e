/** Key-value entries as scripts return them, pages of them, and changes as the channel carries them. */

import type { KeyChange, PageQuery } from '@busbar/api/driver';
import type { KvEntry } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { lexRange } from '../lua/arguments.ts';
import { KV_LIST } from '../lua/kv.ts';
import { toBytes } from '../queues/stored-message.ts';

/** Entries of one script. */
const PAGE_SIZE = 500;

/** Entries, each script's as of one moment. */
export interface EntryList {
  readonly entries: KvEntry[];
  /** The highest revision of the store when the first page was read. */
  readonly revision: number;
  /** When the next entry of the store expires. */
  readonly nextExpiryMs: number | undefined;
}

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

/** The entries whose key starts with `prefix`, in byte order. */
export async function listEntries(
  client: ReconnectingClient,
  prefix: string,
  page: PageQuery,
  deadline: number,
): Promise<EntryList> {
  const entries: KvEntry[] = [];
  let revision: number | undefined;
  let nextExpiryMs: number | undefined;
  let { after } = page;
  for (let isMore = true; isMore && entries.length < page.limit; ) {
    const size = Math.min(PAGE_SIZE, page.limit - entries.length);
    const reply = await client.run(KV_LIST, [...lexRange(prefix, after), size], { deadline, repeat: true });
    const [highest, expiryMs, rows] = reply as [Buffer, number, EntryReply[]];
    revision ??= Number(highest);
    nextExpiryMs = expiryMs < 0 ? undefined : expiryMs;
    for (const row of rows) entries.push(toEntry(row));
    after = entries.at(-1)?.key ?? after;
    isMore = rows.length === size;
  }
  return { entries, revision: revision ?? 0, nextExpiryMs };
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
