/** A channel without a buffer: a sender waits until the receiver takes the item. */

import { BusbarError } from '../../contract/errors.ts';

interface PendingItem<T> {
  readonly item: T;
  readonly taken: () => void;
  readonly refused: (error: BusbarError) => void;
}

const DONE = { done: true, value: undefined } as const;

/** Items in order, for one receiver. It is not a generator: that costs a tenth of a request. */
export class RendezvousChannel<T> implements AsyncIterableIterator<T, undefined> {
  readonly #pending: PendingItem<T>[] = [];
  #last: { readonly item: T } | undefined;
  #isOver = false;
  #waiting: ((result: IteratorResult<T, undefined>) => void) | undefined;

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Whether the receiver has taken the last item or left. */
  get isEnded(): boolean {
    return this.#isOver;
  }

  /** Resolves when the receiver took the item. Rejects with ABORTED after it left. */
  send(item: T): Promise<void> {
    if (this.#isOver || this.#last !== undefined) return Promise.reject(receiverLeft());
    return new Promise((taken, refused) => {
      this.#pending.push({ item, taken, refused });
      this.#wake();
    });
  }

  /** Sends the last item. */
  end(item: T): void {
    this.#last = { item };
    this.#wake();
  }

  /** One at a time. */
  next(): Promise<IteratorResult<T, undefined>> {
    const result = this.#take();
    if (result !== undefined) return Promise.resolve(result);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#isOver = true;
    for (const { refused } of this.#pending.splice(0)) refused(receiverLeft());
    this.#waiting?.(DONE);
    return Promise.resolve(DONE);
  }

  #wake(): void {
    if (this.#waiting === undefined) return;
    const result = this.#take();
    if (result === undefined) return;
    this.#waiting(result);
    this.#waiting = undefined;
  }

  /** What the receiver gets next; undefined if it has to wait. */
  #take(): IteratorResult<T, undefined> | undefined {
    if (this.#isOver) return DONE;
    const next = this.#pending.shift();
    if (next !== undefined) {
      next.taken();
      return { done: false, value: next.item };
    }
    if (this.#last === undefined) return undefined;
    this.#isOver = true;
    return { done: false, value: this.#last.item };
  }
}

function receiverLeft(): BusbarError {
  return new BusbarError('ABORTED', 'the requester left', { hint: 'Check the signal to stop early.' });
}
