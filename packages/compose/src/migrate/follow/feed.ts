/** What cursors over two stores share: the batches of the present subscription, its end, and the move to the next store. */

import { Condition } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { ownError } from '../../inner/calls.ts';
import type { Carrier } from './side.ts';

/** A subscription or a watch. */
interface Subscribed {
  readonly ended: Promise<BusbarError | undefined>;
  close(): Promise<void>;
}

/** Takes batches of a subscription. The next one follows when all items of the previous one were given. */
export class Feed<T, S extends Subscribed> {
  /** Notifies of new items, the end of the subscription, and a move. */
  readonly changed: Condition = new Condition();
  readonly #closing = new AbortController();
  #source: { readonly carrier: Carrier; readonly subscription: S } | undefined;
  #items: readonly T[] = [];
  /** Lets the subscription go on. */
  #credit: (() => void) | undefined;
  #error: unknown;
  #freeLeave: (() => void) | undefined;

  /** The store that is read, and the subscription there. */
  get source(): { readonly carrier: Carrier; readonly subscription: S } {
    if (this.#source === undefined) throw new Error('the cursor is not open');
    return this.#source;
  }

  /** Fires when the cursor is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** Reads `subscription` of the store `carrier` from now on. Returns the subscription before it. */
  attach(carrier: Carrier, subscription: S): S | undefined {
    const before = this.#source?.subscription;
    this.#source = { carrier, subscription };
    this.#error = undefined;
    this.#freeLeave?.();
    this.#freeLeave = carrier.onLeave(() => this.changed.notify());
    void subscription.ended.then((error) => {
      if (this.#source?.subscription !== subscription || this.closing.aborted) return;
      this.#error = error ?? new BusbarError('CLOSED', 'the store was closed');
      this.changed.notify();
    });
    return before;
  }

  /** Takes a batch. Resolves when the subscription may go on. */
  async take(items: readonly T[]): Promise<void> {
    if (this.closing.aborted || items.length === 0) return;
    this.#items = items;
    this.changed.notify();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  /** Gives up to `max` items. */
  give(max: number): readonly T[] {
    const items = this.#items.slice(0, max);
    this.#items = this.#items.slice(max);
    return items;
  }

  /** Drops the items. */
  drop(): void {
    this.#items = [];
    this.#credit?.();
  }

  /** Ends the feed, as if its subscription had ended. */
  fail(error: BusbarError): void {
    this.#error = error;
    this.changed.notify();
  }

  /** All items were handled. */
  goOn(): void {
    this.#credit?.();
  }

  /** Throws if the subscription has ended. */
  assertOpen(): void {
    if (this.#error !== undefined) throw ownError(this.#error);
  }

  async close(): Promise<void> {
    if (this.closing.aborted) return;
    this.#closing.abort();
    this.#freeLeave?.();
    this.#credit?.();
    this.changed.notify();
    await this.#source?.subscription.close();
  }
}
