/** The clock of the server, estimated from its replies, and that of the namespace. */

/** Keeps the narrowest bounds of the server's clock, relative to this process's monotonic clock. */
export class ServerClock {
  /** The clock of the namespace. */
  readonly store: StoreClock = new StoreClock(this);
  #earliest = Number.NEGATIVE_INFINITY;
  #latest = Number.POSITIVE_INFINITY;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #lastLate = Number.NEGATIVE_INFINITY;

  /** Adds a sample: the server's time was `ts` at a moment between `sentAt` and `receivedAt`. */
  heard(ts: number, sentAt: number, receivedAt: number): void {
    const [earliest, latest] = [ts - receivedAt, ts - sentAt];
    const fits = earliest <= this.#latest && latest >= this.#earliest;
    if (!fits) this.#lastLate = Number.NEGATIVE_INFINITY;
    const isOld = receivedAt - this.#sampledAt > MAX_AGE_MS;
    if (!fits || isOld || latest - earliest < this.#latest - this.#earliest) {
      this.#earliest = earliest;
      this.#latest = latest;
      this.#sampledAt = receivedAt;
    }
  }

  /** A time not after the server's time: a message due by it is due. */
  get now(): number {
    return performance.now() + this.#earliest;
  }

  /** The best estimate of the server's time, for records. */
  get middle(): number {
    return performance.now() + (this.#earliest + this.#latest) / 2;
  }

  /** How far the server's time may be from the bounds. */
  get width(): number {
    return this.#latest - this.#earliest;
  }

  /** The server's time at a moment of this process's monotonic clock, no later than it was. */
  at(moment: number): number {
    return moment + this.#earliest;
  }

  /**
   * A time not before the server's time: a duration counted from it is never too short. It never goes back, so messages with
   * one delay are due in the order in which they were sent.
   */
  get late(): number {
    this.#lastLate = Math.max(this.#lastLate, performance.now() + this.#latest);
    return this.#lastLate;
  }
}

const MAX_AGE_MS = 60_000;

/** How the clock of a namespace differs from that of the server. */
export interface Standstill {
  /** When it stopped, on the clock of the server. Undefined while it runs. */
  readonly stoppedAt?: number | undefined;
  /** How long it has stood still before. */
  readonly stoppedMs: number;
}

/** The clock of the namespace: it stands still while the gate is closed. Times to live go by it. */
export class StoreClock {
  readonly #server: ServerClock;
  #standstill: Standstill = { stoppedMs: 0 };

  constructor(server: ServerClock) {
    this.#server = server;
  }

  /** Goes by the gate as it is now. */
  set(standstill: Standstill): void {
    this.#standstill = standstill;
  }

  get isStopped(): boolean {
    return this.#standstill.stoppedAt !== undefined;
  }

  /** A time not after the time of the namespace. */
  get now(): number {
    return this.dueNow - this.#standstill.stoppedMs;
  }

  /** A time not before the time of the namespace. */
  get late(): number {
    return this.dueLate - this.#standstill.stoppedMs;
  }

  /** The time for delays, which count the time of a closed gate: that of the server. It stands still meanwhile. */
  get dueNow(): number {
    return this.#standstill.stoppedAt ?? this.#server.now;
  }

  get dueLate(): number {
    return this.#standstill.stoppedAt ?? this.#server.late;
  }
}
