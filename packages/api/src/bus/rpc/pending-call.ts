/** One emulated call as its requester sees it: replies put in order, bounds kept. */

import { BusbarError } from '../../contract/errors.ts';
import type { Delivery, Message } from '../../contract/message.ts';
import { CREDIT, controlOf, seqOf } from './protocol.ts';

/** A call that waits for replies. It is over by its time, its signal, or a failure. */
export class PendingRequest {
  readonly address: string;
  /** The mailbox of the responder, once it is known who that is. */
  server: string | undefined;
  /** Whether the request may be with a responder. */
  wasSent = false;
  /** Whether nobody waits for it any more. */
  isOver = false;
  readonly #early = new Map<number, Message>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #free: () => void;
  #next = 0;
  #wake: (() => void) | undefined;

  constructor(address: string, timeoutMs: number, signal: AbortSignal | undefined) {
    this.address = address;
    this.#failed.promise.catch(() => undefined);
    const onTime = (): void => this.fail(timedOut());
    const onAbort = (): void => this.fail(aborted(signal, this.wasSent));
    const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTime, timeoutMs);
    this.#free = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  }

  /** Takes in what came about it: duplicates are ignored, what came early waits for its turn. */
  take(message: Delivery): void {
    this.server = message.replyTo ?? this.server;
    if (controlOf(message) !== undefined) return;
    const seq = seqOf(message);
    if (seq < this.#next || this.#early.has(seq)) return;
    this.#early.set(seq, message);
    if (seq === this.#next) this.#wake?.();
  }

  /** The next reply. Rejects when the call is over before it came. */
  async next(): Promise<Message> {
    while (true) {
      const reply = this.#early.get(this.#next);
      if (reply !== undefined) {
        this.#early.delete(this.#next);
        this.#next += 1;
        return reply;
      }
      await this.until(this.#change());
    }
  }

  /** How many replies were read, where it is time to tell the responder. */
  get creditDue(): number | undefined {
    return this.#next % (CREDIT / 2) === 0 ? this.#next : undefined;
  }

  /** What `work` brings; rejects as soon as the call is over. */
  until<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise]);
  }

  /** It is over with this error. */
  fail(error: BusbarError): void {
    this.end();
    this.#failed.reject(error);
  }

  /** Frees what it holds. */
  end(): void {
    this.isOver = true;
    this.#free();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}

function timedOut(): BusbarError {
  return new BusbarError('TIMEOUT', 'no reply came in time', {
    outcome: 'unknown',
    hint: 'Raise timeoutMs, or look at the responder.',
  });
}

function aborted(signal: AbortSignal | undefined, wasSent: boolean): BusbarError {
  return new BusbarError('ABORTED', 'the call was aborted by its signal', {
    outcome: wasSent ? 'unknown' : 'failed',
    cause: signal?.reason,
  });
}
