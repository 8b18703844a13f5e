/** Reads a client no faster than what it asks for is done, and than it takes what it is told. */

import type { Connection } from '../links/link.ts';
import { MAX_BUFFERED_BYTES } from '../wire/protocol.ts';

/** More than that may not be under way. */
const MAX_TAKEN_BYTES = MAX_BUFFERED_BYTES;
/** More than that may not wait for the client. */
const MAX_UNTAKEN_BYTES = 1_048_576;
/** A client that stays over a bound for so long is let go. */
const STUCK_MS = 30_000;

/** Pauses and resumes one connection. */
export class Throttle {
  readonly #connection: Connection;
  readonly #onStuck: (reason: string) => void;
  #takenBytes = 0;
  #isPaused = false;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, onStuck: (reason: string) => void) {
    this.#connection = connection;
    this.#onStuck = onStuck;
  }

  /** So many bytes of requests more are under way; less, where it is negative. */
  took(bytes: number): void {
    this.#takenBytes += bytes;
    this.look();
  }

  /** Something was told to the client, or was taken by it. */
  look(): void {
    const isTooMuch = this.#takenBytes > MAX_TAKEN_BYTES || this.#isFull();
    if (isTooMuch === this.#isPaused || this.#isOver) return;
    this.#isPaused = isTooMuch;
    clearTimeout(this.#timer);
    if (isTooMuch) {
      this.#connection.pause();
      this.#watch();
    } else this.#connection.resume();
  }

  /** Reads nothing any more. */
  stopReading(): void {
    this.end();
    this.#connection.pause();
  }

  /** Looks no more. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #isFull(): boolean {
    return this.#connection.buffered > MAX_UNTAKEN_BYTES;
  }

  /** A store that is slow is not the client's fault. */
  #watch(): void {
    this.#timer = setTimeout(() => {
      if (this.#isFull()) this.#onStuck(`it took nothing for ${STUCK_MS} ms`);
      else this.#watch();
    }, STUCK_MS);
  }
}
