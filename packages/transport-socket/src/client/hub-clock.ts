/** The clock of the hub, as a client can know it: how long ago the hub did something, at least and at most. */

/** Samples of this time count; older ones are forgotten because clocks drift. */
const WINDOW_MS = 30_000;

/** The clock of the hub behind one connection. */
export class HubClock {
  /** The lowest of `hub - client` in the present and the previous window; each is an upper bound of the true difference. */
  #present = Number.POSITIVE_INFINITY;
  #previous = Number.POSITIVE_INFINITY;
  #since = 0;

  /** Takes the hub's time in an answer to what was sent at `sentAt`. */
  sample(sentAt: number, hubNow: unknown): void {
    if (typeof hubNow !== 'number') return;
    if (performance.now() - this.#since > WINDOW_MS) {
      this.#previous = this.#present;
      this.#present = Number.POSITIVE_INFINITY;
      this.#since = performance.now();
    }
    this.#present = Math.min(this.#present, hubNow - sentAt);
  }

  /**
   * The longest time that can have passed since the hub's time was `hubThen`: the answers may have been slow, the requests
   * were not. 0 if the hub tells no times.
   */
  elapsedSince(hubThen: unknown): number {
    const difference = Math.min(this.#present, this.#previous);
    if (typeof hubThen !== 'number' || difference === Number.POSITIVE_INFINITY) return 0;
    return Math.max(0, performance.now() - (hubThen - difference));
  }
}
