/** One of the two parts of a hybrid transport, and the tags of its receipts and positions. */

import type { Transport } from '@busbar/api/transport';
import type { SideName } from './routes.ts';

const TAGGED = /^([fd])~(.+)$/s;

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
  const [, side, inner] = TAGGED.exec(text) ?? [];
  return inner === undefined ? undefined : { side: side === 'f' ? 'fast' : 'durable', inner };
}
