/** The leases that a transport holds: closing waits for them, then releases them. */

import type { Delivery } from '../contract/message.ts';
import type { Settlement, SettleResult } from '../contract/queues.ts';
import { ChurnMap } from '../driver-kit/churn.ts';
import { Condition } from '../driver-kit/condition.ts';

const PRUNE_AT_LEAST = 1024;

/** Receipts that one transport has delivered and not settled, each until its lease ends. */
export class LeaseTracker {
  readonly #endsAt = new ChurnMap<string, number>();
  #pruneAt = PRUNE_AT_LEAST;
  readonly #none = new Condition();

  add(deliveries: readonly Delivery[]): void {
    const now = performance.now();
    for (const { receipt, leaseLeftMs } of deliveries) this.#endsAt.set(receipt, now + leaseLeftMs);
    if (this.#endsAt.size > this.#pruneAt) this.#prune(now);
  }

  /** Records settlements: extended leases stay, all others are gone. */
  settled(settlements: readonly Settlement[], results: readonly SettleResult[]): void {
    if (this.#endsAt.size === 0) return;
    const now = performance.now();
    for (const [index, { receipt, action }] of settlements.entries()) {
      const result = results[index];
      if (action !== 'extend' || result?.status !== 'done') this.#endsAt.delete(receipt);
      else if (this.#endsAt.has(receipt)) this.#endsAt.set(receipt, now + (result.leaseLeftMs ?? 0));
    }
    if (this.#endsAt.size === 0) this.#none.notify();
  }

  /** The receipts whose leases have not ended. */
  receipts(): string[] {
    this.#prune(performance.now());
    return [...this.#endsAt].map(([receipt]) => receipt);
  }

  /** Resolves when no lease is held, or after `ms`. */
  async whenNone(ms: number): Promise<void> {
    if (this.receipts().length === 0 || ms <= 0) return;
    await this.#none.waitFor(ms);
  }

  #prune(now: number): void {
    for (const [receipt, endsAt] of this.#endsAt) if (endsAt <= now) this.#endsAt.delete(receipt);
    this.#pruneAt = Math.max(PRUNE_AT_LEAST, this.#endsAt.size * 2);
  }
}
