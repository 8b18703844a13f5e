/** What a bridge has forwarded, and why it waits. */

import { toBusbarError } from '@busbar/api/transport';

/** What a bridge has done so far. */
export interface BridgeProgress {
  /** Messages of queues that arrived. */
  readonly messages: number;
  /** Events that arrived, in both directions. */
  readonly events: number;
  /** Of both: those that the other store knew already, such as after a kill. */
  readonly duplicates: number;
  /** Events that were not forwarded, because they have been in the other store. */
  readonly returned: number;
  /** Messages and events that cannot be forwarded. They are dead letters where they came from. */
  readonly dead: number;
  /** Why something waits, as one of its errors says; undefined while all goes on. */
  readonly waiting: string | undefined;
}

type Counter = Exclude<keyof BridgeProgress, 'waiting'>;

/** Counts for all queues and topics of a bridge. */
export class ProgressCounter {
  readonly #counts: Record<Counter, number> = { messages: 0, events: 0, duplicates: 0, returned: 0, dead: 0 };
  readonly #waiting = new Map<string, string>();
  readonly #onProgress: ((progress: BridgeProgress) => void) | undefined;

  constructor(onProgress: ((progress: BridgeProgress) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  get now(): BridgeProgress {
    const [waiting] = this.#waiting.values();
    return { ...this.#counts, waiting };
  }

  /** The bridge has its locks. */
  begins(): void {
    this.#onProgress?.(this.now);
  }

  add(counter: Counter, amount: number): void {
    if (amount === 0) return;
    this.#counts[counter] += amount;
    this.#onProgress?.(this.now);
  }

  /** The part `what` of the bridge waits. */
  waits(what: string, error: unknown): void {
    const { message } = toBusbarError(error);
    if (this.#waiting.get(what) === message) return;
    this.#waiting.set(what, message);
    this.#onProgress?.(this.now);
  }

  /** The part `what` of the bridge goes on. */
  goesOn(what: string): void {
    if (this.#waiting.delete(what)) this.#onProgress?.(this.now);
  }
}
