/** The protocol's version and limits, and the headers of hello, welcome and hub status. */

import type { Capabilities, StorePast, StoreReset } from '@busbar/api/transport';

/** Raised by changes that clients or hubs of the previous version cannot handle. */
export const PROTOCOL_VERSION = 1;
/** Target size of one request or response; a single large message may exceed it. */
export const BATCH_BYTES = 1_048_576;
/** Largest body that a hub accepts for any store: several must fit into the buffer. */
export const MAX_BODY_BYTES = 1_048_576;
/** Largest frame that a client accepts. It trusts a hub with more than a hub trusts a client. */
export const MAX_FRAME_BYTES_FROM_HUB = 268_435_456;
/** The header of hello. */
export interface Hello {
  readonly version: number;
  readonly token?: string | undefined;
  /** The only agent that this client acts for. */
  readonly agent?: string | undefined;
  readonly ns?: string | undefined;
  /** 100 to 60,000. */
  readonly heartbeatMs: number;
}

/** The header of welcome. */
export interface Welcome {
  readonly version: number;
  /** An id that a hub gets at each start. */
  readonly hub: string;
  /** The name of its store, such as `sqlite`. */
  readonly store: string;
  readonly capabilities: Capabilities;
  readonly maxFrameBytes: number;
  /** Whether clients may call each other directly. A hub with tokens of single agents passes on all calls itself. */
  readonly direct?: boolean | undefined;
  /** What identifies the past of the store. Absent if the store tells none. */
  readonly past?: StorePast | undefined;
  /** The clock of the hub in milliseconds, which only rises. Absent in older hubs. */
  readonly now?: number | undefined;
}

/** The header of an item with the id 0: what the store's past is now, the reset after which it is so, and failed work of the store. */
export interface StoreNotice {
  readonly past?: StorePast | undefined;
  readonly reset?: StoreReset | undefined;
  /** `error` as `encodeError` makes it. */
  readonly failure?: { readonly work: string; readonly error: Readonly<Record<string, unknown>> } | undefined;
}

/** The status of a hub. */
export interface HubStatus extends Pick<Welcome, 'hub' | 'store'> {
  readonly pid: number;
  /** The URLs where it listens. */
  readonly addresses: readonly string[];
  /** Connected clients, the requester included. */
  readonly clients: number;
  readonly upMs: number;
}
