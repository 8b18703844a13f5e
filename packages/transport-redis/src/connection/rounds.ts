/** Round trips to the server: work that comes while enough of them are open goes together with the next one. */

/**
 * Open round trips. With one, the server waits for this process between two of them. With three or more, the answers come back
 * one by one, and each of 64 callers soon has a script of its own.
 */
const MAX_OPEN = 2;

/** Collects work until the end of the turn, or longer while {@link MAX_OPEN} round trips are open. The order is kept. */
export class Rounds {
  readonly #send: (works: readonly (() => void)[]) => Promise<unknown> | undefined;
  #works: (() => void)[] = [];
  #open = 0;
  #isScheduled = false;
  readonly #closed = (): void => {
    this.#open -= 1;
    this.#schedule();
  };

  /** `send` does the work in one piece, and returns the answer to the last request that it made, if any. */
  constructor(send: (works: readonly (() => void)[]) => Promise<unknown> | undefined) {
    this.#send = send;
  }

  /** Does `work` in the next round trip. */
  add(work: () => void): void {
    this.#works.push(work);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#works.length === 0 || this.#open >= MAX_OPEN) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const works = this.#works;
      this.#works = [];
      const answer = this.#send(works);
      if (answer === undefined) return;
      this.#open += 1;
      answer.then(this.#closed, this.#closed);
    });
  }
}
