/** One of the two parts of a hybrid transport, and the tags of its receipts and positions. */

import type { Delivery, Transport } from '@busbar/api/transport';
import type { SideName } from './routes.ts';

/** One part, as it was opened. */
export interface HybridSide {
  readonly side: SideName;
  /** Its URL without secrets. */
  readonly name: string;
  readonly transport: Transport;
}

/** A receipt or a page of one side, for the caller. */
export function tag(side: SideName, inner: string): string {
  return `${side === 'fast' ? 'f' : 'd'}~${inner}`;
}

/** The side of a receipt or a page of a caller; undefined for foreign text. */
export function untag(text: string): { readonly side: SideName; readonly inner: string } | undefined {
  const isTagged = (text.startsWith('f~') || text.startsWith('d~')) && text.length > 2;
  return isTagged ? { side: text.startsWith('f') ? 'fast' : 'durable', inner: text.slice(2) } : undefined;
}

/** Tags the receipts of deliveries, which an inner transport made for this call. */
export function tagAll(side: SideName, deliveries: Delivery[]): Delivery[] {
  for (const delivery of deliveries as { -readonly [Key in keyof Delivery]: Delivery[Key] }[]) {
    delivery.receipt = tag(side, delivery.receipt);
  }
  return deliveries;
}
