/** What this client serves: an address, and each call to it. */

import { BusbarError, type Message, type MessageInput } from '@busbar/api/transport';
import type { Head } from '../wire/frame.ts';
import { CALL_CREDIT } from '../wire/protocol.ts';

/** Answers a call. */
export type Handler = (message: Message, signal: AbortSignal) => AsyncIterable<MessageInput>;

/** An address that this client serves. */
export class RemoteService {
  readonly number: number;
  readonly head: Head;
  readonly handler: Handler;
  /** Whether the hub has confirmed it. */
  isServing = false;
  running = 0;
  #whenIdle: (() => void)[] = [];

  constructor(number: number, address: string, max: number, handler: Handler) {
    this.number = number;
    this.head = { service: number, address, max };
    this.handler = handler;
  }

  ended(): void {
    this.running -= 1;
    if (this.running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async idle(): Promise<void> {
    if (this.running > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }
}

/** One call that is served here: what its caller still takes, and whether it waits at all. */
export class ServedCall {
  readonly #gone = new AbortController();
  #left = CALL_CREDIT;
  #wake: (() => void) | undefined;

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when one more reply may be sent, or nobody waits. */
  async credit(): Promise<void> {
    while (this.#left <= 0 && !this.#gone.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#left -= 1;
  }

  credited(count: unknown): void {
    if (typeof count === 'number') this.#left += count;
    this.#wake?.();
  }

  cancel(): void {
    this.#gone.abort(new BusbarError('ABORTED', 'the caller has gone'));
    this.#wake?.();
  }
}
