/** What a store in a SQLite file can do. */

import type { Capabilities } from '@busbar/api/transport';
import type { Store } from './connection/store.ts';

/** The largest body: 16 MiB. SQLite takes more, but reads and writes it in one piece. */
const MAX_BODY_BYTES = 16_777_216;

export function capabilitiesOf(store: Store): Capabilities {
  const { isMonotonic } = store.clock;
  return {
    durability: store.settings.durability,
    reach: 'host',
    features: {
      calls: false,
      orderingKeys: true,
      portableReceipts: true,
      staleSettleRefused: true,
      atomicMove: true,
      exactLimit: true,
      retryKeepsPlace: true,
      dedupeSurvivesRestart: true,
      comparablePositions: true,
      monotonicClock: isMonotonic,
      cancel: true,
      exportState: true,
    },
    reasons: {
      calls: 'Everything goes through the file; requests travel over queues.',
      ...(isMonotonic ? {} : { monotonicClock: 'This system does not tell one boot of the machine from another.' }),
    },
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
