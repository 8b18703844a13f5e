/** The protocol's version, its limits, and what hello and welcome say. */

import type { Capabilities } from '@busbar/api/transport';

/** Raised when a client of the old one could not talk to a hub of the new one. */
export const PROTOCOL_VERSION = 1;
/** How long a connection may take to say hello. */
export const HELLO_MS = 5_000;
/** Who has heard nothing for so long sends a ping; who has heard nothing for three times as long gives up. */
export const HEARTBEAT_MS = 3_000;
export const SILENT_BEATS = 3;
/** What a hub keeps for one client that takes nothing. */
export const MAX_BUFFERED_BYTES = 8_388_608;
/** About how much one answer or one request holds; a single large message may be more. */
export const BATCH_BYTES = 1_048_576;
/** The largest body that a hub takes, whatever its store does: several must fit into what is buffered. */
export const MAX_BODY_BYTES = 1_048_576;
/** How many replies of one call may be on the way. */
export const CALL_CREDIT = 64;

/** What a client says first. */
export interface Hello {
  readonly version: number;
  readonly token?: string;
  /** The name of the only agent that this client acts for. */
  readonly agent?: string;
  readonly ns?: string;
  /** 100 to 60,000. */
  readonly heartbeatMs: number;
}

/** What a hub answers. */
export interface Welcome {
  readonly version: number;
  /** Differs from one life of a hub to the next. */
  readonly hub: string;
  /** The name of its store, such as `sqlite`. */
  readonly store: string;
  readonly capabilities: Capabilities;
  readonly maxFrameBytes: number;
}
