/** Limits of connections and of calls. */

/** How long a connection may take to say hello. */
export const HELLO_TIMEOUT_MS = 5_000;
/** After this silence a side sends a ping. After {@link SILENT_BEATS} times as long it drops the connection. */
export const HEARTBEAT_MS = 3_000;
export const SILENT_BEATS = 3;
/** Limit of unread output for one client of a hub. */
export const MAX_BUFFERED_BYTES = 8_388_608;
/** How many replies of one call may be in flight. */
export const CALL_CREDIT = 64;
/** Replies wait while a requester leaves more than this unread. */
export const MAX_UNREAD_BYTES = 1_048_576;
/** Room for the header of a frame with the largest body. */
export const MAX_FRAME_HEADER_BYTES = 1_048_576;
