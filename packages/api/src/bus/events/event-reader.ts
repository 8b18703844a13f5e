/** Reads stored events one by one, at the pace of the reader, up to an end. */

import { BusbarError } from '../../contract/errors.ts';
import type { TopicEvent } from '../../contract/message.ts';
import type { CallOptions, From, TopicSubscription, Transport } from '../../contract/transport.ts';
import { Patience } from '../deadline.ts';
import { toBounds } from '../messages/message-options.ts';

/** So many ticks without an event mean the end. Ticks, since one timer would also run out while the process is stopped. */
const QUIET_TICKS = 6;
const TICK_MS = 50;
/** How often is looked whether the end was reached over events that do not match: nothing tells of those. */
const LOOK_MS = 2;

/** How to read. */
export interface ReadOptions extends CallOptions {
  /** The position to end at. Undefined: the end is reached when none has come for a while. */
  readonly end?: string | undefined;
}

/** A reader of events. */
export class EventReader implements AsyncDisposable {
  readonly #patience: Patience;
  readonly #endAt: string | undefined;
  #subscription: TopicSubscription | undefined;
  #batch: TopicEvent[] = [];
  /** Gives the subscription its credit: the batch was read. */
  #credit: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #error: BusbarError | undefined;
  #isClosed = false;

  private constructor(patience: Patience, end: string | undefined) {
    this.#patience = patience;
    this.#endAt = end;
  }

  /** Begins to read. */
  static async open(transport: Transport, pattern: string, from: From, options: ReadOptions): Promise<EventReader> {
    const { signal } = options;
    const reader = new EventReader(new Patience({ waitMs: Number.POSITIVE_INFINITY, signal }), options.end);
    const onEvents = (events: readonly TopicEvent[]): Promise<void> => reader.#take(events);
    try {
      reader.#subscription = await transport.topics.subscribe(pattern, { from, ...toBounds(options) }, onEvents);
    } catch (error) {
      reader.#patience.end();
      throw error;
    }
    void reader.#subscription.ended.then((error) => reader.#end(error));
    return reader;
  }

  /** The next event; undefined when the end is reached. Rejects with what ended the subscription. */
  async next(): Promise<TopicEvent | undefined> {
    this.#patience.throwIfCut();
    for (let quiet = 0; this.#batch.length === 0; ) {
      this.#credit?.();
      if (this.#error !== undefined) throw this.#error;
      if (this.#isClosed || this.#isAtEnd() || quiet === QUIET_TICKS) return undefined;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#endAt !== undefined) await this.#patience.waitAtMost(woken, LOOK_MS);
      else if (await this.#patience.waitAtMost(woken, TICK_MS)) quiet += 1;
      else quiet = 0;
    }
    const event = this.#batch.shift();
    return this.#isBeyond(event?.position) ? undefined : event;
  }

  #isAtEnd(): boolean {
    const position = this.#subscription?.position;
    return position !== undefined && this.#endAt !== undefined && position >= this.#endAt;
  }

  #isBeyond(position: string | undefined): boolean {
    return position !== undefined && this.#endAt !== undefined && position > this.#endAt;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#patience.end();
    this.#isClosed = true;
    this.#credit?.();
    await this.#subscription?.close();
  }

  async #take(events: readonly TopicEvent[]): Promise<void> {
    // Ephemeral events are no history.
    this.#batch = events.filter((event) => event.position !== undefined);
    if (this.#batch.length === 0 || this.#isClosed) return;
    this.#wake?.();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  /** An end that was not asked for is not the end of the history. */
  #end(error: BusbarError | undefined): void {
    if (this.#isClosed) return;
    this.#error = error ?? new BusbarError('CLOSED', 'the transport was closed', { hint: 'Open a new one.' });
    this.#wake?.();
  }
}
