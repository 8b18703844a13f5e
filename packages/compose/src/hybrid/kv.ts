/** Keys: all of them are on the durable side. */

import type { KvDriver } from '@busbar/api/driver';
import { boundsOf, own } from '../inner/calls.ts';
import { InnerWatchCursor } from '../inner/watch-cursor.ts';
import type { HybridSide } from './side.ts';

export function openKv({ transport: { kv } }: HybridSide): KvDriver {
  return {
    get: (key, context) => own(kv.get(key, boundsOf(context))),
    put: (key, value, condition, context) => own(kv.put(key, value, { ...condition, ...boundsOf(context) })),
    touch: (touches, context) => own(kv.touch(touches, boundsOf(context))),
    delete: (key, ifRevision, context) => own(kv.delete(key, { ifRevision, ...boundsOf(context) })),
    list: (prefix, page, context) => own(kv.list(prefix, { ...page, ...boundsOf(context) })),
    watch: (prefix, context) => InnerWatchCursor.open(kv, prefix, context),
  };
}
