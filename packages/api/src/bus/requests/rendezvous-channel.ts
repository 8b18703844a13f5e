/** A channel from one who gives to one who takes, without a buffer: giving waits for the taker. */

import { BusbarError } from '../../contract/errors.ts';

interface Pending<T> {
  readonly item: T;
  readonly taken: () => void;
  readonly refused: (error: BusbarError) => void;
}

/** Items on their way, in order. One taker. */
export class RendezvousChannel<T> implements AsyncIterable<T> {
  readonly #pending: Pending<T>[] = [];
  #last: { readonly item: T } | undefined;
  #isOver = false;
  #wake: (() => void) | undefined;

  /** Resolves when the item was taken. Rejects with ABORTED when nobody takes any more. */
  send(item: T): Promise<void> {
    if (this.#isOver || this.#last !== undefined) return Promise.reject(nobodyTakes());
    return new Promise((taken, refused) => {
      this.#pending.push({ item, taken, refused });
      this.#wake?.();
    });
  }

  /** Gives the last item, behind those that were given. */
  end(item: T): void {
    this.#last = { item };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      while (true) {
        const next = this.#pending.shift();
        if (next !== undefined) {
          next.taken();
          yield next.item;
        } else if (this.#last !== undefined) {
          yield this.#last.item;
          return;
        } else await this.#change();
      }
    } finally {
      this.#isOver = true;
      for (const { refused } of this.#pending.splice(0)) refused(nobodyTakes());
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

function nobodyTakes(): BusbarError {
  return new BusbarError('ABORTED', 'the requester has gone', { hint: 'Look at signal to stop early.' });
}
