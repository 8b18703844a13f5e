// What the agents of a move report to the program.

/** When something happened, on the monotonic clock of the machine. */
interface Timed {
  readonly at: bigint;
}

export type Fact =
  | { readonly kind: 'ready' }
  /** A message or an event was stored. */
  | (Timed & { readonly kind: 'sent' | 'published'; readonly id: string; readonly key: string })
  /** A message was handled; the ack comes afterwards. */
  | (Timed & { readonly kind: 'handled'; readonly id: string; readonly key: string })
  | (Timed & { readonly kind: 'acked'; readonly id: string })
  | (Timed & { readonly kind: 'locked'; readonly lock: string; readonly token: number });

export function now(): bigint {
  return process.hrtime.bigint();
}
