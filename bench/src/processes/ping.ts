/** Messages that measure the wake-up, on the shared clock. */

/** A message that was sent. */
export interface Ping {
  readonly calledAt: number;
  readonly storedAt: number;
}

/** A ping that arrived. */
export interface Pong {
  readonly calledAt: number;
  readonly arrivedAt: number;
}
