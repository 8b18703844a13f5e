/** Lists key-value entries page by page. */

import type { PageQuery } from '@busbar/api/driver';
import type { KvEntry } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { lexRange } from '../lua/arguments.ts';
import { KV_LIST } from '../lua/kv.ts';
import { type EntryReply, toEntry } from './entry-codec.ts';

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
