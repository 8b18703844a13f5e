/** A channel without a buffer: a sender waits until the receiver takes the item. */

import { BusbarError } from '../../contract/errors.ts';

interface Pending<T> {
  readonly item: T;
  readonly taken: () => void;
  readonly refused: (error: BusbarError) => void;
}

/** Items in order, for one receiver. */
export class RendezvousChannel<T> implements AsyncIterable<T> {
  readonly #pending: Pending<T>[] = [];
  #last: { readonly item: T } | undefined;
  #isOver = false;
  #wake: (() => void) | undefined;

  /** Resolves when the receiver took the item. Rejects with ABORTED after it left. */
  send(item: T): Promise<void> {
    if (this.#isOver || this.#last !== undefined) return Promise.reject(receiverLeft());
    return new Promise((taken, refused) => {
      this.#pending.push({ item, taken, refused });
      this.#wake?.();
    });
  }

  /** Sends the last item. */
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
      for (const { refused } of this.#pending.splice(0)) refused(receiverLeft());
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

function receiverLeft(): BusbarError {
  return new BusbarError('ABORTED', 'the requester left', { hint: 'Check the signal to stop early.' });
}
