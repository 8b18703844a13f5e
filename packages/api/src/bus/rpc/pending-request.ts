/** A pending request over queues: puts replies in order and keeps its bounds. */

import { BusbarError } from '../../contract/errors.ts';
import type { Delivery, Message } from '../../contract/message.ts';
import { Condition } from '../../driver-kit/condition.ts';
import { onAbort } from '../../driver-kit/on-abort.ts';
import { CREDIT, controlOf, seqOf } from './protocol.ts';

/** It ends by its last reply, its timeout, its signal or a failure. */
export class PendingRequest {
  readonly address: string;
  /** The inbox of the server, once known. */
  server: string | undefined;
  /** Whether a server may have the request. */
  wasSent = false;
  isOver = false;
  readonly #early = new Map<number, Message>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #free: () => void;
  #next = 0;
  readonly #arrived = new Condition();

  constructor(address: string, timeoutMs: number, signal: AbortSignal | undefined) {
    this.address = address;
    this.#failed.promise.catch(() => undefined);
    const onTime = (): void => this.fail(timedOut());
    const abort = (): void => this.fail(aborted(signal, this.wasSent));
    const forget = signal && onAbort(signal, abort);
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTime, timeoutMs);
    this.#free = () => {
      clearTimeout(timer);
      forget?.();
    };
    if (signal?.aborted === true) abort();
  }

  /** Takes a message for it. Duplicates are ignored, early replies wait for their turn. */
  take(message: Delivery): void {
    this.server = message.replyTo ?? this.server;
    if (controlOf(message) !== undefined) return;
    const seq = seqOf(message);
    if (seq < this.#next || this.#early.has(seq)) return;
    this.#early.set(seq, message);
    if (seq === this.#next) this.#arrived.notify();
  }

  /** The next reply. Rejects when the request ends first. */
  async next(): Promise<Message> {
    while (true) {
      const reply = this.#early.get(this.#next);
      if (reply !== undefined) {
        this.#early.delete(this.#next);
        this.#next += 1;
        return reply;
      }
      await this.until(this.#arrived.wait());
    }
  }

  /** The number of read replies, when the server needs it as credit. */
  get creditDue(): number | undefined {
    return this.#next % (CREDIT / 2) === 0 ? this.#next : undefined;
  }

  /** The value of `work`. Rejects as soon as the request ends. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise]);
  }

  fail(error: BusbarError): void {
    this.end();
    this.#failed.reject(error);
  }

  /** Ends it and frees its timer and listener. */
  end(): void {
    this.isOver = true;
    this.#free();
  }
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Raise timeoutMs, or check the responder.',
  });
}

function aborted(signal: AbortSignal | undefined, wasSent: boolean): BusbarError {
  return new BusbarError('ABORTED', 'the call was aborted by its signal', {
    outcome: wasSent ? 'unknown' : 'failed',
    cause: signal?.reason,
  });
}
