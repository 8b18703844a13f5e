/** Leases that last as long as a command asks for, not as long as those of the queue. */

import { toDeliveryReceipt } from '../input/receipts.ts';
import type { Session } from '../session.ts';

/** The flag of verbs that receive under a lease. */
export const LEASE_FLAG = {
  kind: 'duration',
  min: 50,
  max: 43_200_000,
  help: 'how long the lease lasts (default: that of the queue)',
} as const;

/** What was received under a lease. */
interface Held {
  readonly receipt: string;
  readonly leaseLeftMs: number;
}

/** Gives each of them a lease of `leaseMs`, if given. A message whose lease was lost meanwhile is left out. */
export async function withLeases<T extends Held>(
  held: readonly T[],
  leaseMs: number | undefined,
  session: Session,
): Promise<T[]> {
  if (leaseMs === undefined || held.length === 0) return [...held];
  const { queues } = await session.transport();
  const extensions = held.map(({ receipt }) => ({
    receipt: toDeliveryReceipt(receipt),
    action: 'extend' as const,
    leaseMs,
  }));
  const results = await queues.settle(extensions, session.call);
  return held.flatMap((one, index) => {
    const { status, leaseLeftMs = one.leaseLeftMs } = results[index] ?? { status: 'unknown' };
    return status === 'lease-lost' ? [] : [{ ...one, leaseLeftMs }];
  });
}
