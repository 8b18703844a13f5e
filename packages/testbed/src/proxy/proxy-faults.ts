// What a proxy does to the bytes that pass through it.

/** Which way bytes go. */
export type Direction = 'toTarget' | 'toClient';

/** Both ways. */
export const directions: readonly Direction[] = ['toTarget', 'toClient'];

/** The faults in force, shared by all connections of one proxy. */
export class ProxyFaults {
  /** Ways on which nothing moves. */
  readonly held: Set<Direction> = new Set();
  /** Bytes that may still pass before the connection breaks. */
  readonly budget: Record<Direction, number> = { toTarget: Infinity, toClient: Infinity };
  delayMs = 0;
  blocked = false;

  /** Back to fair weather. */
  clear(): void {
    this.held.clear();
    this.budget.toTarget = Infinity;
    this.budget.toClient = Infinity;
    this.delayMs = 0;
    this.blocked = false;
  }
}
