/** What time it is on the server, as far as its records tell. */

/** A little late rather than early: by the time that the newest records took to come here. */
export class ServerClock {
  #ahead = Number.NEGATIVE_INFINITY;

  /** The time of the log, by now; -Infinity before the first record. */
  get now(): number {
    return performance.now() + this.#ahead;
  }

  /** A record of this time came just now. */
  heard(at: number): void {
    const ahead = at - performance.now();
    if (ahead > this.#ahead) this.#ahead = ahead;
    else this.#ahead += (ahead - this.#ahead) * 0.1;
  }
}
