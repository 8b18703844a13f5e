/** Options of every call. */

/** Bounds of one call. */
export interface CallOptions {
  /** The call rejects with TIMEOUT after this time. Default: `callTimeoutMs` of the transport, 30,000. Infinity for no limit. */
  readonly timeoutMs?: number | undefined;
  /** The call rejects with ABORTED when it fires. */
  readonly signal?: AbortSignal | undefined;
}
