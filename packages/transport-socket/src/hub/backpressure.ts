/** Backpressure: pauses reading while too many of a client's requests are in progress or its output is unread. */

import { type LinkConnection, MAX_BUFFERED_BYTES } from '@busbar/wire';

/** Limit of the requests in progress. */
const MAX_INFLIGHT_BYTES = MAX_BUFFERED_BYTES;
/** Limit of the unread output. */
const MAX_UNREAD_BYTES = 1_048_576;
/** A client whose output stays unread for this long is disconnected. */
const STUCK_MS = 30_000;

/** Pauses and resumes one connection. */
export class Backpressure {
  readonly #connection: LinkConnection;
  readonly #onStuck: (reason: string) => void;
  #inflightBytes = 0;
  #isPaused = false;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: LinkConnection, onStuck: (reason: string) => void) {
    this.#connection = connection;
    this.#onStuck = onStuck;
  }

  /** Counts requests that begin; `bytes` is negative when they end. */
  addInflight(bytes: number): void {
    this.#inflightBytes += bytes;
    this.update();
  }

  /** Pauses or resumes reading. Call it after output was written or read. */
  update(): void {
    const isOverLimit = this.#inflightBytes > MAX_INFLIGHT_BYTES || this.#isUnread();
    if (isOverLimit === this.#isPaused || this.#isOver) return;
    this.#isPaused = isOverLimit;
    clearTimeout(this.#timer);
    if (isOverLimit) {
      this.#connection.pause();
      this.#watch();
    } else this.#connection.resume();
  }

  /** Stops reading for good. */
  stopReading(): void {
    this.end();
    this.#connection.pause();
  }

  /** Stops controlling the connection. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #isUnread(): boolean {
    return this.#connection.buffered > MAX_UNREAD_BYTES;
  }

  /** Ignores a slow store: only unread output is the client's fault. */
  #watch(): void {
    this.#timer = setTimeout(() => {
      if (this.#isUnread()) this.#onStuck(`it read no output for ${STUCK_MS} ms`);
      else this.#watch();
    }, STUCK_MS);
  }
}
