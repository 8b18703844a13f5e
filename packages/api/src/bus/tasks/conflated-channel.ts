/** A channel that keeps only the latest value. */

import { Condition } from '../../driver-kit/condition.ts';

/** Holds one value for one receiver. */
export class ConflatedChannel<T extends object> {
  #value: T | undefined;
  #ended: Promise<undefined> | undefined;
  readonly #changed = new Condition();

  put(value: T): void {
    this.#value = value;
    this.#changed.notify();
  }

  /** Ends the channel. A present value can still be taken. */
  end(): void {
    this.#ended ??= Promise.resolve(undefined);
    this.#changed.notify();
  }

  /** Like `end`, but then `next` rejects. */
  fail(error: unknown): void {
    this.#ended ??= Promise.reject(error);
    this.#ended.catch(() => undefined);
    this.#changed.notify();
  }

  /** Takes the next value; undefined after the end. One call at a time. */
  async next(): Promise<T | undefined> {
    while (this.#value === undefined && this.#ended === undefined) {
      await this.#changed.wait();
    }
    const value = this.#value;
    this.#value = undefined;
    return value ?? this.#ended;
  }
}
