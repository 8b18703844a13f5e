/** The latest of something: what came before and was not taken is forgotten. */

/** A place for one value, between one who puts and one who takes. */
export class ConflatedChannel<T extends object> {
  #value: T | undefined;
  #ended: Promise<undefined> | undefined;
  #wake: (() => void) | undefined;

  /** Replaces what is there. */
  put(value: T): void {
    this.#value = value;
    this.#wake?.();
  }

  /** Nothing comes any more; what is there may still be taken. */
  end(): void {
    this.#ended ??= Promise.resolve(undefined);
    this.#wake?.();
  }

  /** Like `end`, but then `next` rejects. */
  fail(error: unknown): void {
    this.#ended ??= Promise.reject(error);
    this.#ended.catch(() => undefined);
    this.#wake?.();
  }

  /** Takes the value as soon as there is one; undefined after the end. One taker at a time. */
  async next(): Promise<T | undefined> {
    while (this.#value === undefined && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const value = this.#value;
    this.#value = undefined;
    return value ?? this.#ended;
  }
}
