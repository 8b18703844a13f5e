/** The gate of a store: whether it accepts writes. A move between stores closes it. */

/**
 * The key that a mover puts into its source right after nothing is claimed there any more. Workers then settle or give back what they
 * hold and have not begun, since all leases end when the store closes.
 */
export const MOVE_KEY = '$migrate/move';

/**
 * - `open`: everything goes on.
 * - `draining`: nothing is claimed; receives wait. All else goes on.
 * - `closed`: every call that changes the state of the store rejects with CONFLICT. Leases have ended, and the clock of the
 *   namespace stands still: nothing expires and no delay ends. Reading, browsing, export, subscriptions and watches go on.
 * - `moved`: like `closed`, and the bus is in another store now.
 */
export type GateState = 'open' | 'draining' | 'closed' | 'moved';

/** The gate of a store. */
export interface Gate {
  readonly state: GateState;
  /** 0 in a new store. Rises with each change of the state; a renewal keeps it. */
  readonly revision: number;
  /** Where the bus is after a move, as the mover wrote it. It stays until the gate is opened. */
  readonly movedTo: string | undefined;
  /** How long until a gate that is `draining` or `closed` opens by itself, unless its mover renews it. */
  readonly ttlLeftMs: number | undefined;
}
