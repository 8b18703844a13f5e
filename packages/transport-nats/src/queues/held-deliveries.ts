/** The leases of this process, with the data to settle them. */

import type { Consumer } from './consumers.ts';
import type { Receipt } from './receipt.ts';

/** The record of a receive, which may still be on its way to the ledger. */
export interface Claim {
  /** Resolves when the ledger has replied, or does not reply in time. */
  readonly over: Promise<unknown>;
  /** Its sequence in the ledger. Undefined until it gave the leases for sure: then the ledger decides about each. */
  seq: number | undefined;
}

/** A delivery that this process received. */
export interface HeldDelivery extends Receipt {
  readonly consumer: Consumer;
  /** The consumer name of the receive. */
  readonly by: string | undefined;
  /** The leases of its message so far, this one included. */
  readonly attempt: number;
  readonly maxAttempts: number | undefined;
  readonly expiresAt: number | undefined;
  /** Until when this process may settle it, on its own monotonic clock. */
  deadline: number;
  readonly claim: Claim;
  isSettled: boolean;
}

const PRUNE_AT_LEAST = 1_024;

/** Deliveries by their receipts, each until its lease ends. */
export class HeldDeliveries {
  readonly #held = new Map<string, HeldDelivery>();
  #pruneAt = PRUNE_AT_LEAST;

  get(receipt: string): HeldDelivery | undefined {
    return this.#held.get(receipt);
  }

  add(receipt: string, held: HeldDelivery): void {
    this.#held.set(receipt, held);
    if (this.#held.size > this.#pruneAt) this.#prune();
  }

  /** Forgets all: the ledger decides which leases the store still has. */
  clear(): void {
    this.#held.clear();
  }

  /** A settled delivery is not held: the ledger has its outcome. */
  delete(receipt: string): void {
    this.#held.delete(receipt);
  }

  #prune(): void {
    const now = performance.now();
    for (const [receipt, { deadline }] of this.#held) if (deadline <= now) this.#held.delete(receipt);
    this.#pruneAt = Math.max(PRUNE_AT_LEAST, this.#held.size * 2);
  }
}
