/** The keys of the store that carries the bus, without those of moves. */

import type { KvDriver, PageQuery } from '@busbar/api/driver';
import type { CallOptions, KeyValue, KvEntry } from '@busbar/api/transport';
import { boundsOf } from '../../inner/calls.ts';
import { isOfMoves } from '../move.ts';
import type { MigrateCalls } from './calls.ts';
import { MigrateWatchCursor } from './watch-cursor.ts';

export function openKv(calls: MigrateCalls): KvDriver {
  return {
    get: (key, context) => calls.read(context, ({ transport }) => transport.kv.get(key, boundsOf(context))),
    put: (key, value, condition, context) =>
      calls.run(context, ({ transport }) => transport.kv.put(key, value, { ...condition, ...boundsOf(context) })),
    touch: (touches, context) => calls.run(context, ({ transport }) => transport.kv.touch(touches, boundsOf(context))),
    delete: (key, ifRevision, context) =>
      calls.run(context, ({ transport }) => transport.kv.delete(key, { ifRevision, ...boundsOf(context) })),
    list: (prefix, page, context) =>
      calls.read(context, ({ transport }) => listOwn(transport.kv, prefix, page, boundsOf(context))),
    async watch(prefix, context) {
      const carrier = await calls.ready(context);
      const cursor = new MigrateWatchCursor(prefix, calls.follower);
      await calls.own(cursor.open(carrier, boundsOf(context)));
      return cursor;
    },
  };
}

/** A page as long as one of a store without keys of moves. */
async function listOwn(
  kv: KeyValue,
  prefix: string,
  { limit, after }: PageQuery,
  bounds: CallOptions,
): Promise<KvEntry[]> {
  const own: KvEntry[] = [];
  for (let last = after; ; ) {
    const page = await kv.list(prefix, { limit, after: last, ...bounds });
    own.push(...page.filter(({ key }) => !isOfMoves(key)));
    last = page.at(-1)?.key;
    if (own.length >= limit || page.length < limit) return own.slice(0, limit);
  }
}
