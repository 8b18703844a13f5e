/** Settles messages that are held without a handler. */

import { BusbarError } from '../../contract/errors.ts';
import type { Settlement } from '../../contract/queues.ts';
import { checkDuration, checkOptions, MAX_DURATION_MS } from '../../contract/validation.ts';
import { Handling } from '../observing/handling.ts';
import type { MessageSource } from '../observing/message-source.ts';
import type { BusRuntime } from '../runtime.ts';

/** A message in hand, as events name it. */
export interface HeldMessage {
  readonly source: MessageSource;
  readonly id: string;
  readonly type?: string | undefined;
  readonly attempt: number;
  /** When it was received, by `performance.now()`; undefined if another process has received it. */
  readonly heldAt?: number | undefined;
  /** The receipt of the delivery. */
  readonly receipt: string;
}

/** How to release. */
export interface ReleaseOptions {
  /** The delay, 0 to ten years. Default 0, which keeps the place of the message. */
  readonly delayMs?: number | undefined;
}

/** Returns a message to its queue; the attempt does not count. */
export async function releaseOne(
  runtime: BusRuntime,
  held: HeldMessage,
  options: ReleaseOptions | undefined,
): Promise<void> {
  checkOptions(options, ['delayMs'], 'release options');
  checkDuration(options?.delayMs, 'delayMs', { min: 0, max: MAX_DURATION_MS });
  await settleOne(runtime, held, { receipt: held.receipt, action: 'release', delayMs: options?.delayMs });
}

/** Settles a message. Resolves with how long the lease lasts, after an extension. Rejects with LEASE_LOST or UNAVAILABLE. */
export async function settleOne(
  { transport, events }: BusRuntime,
  held: HeldMessage,
  settlement: Settlement,
): Promise<number | undefined> {
  const [result] = await transport.queues.settle([settlement]);
  const handling = new Handling(events, held.source);
  if (result?.status === 'done') {
    handling.settled(held, settlement);
    return result.leaseLeftMs;
  }
  if (result?.status === 'lease-lost') {
    handling.ended('lease-lost', held, held.heldAt, {});
    throw new BusbarError('LEASE_LOST', 'the lease of the message has ended, or the message is settled', {
      hint: 'An unsettled message is delivered again. Extend the lease in time.',
    });
  }
  throw new BusbarError('UNAVAILABLE', 'the outcome of the settlement is unknown', { outcome: 'unknown' });
}
