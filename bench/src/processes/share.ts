/** The part of a load that one of several consumers gets. */

import { type Body, sharedClockMs } from '../client.ts';

/** How far a share is. */
export interface ShareProgress {
  readonly arrived: number;
  /** When the last message arrived, on the shared clock. */
  readonly lastAtMs: number;
}

/** Counts the numbers that arrive, without knowing which ones the other consumers get. */
export class Share {
  readonly #seen: Uint8Array;
  #arrived = 0;
  #lastAtMs = 0;

  constructor(total: number) {
    this.#seen = new Uint8Array(total);
  }

  take({ index }: Body): void {
    this.#arrived += 1;
    this.#seen[index] = Math.min(255, (this.#seen[index] ?? 0) + 1);
    this.#lastAtMs = sharedClockMs();
  }

  get progress(): ShareProgress {
    return { arrived: this.#arrived, lastAtMs: this.#lastAtMs };
  }

  /** How often each number came, as base64. */
  toString(): string {
    return Buffer.from(this.#seen).toString('base64');
  }
}

/** Adds the counts of all consumers: what nobody got is lost, what came twice is doubled. */
export function countShares(total: number, shares: readonly string[]): { lost: number; doubled: number } {
  const sums = new Uint32Array(total);
  for (const share of shares)
    for (const [index, count] of Buffer.from(share, 'base64').entries()) sums[index] = (sums[index] ?? 0) + count;
  return {
    lost: sums.filter((count) => count === 0).length,
    doubled: sums.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
  };
}
