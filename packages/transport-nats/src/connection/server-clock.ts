/** The time of the server, as far as its answers tell. */

/** Keeps the narrowest bounds of what the server's clock says beside this process's monotonic clock. */
export class ServerClock {
  #earliest = Number.NEGATIVE_INFINITY;
  #latest = Number.POSITIVE_INFINITY;
  #sampledAt = Number.NEGATIVE_INFINITY;

  /** The server said `ts` at some moment between `sentAt` and `receivedAt`. */
  heard(ts: number, sentAt: number, receivedAt: number): void {
    const [earliest, latest] = [ts - receivedAt, ts - sentAt];
    const fits = earliest <= this.#latest && latest >= this.#earliest;
    const isOld = receivedAt - this.#sampledAt > MAX_AGE_MS;
    if (!fits || isOld || latest - earliest < this.#latest - this.#earliest) {
      this.#earliest = earliest;
      this.#latest = latest;
      this.#sampledAt = receivedAt;
    }
  }

  /** No later than the server's time: what is due by it is due. */
  get now(): number {
    return performance.now() + this.#earliest;
  }

  /** The server's time at a moment of this process's monotonic clock, no later than it was. */
  at(moment: number): number {
    return moment + this.#earliest;
  }

  /** No earlier than the server's time: what is to last a while ends this much after it. */
  get late(): number {
    return performance.now() + this.#latest;
  }
}

const MAX_AGE_MS = 60_000;
