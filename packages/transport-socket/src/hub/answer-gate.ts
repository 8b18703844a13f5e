/** Limits what the answers to one client take: a request for data waits while too much is being read or is unread. */

import { BusbarError } from '@busbar/api/transport';
import type { LinkConnection } from '@busbar/wire';
import { BATCH_BYTES } from '../wire/protocol.ts';

/** Limit of the unread output and of the answers that are being read from the store. */
const MAX_ANSWER_BYTES = 4 * BATCH_BYTES;
/** A client that has requests waiting and reads nothing for this time is disconnected. */
const STUCK_MS = 5_000;

interface WaitingAnswer {
  readonly bytes: number;
  readonly enter: () => void;
  readonly reject: (error: BusbarError) => void;
}

/** The answers to one client. */
export class AnswerGate {
  readonly #connection: Pick<LinkConnection, 'buffered'>;
  readonly #waiting = new Set<WaitingAnswer>();
  readonly #onStuck: (error: BusbarError) => void;
  #reserved = 0;
  /** The part of it that ends after this turn. */
  #ending = 0;
  #entered = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `onStuck` ends the connection of a client that reads nothing. */
  constructor(connection: Pick<LinkConnection, 'buffered'>, onStuck: (error: BusbarError) => void) {
    this.#connection = connection;
    this.#onStuck = onStuck;
  }

  /** Runs `read` as soon as an answer of `bytes` has room. Requests enter in order. */
  async run<T>(bytes: number, read: () => Promise<T>): Promise<T> {
    if (this.#waiting.size > 0 || !this.#hasRoom(bytes)) await this.#enter(bytes);
    else this.#reserved += bytes;
    try {
      return await read();
    } finally {
      this.#reserved -= bytes;
      // After the answer: the output that it adds counts.
      if (this.#waiting.size > 0) queueMicrotask(() => queueMicrotask(() => this.update()));
    }
  }

  /**
   * Like {@link AnswerGate.run}, for a `read` that may wait in the store: it keeps its room for two turns of the event loop.
   * A store in this process has read by then what it has.
   */
  async runWait<T>(bytes: number, read: () => Promise<T>): Promise<T> {
    if (this.#waiting.size > 0 || !this.#hasRoom(bytes)) await this.#enter(bytes);
    else this.#reserved += bytes;
    this.#releaseLater(bytes);
    return read();
  }

  #releaseLater(bytes: number): void {
    this.#ending += bytes;
    if (this.#ending > bytes) return;
    setImmediate(() => {
      const ending = this.#ending;
      this.#ending = 0;
      setImmediate(() => {
        this.#reserved -= ending;
        this.update();
      });
    });
  }

  /** Lets requests in. Call it after output was read. */
  update(): void {
    for (const each of this.#waiting) {
      if (!this.#hasRoom(each.bytes)) return;
      this.#waiting.delete(each);
      this.#reserved += each.bytes;
      this.#entered += 1;
      each.enter();
    }
  }

  /** Rejects the requests that wait. */
  cancel(reason: BusbarError): void {
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting) reject(reason);
    this.#waiting.clear();
  }

  #enter(bytes: number): Promise<void> {
    this.#timer ??= this.#watch(this.#entered, this.#connection.buffered);
    return new Promise((enter, reject) => this.#waiting.add({ bytes, enter, reject }));
  }

  /** Reports a client of which no request entered and no byte was read. */
  #watch(entered: number, buffered: number): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#waiting.size === 0) return;
      const left = this.#connection.buffered;
      if (entered === this.#entered && left >= buffered && left > 0) this.#onStuck(takesNothing(left));
      else this.#timer = this.#watch(this.#entered, left);
    }, STUCK_MS);
    timer.unref();
    return timer;
  }

  /** A single answer may always be read when nothing else is. */
  #hasRoom(bytes: number): boolean {
    const taken = this.#reserved + this.#connection.buffered;
    return taken === 0 || taken + bytes <= MAX_ANSWER_BYTES;
  }
}

/** BACKPRESSURE: the client does not read its output. */
export function takesNothing(bytes: number): BusbarError {
  return new BusbarError('BACKPRESSURE', `the client takes nothing: ${bytes} bytes are unread`);
}
