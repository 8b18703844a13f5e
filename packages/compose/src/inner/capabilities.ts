/** The capabilities of a transport over several stores. */

import { type Capabilities, declareFeatures, type Feature } from '@busbar/api/transport';

const DURABILITY = ['none', 'process', 'power'] as const;
export const REACH = ['process', 'host', 'network'] as const;

/** What holds in each of the stores. Features in `reasons` are missing for a reason of the transport itself. */
export function weakest(all: readonly Capabilities[], reasons: Capabilities['reasons']): Capabilities {
  const least = (read: (each: Capabilities) => number): number => Math.min(...all.map(read));
  const most = (read: (each: Capabilities) => number): number => Math.max(...all.map(read));
  return {
    ...declareFeatures({ ...reasonsOf(all), ...reasons }),
    durability: DURABILITY[least(({ durability }) => DURABILITY.indexOf(durability))] ?? 'none',
    reach: REACH[least(({ reach }) => REACH.indexOf(reach))] ?? 'process',
    lease: all.some(({ lease }) => lease === 'connection') ? 'connection' : 'timed',
    priorityLevels: least(({ priorityLevels }) => priorityLevels),
    attemptLossMs: most(({ attemptLossMs }) => attemptLossMs),
    settleLossMs: most(({ settleLossMs }) => settleLossMs),
    granularityMs: most(({ granularityMs }) => granularityMs),
    reclaimMs: most(({ reclaimMs }) => reclaimMs),
    maxBodyBytes: least(({ maxBodyBytes }) => maxBodyBytes),
    retention: {
      maxAgeMs: least(({ retention }) => retention.maxAgeMs),
      maxEvents: least(({ retention }) => retention.maxEvents),
      maxBytes: least(({ retention }) => retention.maxBytes),
    },
  };
}

/** Why features are missing, as the first store without them says. */
function reasonsOf(all: readonly Capabilities[]): Partial<Record<Feature, string>> {
  const reasons: Partial<Record<Feature, string>> = {};
  for (const { features, reasons: own } of all) {
    for (const feature of Object.keys(features) as Feature[]) {
      if (!features[feature]) reasons[feature] ??= own[feature] ?? 'One of the stores does not have it.';
    }
  }
  return reasons;
}
