/** A channel without a buffer: a sender waits until the receiver takes the item. */

import { BusbarError } from '../../contract/errors.ts';
import { Condition } from '../../driver-kit/condition.ts';

interface PendingItem<T> {
  readonly item: T;
  readonly taken: () => void;
  readonly refused: (error: BusbarError) => void;
}

/** Items in order, for one receiver. */
export class RendezvousChannel<T> implements AsyncIterable<T> {
  readonly #pending: PendingItem<T>[] = [];
  #last: { readonly item: T } | undefined;
  #isOver = false;
  readonly #changed = new Condition();

  /** Resolves when the receiver took the item. Rejects with ABORTED after it left. */
  send(item: T): Promise<void> {
    if (this.#isOver || this.#last !== undefined) return Promise.reject(receiverLeft());
    return new Promise((taken, refused) => {
      this.#pending.push({ item, taken, refused });
      this.#changed.notify();
    });
  }

  /** Sends the last item. */
  end(item: T): void {
    this.#last = { item };
    this.#changed.notify();
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
        } else await this.#changed.wait();
      }
    } finally {
      this.#isOver = true;
      for (const { refused } of this.#pending.splice(0)) refused(receiverLeft());
    }
  }
}

function receiverLeft(): BusbarError {
  return new BusbarError('ABORTED', 'the requester left', { hint: 'Check the signal to stop early.' });
}
