/** Round trips to the server: work that comes while enough of them are open goes together with the next one. */

/**
 * Open round trips. With one, the server waits for this process between two of them. With three or more, the answers come back
 * one by one, and each of 64 callers soon has a script of its own.
 */
const MAX_OPEN = 2;
/** A batch of so many is halved if the server would wait otherwise. */
const STAGGERED = 32;

/** Collects work until the end of the turn, or longer while {@link MAX_OPEN} round trips are open. The order is kept. */
export class Rounds {
  readonly #send: (works: readonly (() => void)[]) => Promise<unknown> | undefined;
  #works: (() => void)[] = [];
  #open = 0;
  #isScheduled = false;
  #sentAt = 0;
  #answeredAt = 0;
  /** How long the last round trip took, and how long the callers worked between the last two that did not overlap. */
  #roundTripMs = 0;
  #workMs = 0;
  readonly #closed = (): void => {
    this.#open -= 1;
    this.#answeredAt = performance.now();
    this.#roundTripMs = this.#answeredAt - this.#sentAt;
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

  /**
   * Called when a batch has its results. While no round trip is open, all callers of a large batch would go on together, and
   * the server would wait until all of them have. So the second half goes on when what the first half sends is on its way.
   * With a server that needs longer than the callers, such as one with a slow disk, larger batches are better.
   */
  stagger(items: number): Promise<void> | undefined {
    if (items < STAGGERED || this.#open > 0 || this.#roundTripMs > this.#workMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve));
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#works.length === 0 || this.#open >= MAX_OPEN) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const works = this.#works;
      this.#works = [];
      const answer = this.#send(works);
      this.#sentAt = performance.now();
      if (this.#open === 0) this.#workMs = this.#sentAt - this.#answeredAt;
      if (answer === undefined) return;
      this.#open += 1;
      answer.then(this.#closed, this.#closed);
    });
  }
}
