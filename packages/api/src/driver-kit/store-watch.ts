/** Notices that a store has another past than the one that its driver knew. */

import type { StoreReset } from '../contract/transport.ts';

/** What a driver reads from its store to recognise its past. */
export interface StorePast {
  /** The incarnation of the store header; undefined if the store has no header, because it is new or was emptied. */
  readonly incarnation: string | undefined;
  /** A counter that only rises within one incarnation, such as the last revision or sequence number. */
  readonly counter: number;
  /** Identifies this copy of a store of which there can be several, such as a backup that was put in its place. */
  readonly copy?: string | undefined;
}

/** Compares what a driver reads with what it knew. A driver makes one and passes its `onReset` on. */
export class StoreWatch {
  readonly #listeners: ((reset: StoreReset) => void)[] = [];
  #known: StorePast | undefined;

  /** Calls `listener` at each reset. */
  onReset(listener: (reset: StoreReset) => void): void {
    this.#listeners.push(listener);
  }

  /** What was last observed or confirmed. */
  get past(): StorePast | undefined {
    return this.#known;
  }

  /** Takes what the store says now. Call it after each connection, and every few seconds while something waits. */
  observe(past: StorePast): void {
    const known = this.#known;
    this.#known = past;
    // A store without a header had no data that could be lost.
    if (known?.incarnation === undefined) return;
    if (known.incarnation !== past.incarnation) this.#report({ cause: 'replaced' });
    else if (past.counter < known.counter || past.copy !== known.copy) this.#report({ cause: 'rolled-back' });
  }

  /** Takes a counter that the store has confirmed, such as the revision of a put. */
  confirm(counter: number): void {
    if (this.#known !== undefined && counter > this.#known.counter) this.#known = { ...this.#known, counter };
  }

  #report(reset: StoreReset): void {
    for (const listener of this.#listeners) listener(reset);
  }
}
