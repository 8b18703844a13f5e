/** Settles messages that are held without a handler. */

import { BusbarError } from '../../contract/errors.ts';
import type { Settlement } from '../../contract/queues.ts';
import { checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import type { BusRuntime } from '../runtime.ts';

/** How to release. */
export interface ReleaseOptions {
  /** The delay, 0 to ten years. Default 0, which keeps the place of the message. */
  readonly delayMs?: number | undefined;
}

/** Returns a message to its queue; the attempt does not count. */
export async function releaseOne(
  runtime: BusRuntime,
  receipt: string,
  options: ReleaseOptions | undefined,
): Promise<void> {
  checkOptions(options, ['delayMs'], 'release options');
  checkDuration(options?.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
  await settleOne(runtime, { receipt, action: 'release', delayMs: options?.delayMs });
}

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
