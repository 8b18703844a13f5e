/** Notices that a store has another past than the one that its driver knew. */

import type { StorePast, StoreReset } from '../contract/transport.ts';

/** Compares what a driver reads with what it knew. A driver makes one and passes its `onReset` on. */
export class StoreWatch {
  readonly #listeners: ((reset: StoreReset) => void)[] = [];
  #known: StorePast | undefined;

  /** The past that the store had when it was last read. */
  get past(): StorePast | undefined {
    return this.#known;
  }

  /** Calls `listener` at each reset. */
  onReset(listener: (reset: StoreReset) => void): void {
    this.#listeners.push(listener);
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

  /** Takes a reset that another observer of the store has reported, and the past that the store has now. */
  relay(reset: StoreReset, past: StorePast | undefined): void {
    this.#known = past ?? this.#known;
    this.#report(reset);
  }

  #report(reset: StoreReset): void {
    for (const listener of this.#listeners) listener(reset);
  }
}
