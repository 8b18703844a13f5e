/** Settles one message that is held without a handler. */

import { BusbarError } from '../../contract/errors.ts';
import type { Settlement } from '../../contract/queues.ts';
import type { BusRuntime } from '../runtime.ts';

/** Settles a message. Resolves with how long the lease lasts, after an extension. Rejects with LEASE_LOST or UNAVAILABLE. */
export async function settleOne({ transport }: BusRuntime, settlement: Settlement): Promise<number | undefined> {
  const [result] = await transport.queues.settle([settlement]);
  if (result?.status === 'done') return result.leaseLeftMs;
  if (result?.status === 'lease-lost') {
    throw new BusbarError('LEASE_LOST', 'the lease of the message has ended, or the message is settled', {
      hint: 'An unsettled message is delivered again. Extend the lease in time.',
    });
  }
  throw new BusbarError('UNAVAILABLE', 'the outcome of the settlement is unknown', { outcome: 'unknown' });
}
