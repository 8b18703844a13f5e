/** The capabilities of a hybrid transport: those of the side that decides, or the weaker of both. */

import { BusbarError, type Capabilities, declareFeatures, type Feature } from '@busbar/api/transport';
import { REACH, weakest } from '../inner/capabilities.ts';
import type { Routes } from './routes.ts';
import type { HybridSide } from './side.ts';

const NO_GATE = 'Each part has its own gate. Move the parts.';

export function capabilitiesOf(fast: Capabilities, durable: Capabilities, routes: Routes): Capabilities {
  const both = weakest([durable, fast], {});
  // Without routes of the user the fast side carries what nobody relies on after an outage.
  const base = routes.isFastStore ? both : durable;
  const reasons: Partial<Record<Feature, string>> = { ...base.reasons, gate: NO_GATE };
  delete reasons.calls;
  if (!fast.features.calls) reasons.calls = fast.reasons.calls ?? 'The fast side has none.';
  if (!both.features.cancel) reasons.cancel = both.reasons.cancel ?? '';
  if (!both.features.exportState) reasons.exportState = both.reasons.exportState ?? '';
  if (routes.hasFastTopics) reasons.comparablePositions = 'Each side has its own log.';
  if (routes.isFastStore) reasons.exactLimit = 'Each side counts its own messages of a queue.';
  return { ...base, ...declareFeatures(reasons), reach: both.reach, maxBodyBytes: both.maxBodyBytes };
}

/** Throws INVALID_ARGUMENT if a program that `reach` allows would miss what goes over one side. */
export function checkReach(sides: readonly HybridSide[], reach: Capabilities['reach']): void {
  const short = sides.find(({ transport }) => REACH.indexOf(transport.capabilities.reach) < REACH.indexOf(reach));
  if (short === undefined) return;
  const found = short.transport.capabilities.reach;
  throw new BusbarError(
    'INVALID_ARGUMENT',
    `the ${short.side} side, ${short.name}, reaches the same ${found} only, and this bus needs ${reach}`,
    { hint: `Use a server, or set reach=${found} if no program of the bus is further away.` },
  );
}
