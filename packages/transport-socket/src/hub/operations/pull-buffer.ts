/** A buffer between a store that pushes batches and a client that pulls them. A pull gives the store credit. */

import { Condition } from '@busbar/api/driver';
import { BATCH_BYTES } from '../../wire/protocol.ts';
import type { CancellationToken } from '../cancellation-token.ts';

/** What pushes the batches: a subscription or a watch. */
interface PushSource {
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

/** Bytes that the cursors of one client hold until it pulls them. */
export interface HeldBytes {
  bytes: number;
  /** Notified when a cursor holds less. */
  readonly pulled: Condition;
}

/** Holds one batch of the store until the client has pulled and handled it. */
export class PullBuffer<T> {
  readonly #changed = new Condition();
  readonly #sizeOf: (item: T) => number;
  readonly #all: HeldBytes;
  /** Bytes that were not pulled yet. */
  #held = 0;
  readonly #firstPush = Promise.withResolvers<void>();
  #source: PushSource | undefined;
  #items: readonly T[] = [];
  #pulled = 0;
  /** Tells the store that its batch was handled. */
  #onHandled: (() => void) | undefined;
  #end: { readonly error: unknown } | undefined;

  constructor(sizeOf: (item: T) => number, all: HeldBytes) {
    this.#sizeOf = sizeOf;
    this.#all = all;
  }

  /** Resolves with the first batch, or at the end. */
  get firstPush(): Promise<void> {
    return this.#firstPush.promise;
  }

  /** Ends with `source`, which {@link PullBuffer.close} closes. */
  begin(source: PushSource): undefined {
    this.#source = source;
    void source.ended.then((error) => this.#finish(error));
  }

  close(): void {
    this.#finish(undefined);
    this.#hold(-this.#held);
    this.#source?.close().catch(() => undefined);
  }

  /** Whether a client waits for items. */
  get isWaiting(): boolean {
    return this.#changed.isAwaited;
  }

  /** Takes a batch of the store. Resolves when the client has handled it. */
  readonly push = (items: readonly T[]): Promise<void> => {
    if (this.#end !== undefined) return Promise.resolve();
    this.#items = items;
    this.#pulled = 0;
    for (const item of items) this.#hold(this.#sizeOf(item));
    this.#firstPush.resolve();
    this.#changed.notify();
    return new Promise((resolve) => {
      this.#onHandled = resolve;
    });
  };

  /** The next items, at least one; none at the end. The client has handled the previous ones. */
  async pull(max: number, cancellation: CancellationToken): Promise<readonly T[]> {
    if (this.#isEmpty()) {
      this.#onHandled?.();
      this.#onHandled = undefined;
    }
    while (this.#isEmpty()) {
      if (cancellation.reason !== undefined) throw cancellation.reason;
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return [];
      }
      cancellation.onCancel(() => this.#changed.notify());
      await this.#changed.wait();
    }
    return this.#take(max);
  }

  #hold(bytes: number): void {
    this.#held += bytes;
    this.#all.bytes += bytes;
    if (bytes < 0) this.#all.pulled.notify();
  }

  #isEmpty(): boolean {
    return this.#pulled >= this.#items.length;
  }

  /** Pulls reject with `error` if it is defined. */
  #finish(error: unknown): void {
    this.#end ??= { error };
    this.#firstPush.resolve();
    this.#onHandled?.();
    this.#changed.notify();
  }

  #take(max: number): readonly T[] {
    const from = this.#pulled;
    let bytes = 0;
    for (const item of this.#items.slice(from, from + max)) {
      const size = this.#sizeOf(item);
      bytes += size;
      if (bytes > BATCH_BYTES && this.#pulled > from) break;
      this.#pulled += 1;
      this.#hold(-size);
    }
    return this.#items.slice(from, this.#pulled);
  }
}
