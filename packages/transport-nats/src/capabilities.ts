/** The capabilities of the NATS transport. */

import { type Capabilities, declareFeatures } from '@busbar/api/transport';
import type { StreamFacts } from './connection/streams.ts';

/** Room in a message for its headers: 16 KiB of a user may take six times that as JSON. */
export const HEADER_ROOM = 131_072;

export function capabilitiesOf({ storage, isAsync, retention }: StreamFacts, maxPayload: number): Capabilities {
  const isLasting = storage === 'file' && !isAsync;
  return {
    durability: isLasting ? 'process' : 'none',
    reach: 'network',
    ...declareFeatures({
      staleSettleRefused: 'JetStream takes an ack of a lease that has ended; the client stops at its own deadline.',
      atomicMove: 'A dead letter is published before its message goes: a crash in between shows both.',
      exactLimit: 'Publishers do not wait for each other: each may exceed the limit by one batch.',
      retryKeepsPlace: 'JetStream delivers what was given back before anything else.',
      monotonicClock: 'Times go by the clock of the server: setting that one moves them, those of clients do not.',
      ...(!isLasting && { dedupeSurvivesRestart: 'What the server keeps in memory ends with it.' }),
    }),
    lease: 'timed',
    priorityLevels: 3,
    attemptLossMs: 1_000,
    settleLossMs: 1_000,
    granularityMs: 300,
    reclaimMs: 15_000,
    maxBodyBytes: maxPayload - HEADER_ROOM,
    retention,
  };
}
