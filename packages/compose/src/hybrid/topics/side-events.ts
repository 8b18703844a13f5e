/** The events of one side, for a subscription to both. */

import type { CallContext, Condition } from '@busbar/api/driver';
import type { From, TopicEvent, TopicSubscription } from '@busbar/api/transport';
import { BatchFeed } from '../../inner/batch-feed.ts';
import { boundsOf, own } from '../../inner/calls.ts';
import type { HybridSide } from '../side.ts';

const MAX_BYTES = 4 * 1024 * 1024;

/** What to read of one side. */
export interface SideReading {
  readonly pattern: string;
  readonly from: From;
  /** Notified of events and of the end. */
  readonly changed: Condition;
}

/** An inner subscription. */
export class SideEvents {
  readonly #feed: BatchFeed<TopicEvent>;
  readonly #subscription: TopicSubscription;
  #taken: string | undefined;
  #handled: string | undefined;
  /** The position at its end: closing passes the last batch over, though it may not be handled. */
  #last: { readonly position: string | undefined } | undefined;

  private constructor(feed: BatchFeed<TopicEvent>, subscription: TopicSubscription) {
    this.#feed = feed;
    this.#subscription = subscription;
  }

  static async open({ transport }: HybridSide, reading: SideReading, context: CallContext): Promise<SideEvents> {
    const { pattern, from, changed } = reading;
    const feed = new BatchFeed<TopicEvent>(changed);
    const options = { from, maxBytes: MAX_BYTES, ...boundsOf(context) };
    const subscription = await own(transport.topics.subscribe(pattern, options, (events) => feed.push(events)));
    feed.failAt(subscription.ended);
    return new SideEvents(feed, subscription);
  }

  get dropped(): number {
    return this.#subscription.dropped;
  }

  /** The position after the last handled event. That of the inner subscription is as late or earlier, unless no event matched. */
  get position(): string | undefined {
    if (this.#last !== undefined) return this.#last.position;
    const [handled, inner] = [this.#handled, this.#subscription.position];
    if (handled === undefined || inner === undefined) return handled ?? inner;
    return inner > handled ? inner : handled;
  }

  /** Up to `max` events. All earlier ones are handled. */
  take(max: number): readonly TopicEvent[] {
    this.#handled = this.#taken ?? this.#handled;
    const events = this.#feed.take(max);
    this.#taken = events.findLast(({ position }) => position !== undefined)?.position;
    return events;
  }

  async close(): Promise<void> {
    this.#last ??= { position: this.position };
    this.#feed.close();
    await this.#subscription.close();
  }
}
