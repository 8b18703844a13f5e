/** The two stores between which a bus moves or messages are forwarded. */

import type { Transport } from '@busbar/api/transport';

/** One of the two stores. */
export interface StoreEnd {
  readonly transport: Transport;
  /** Its URL without secrets: errors and reports show it, and the gate of a source that has moved names the target by it. */
  readonly name: string;
}

/** The source and the target. */
export interface StoreEnds {
  readonly from: StoreEnd;
  readonly to: StoreEnd;
}
