/** Messages that ran out of time and are swept up later: no consumer gets them, and to users they are gone. */

import type { BrowsedMessage } from '../../contract/transport.ts';

/** Whether a message is gone, though browsing still shows it. One that is leased may be acked yet; a dead letter stays. */
export function hasExpired({ state, ttlLeftMs }: Pick<BrowsedMessage, 'state' | 'ttlLeftMs'>): boolean {
  return (state === 'ready' || state === 'delayed') && ttlLeftMs !== undefined && ttlLeftMs <= 0;
}
