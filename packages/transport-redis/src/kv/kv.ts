/** Entries: small values with a revision and a time to live. */

import type { KvDriver, PageQuery } from '@busbar/api/driver';
import type { KvEntry, PutResult } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { lexRange } from '../lua/lex-range.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { toBuffer, toBytes } from '../queues/stored-message.ts';
import type { EntryWatches } from './watch.ts';

/** Entries of one page of the server. */
const PAGE = 500;

type Row = readonly [key: Buffer, value: Buffer, revision: Buffer, created: Buffer, leftUs: Buffer];

export function openEntries(link: Link, watches: EntryWatches): KvDriver {
  return {
    async get(key, { deadline }) {
      const row = (await link.run(SCRIPTS.get, [key], { deadline, repeat: true })) as Row | null;
      return row === null ? undefined : toEntry(row);
    },
    async put(key, value, { ttlMs, ifRevision }, { deadline }) {
      const args = [key, toBuffer(value), ttlMs ?? '', ifRevision ?? ''];
      // Done twice, a condition that held would not hold any more.
      return toResult(await link.run(SCRIPTS.put, args, { deadline, repeat: ifRevision === undefined }));
    },
    async touch(touches, { deadline }) {
      if (touches.length === 0) return [];
      const args = touches.flatMap(({ key, ttlMs, createRevision }) => [key, ttlMs, createRevision ?? '']);
      const letters = String(await link.run(SCRIPTS.touch, args, { deadline, repeat: true }));
      return touches.map(({ key }, index) => ({ key, status: letters[index] === 't' ? 'touched' : 'lost' }));
    },
    async delete(key, ifRevision, { deadline }) {
      const status = String(await link.run(SCRIPTS.delete, [key, ifRevision ?? ''], { deadline, repeat: false }));
      return { status: status as 'deleted' | 'absent' | 'conflict' };
    },
    async list(prefix, page, { deadline }) {
      return (await listEntries(link, prefix, page, deadline)).entries;
    },
    watch: (prefix, context) => watches.open(prefix, context),
  };
}

/** Entries as of one moment a page. */
export interface Listed {
  readonly entries: KvEntry[];
  /** The highest revision given when the first page was read. */
  readonly revision: number;
  /** When the next entry ends, of whatever key. */
  readonly nextEndMs: number | undefined;
}

/** The entries whose key starts with `prefix`, in the order of their bytes. */
export async function listEntries(link: Link, prefix: string, page: PageQuery, deadline: number): Promise<Listed> {
  const entries: KvEntry[] = [];
  let revision: number | undefined;
  let nextEndMs: number | undefined;
  let { after } = page;
  for (let isMore = true; isMore && entries.length < page.limit; ) {
    const size = Math.min(PAGE, page.limit - entries.length);
    const args = [...lexRange(prefix, after), size];
    const reply = (await link.run(SCRIPTS.list, args, { deadline, repeat: true })) as [Buffer, number, Row[]];
    const [highest, endMs, rows] = reply;
    revision ??= Number(highest);
    nextEndMs = endMs < 0 ? undefined : endMs;
    for (const row of rows) entries.push(toEntry(row));
    after = entries.at(-1)?.key ?? after;
    isMore = rows.length === size;
  }
  return { entries, revision: revision ?? 0, nextEndMs };
}

function toEntry([key, value, revision, created, leftUs]: Row): KvEntry {
  const left = Number(leftUs);
  return {
    key: String(key),
    value: toBytes(value),
    revision: Number(revision),
    createRevision: Number(created),
    ttlLeftMs: left === 0 ? undefined : left / 1000,
  };
}

function toResult(reply: unknown): PutResult {
  const [status, first, second] = reply as [Buffer, unknown, unknown];
  if (String(status) === 'stored') {
    return { status: 'stored', revision: Number(String(first)), createRevision: Number(String(second)) };
  }
  return { status: 'conflict', current: first === undefined ? undefined : toEntry(first as Row) };
}
