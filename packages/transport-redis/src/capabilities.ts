/** The capabilities of the Redis transport. */

import { type Capabilities, declareFeatures } from '@busbar/api/transport';
import type { ServerFacts } from './connection/server.ts';
import type { Settings } from './options.ts';

export function capabilitiesOf(facts: ServerFacts, { retention }: Settings): Capabilities {
  return {
    durability: facts.durability,
    reach: 'network',
    ...declareFeatures({
      monotonicClock: 'Delays and leases follow the clock of the server; setting that clock moves them.',
      ...(facts.durability === 'none' && {
        dedupeSurvivesRestart: 'A server without durability loses its dedupe memory when it ends.',
      }),
    }),
    lease: 'timed',
    priorityLevels: 10,
    attemptLossMs: 0,
    settleLossMs: 0,
    granularityMs: 100,
    reclaimMs: 15_000,
    maxBodyBytes: facts.maxBodyBytes,
    retention,
  };
}
