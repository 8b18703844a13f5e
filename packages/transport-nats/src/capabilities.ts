/** What a bus on NATS can do. */

import type { Capabilities } from '@busbar/api/transport';
import type { Settings } from './options.ts';
import type { StreamFacts } from './stream.ts';

/** Room in a message of NATS for what a record has beside the body: headers of 16 KiB may take six times that as JSON. */
export const RECORD_OVERHEAD = 131_072;

export function capabilitiesOf({ storage }: StreamFacts, { retention }: Settings, maxPayload: number): Capabilities {
  const isLasting = storage === 'file';
  return {
    durability: isLasting ? 'process' : 'none',
    reach: 'network',
    features: {
      calls: true,
      orderingKeys: true,
      portableReceipts: true,
      staleSettleRefused: true,
      atomicMove: true,
      exactLimit: true,
      retryKeepsPlace: true,
      dedupeSurvivesRestart: isLasting,
      comparablePositions: true,
      monotonicClock: false,
      cancel: true,
      exportState: true,
    },
    reasons: {
      monotonicClock: 'Times go by the clock of the server: setting that one moves them, those of clients do not.',
      ...(!isLasting && { dedupeSurvivesRestart: 'What the server keeps in memory ends with it.' }),
    },
    lease: 'timed',
    priorityLevels: 10,
    attemptLossMs: 0,
    settleLossMs: 0,
    granularityMs: 100,
    reclaimMs: 15_000,
    maxBodyBytes: maxPayload - RECORD_OVERHEAD,
    retention,
  };
}
