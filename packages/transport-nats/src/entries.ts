/** Entries: changes are operations in the log, reading needs to know of all that went before. */

import { type KvDriver, WatchCursor } from '@busbar/api/driver';
import type { Replica } from './replica.ts';

/** `onWatch` hears of a watch that begins. */
export function openEntries(replica: Replica, onWatch: () => void): KvDriver {
  return {
    async get(key) {
      await replica.barrier();
      return replica.state.entries.get(key);
    },
    put: (key, value, condition, context) => replica.ask({ op: 'put', key, value, condition }, context),
    touch: (touches, context) => replica.ask({ op: 'touch', touches }, context),
    delete: (key, ifRevision, context) => replica.ask({ op: 'delete', key, ifRevision }, context),
    async list(prefix, page) {
      await replica.barrier();
      return replica.state.entries.list(prefix, page);
    },
    async watch(prefix) {
      await replica.barrier();
      const watch: WatchCursor = new WatchCursor(prefix, () => replica.state.entries.watches.delete(watch));
      replica.state.entries.watches.add(watch);
      watch.begin(replica.state.entries.list(prefix, { limit: Number.POSITIVE_INFINITY, after: undefined }));
      onWatch();
      return watch;
    },
  };
}
