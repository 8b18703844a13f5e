// The faults of a proxy.

/** Direction of bytes. */
export type Direction = 'toTarget' | 'toClient';

/** Both directions. */
export const directions: readonly Direction[] = ['toTarget', 'toClient'];

/** The active faults of all connections of one proxy. */
export class ProxyFaults {
  /** Blocked directions. */
  readonly held: Set<Direction> = new Set();
  /** Remaining bytes before the connection breaks. */
  readonly budget: Record<Direction, number> = { toTarget: Infinity, toClient: Infinity };
  delayMs = 0;
  blocked = false;

  /** Removes all faults. */
  clear(): void {
    this.held.clear();
    this.budget.toTarget = Infinity;
    this.budget.toClient = Infinity;
    this.delayMs = 0;
    this.blocked = false;
  }
}
