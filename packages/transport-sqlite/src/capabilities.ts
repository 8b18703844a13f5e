/** The capabilities of a store in a SQLite file. */

import { type Capabilities, declareFeatures } from '@busbar/api/transport';
import type { Store } from './connection/store.ts';

/** The largest body: 16 MiB. SQLite allows more, but reads and writes a body in one piece. */
export const MAX_BODY_BYTES = 16_777_216;

export function capabilitiesOf(store: Store, noCalls: string | undefined): Capabilities {
  const { isMonotonic } = store.clock;
  return {
    durability: store.settings.durability,
    reach: 'host',
    ...declareFeatures({
      ...(noCalls === undefined ? {} : { calls: `${noCalls} Requests use queues.` }),
      ...(isMonotonic ? {} : { monotonicClock: 'This system has no boot id, so store time follows the wall clock.' }),
    }),
    lease: 'timed',
    priorityLevels: 10,
    attemptLossMs: 0,
    settleLossMs: 0,
    granularityMs: 100,
    reclaimMs: 15_000,
    maxBodyBytes: MAX_BODY_BYTES,
    retention: store.settings.retention,
  };
}
