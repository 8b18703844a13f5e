/** What a subscriber holds: a live subscription, or a member of a durable one. */

import type { BusbarError } from '../../contract/errors.ts';
import { type CloseConsumerOptions, checkClose } from '../tasks/worker.ts';

/** What is behind a subscription. */
export interface SubscriptionEngine {
  readonly ended: Promise<BusbarError | undefined>;
  readonly position: string | undefined;
  readonly dropped: number;
  readonly running: number;
  close(options: { readonly drainMs: number }): Promise<void>;
}

/** A subscription. Closing one that is durable ends this member; the events go on to gather for the others, or the next. */
export class BusSubscription implements AsyncDisposable {
  /** What it listens to. */
  readonly pattern: string;
  /** The name of the durable subscription; undefined for a live one. */
  readonly durable: string | undefined;
  /** Resolves once it is over: with the error that ended it, or undefined after `close`. Never rejects. */
  readonly ended: Promise<BusbarError | undefined>;
  readonly #engine: SubscriptionEngine;
  #closed: Promise<void> | undefined;

  /** Made by the bus. */
  constructor(pattern: string, durable: string | undefined, engine: SubscriptionEngine) {
    this.pattern = pattern;
    this.durable = durable;
    this.ended = engine.ended;
    this.#engine = engine;
  }

  /** Live: subscribing with `from: { after: position }` goes on behind the last event handled. Undefined before, and for a durable one. */
  get position(): string | undefined {
    return this.#engine.position;
  }

  /** Live: how many ephemeral events were dropped because the handler was slower than they came. */
  get dropped(): number {
    return this.#engine.dropped;
  }

  /** How many handlers run now. */
  get running(): number {
    return this.#engine.running;
  }

  /** Ends it. A second call gets the promise of the first. To be called inside of its own handler, but not awaited there. */
  close(options?: CloseConsumerOptions): Promise<void> {
    const drainMs = checkClose(options);
    this.#closed ??= this.#engine.close({ drainMs });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
