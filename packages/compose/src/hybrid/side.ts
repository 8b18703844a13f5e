/** One of the two parts of a hybrid transport, and the tags of its receipts and positions. */

import type { InnerQueues } from '@busbar/api/driver';
import type { Transport } from '@busbar/api/transport';
import type { SideName } from './routes.ts';

/** One part, as it was opened. */
export interface HybridSide {
  readonly side: SideName;
  /** Its URL without secrets. */
  readonly name: string;
  readonly transport: Transport;
  /** Those of the transport, for sends, receives and settlements. */
  readonly queues: InnerQueues;
}

/** A receipt or a page of one side, for the caller. */
export function tag(side: SideName, inner: string): string {
  return `${side === 'fast' ? 'f' : 'd'}~${inner}`;
}

/** The side of a receipt or a page of a caller; undefined for foreign text. */
export function sideOf(text: string): SideName | undefined {
  if (text.length < 3 || text.charAt(1) !== '~') return undefined;
  const letter = text.charAt(0);
  return letter === 'd' ? 'durable' : letter === 'f' ? 'fast' : undefined;
}

/** The receipt or the page without its tag. */
export function innerOf(text: string): string {
  return text.slice(2);
}

/** The side of a receipt or a page of a caller, and what it is there; undefined for foreign text. */
export function untag(text: string): { readonly side: SideName; readonly inner: string } | undefined {
  const side = sideOf(text);
  return side && { side, inner: innerOf(text) };
}

/** Tags the receipts of what an inner transport returned: its objects were made for this call. */
export function tagAll<T extends { readonly receipt: string }>(side: SideName, items: T[]): T[] {
  for (const item of items as { receipt: string }[]) item.receipt = tag(side, item.receipt);
  return items;
}
