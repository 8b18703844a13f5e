/** A cursor over events: reads the store that it began in to its end, then the next one behind the cut. */

import { type EventCursor, positionExpired } from '@busbar/api/driver';
import type { CallOptions, From, TopicEvent, TopicSubscription } from '@busbar/api/transport';
import { Feed } from './feed.ts';
import type { Carrier } from './side.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** How often a store that was left is asked whether its end is reached. */
const LOOK_MS = 20;
/** How long a store that was left may be away before the cursor ends. */
const AWAY_MS = 30_000;

/** A cursor over the events of one pattern. */
export class MigrateEventCursor implements EventCursor {
  readonly #pattern: string;
  readonly #feed = new Feed<TopicEvent, TopicSubscription>();
  /** The position of the last event that was handled; undefined once there is a newer one of the source. */
  #handled: string | undefined;
  #taken: string | undefined;
  #droppedBefore = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Begins to read. Returns the subscription before it. */
  async open(carrier: Carrier, from: From, bounds: CallOptions): Promise<TopicSubscription | undefined> {
    const onEvents = (events: readonly TopicEvent[]): Promise<void> =>
      this.#feed.take(events.map((event) => carrier.tagEvent(event)));
    const options = { from, maxBytes: MAX_BYTES, ...bounds };
    const subscription = await carrier.transport.topics.subscribe(this.#pattern, options, onEvents);
    const before = this.#feed.attach(carrier, subscription);
    this.#droppedBefore += before?.dropped ?? 0;
    return before;
  }

  get dropped(): number {
    return this.#droppedBefore + this.#feed.source.subscription.dropped;
  }

  get position(): string | undefined {
    const at = this.#feed.isEmpty ? this.#sourcePosition : undefined;
    if (at === undefined || this.#handled === undefined) return this.#handled ?? at ?? this.#sourcePosition;
    return at > this.#handled ? at : this.#handled;
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    const feed = this.#feed;
    this.#handled = this.#taken ?? this.#handled;
    let end: string | undefined;
    let awayUntil = Number.POSITIVE_INFINITY;
    while (!feed.closing.aborted) {
      if (!feed.isEmpty) return this.#give(max);
      feed.assertOpen();
      feed.goOn();
      const { carrier, subscription } = feed.source;
      if (!carrier.isLeft) {
        await feed.changed.wait();
        continue;
      }
      if (carrier.transport.state === 'open') awayUntil = performance.now() + AWAY_MS;
      else awayUntil = Math.min(awayUntil, performance.now() + AWAY_MS);
      if (performance.now() > awayUntil) throw positionExpired();
      end ??= await this.#endOf(carrier);
      if (feed.isEmpty && end !== undefined && (subscription.position ?? '') >= end) {
        await this.#follow(carrier);
        end = undefined;
      } else await feed.changed.waitFor(LOOK_MS);
    }
    return [];
  }

  close(): Promise<void> {
    return this.#feed.close();
  }

  get #sourcePosition(): string | undefined {
    const { carrier, subscription } = this.#feed.source;
    return subscription.position && carrier.tag(subscription.position);
  }

  #give(max: number): readonly TopicEvent[] {
    const events = this.#feed.give(max);
    this.#taken = events.findLast(({ position }) => position !== undefined)?.position ?? this.#taken;
    return events;
  }

  /** The position after the last event of a store that gets no more; undefined while it is away. */
  async #endOf({ transport }: Carrier): Promise<string | undefined> {
    try {
      await using probe = await transport.topics.subscribe(
        this.#pattern,
        { from: 'new', timeoutMs: AWAY_MS, signal: this.#feed.closing },
        () => undefined,
      );
      return probe.position;
    } catch {
      return undefined;
    }
  }

  /** Goes on in the next store, behind the events that came from this one. */
  async #follow({ next }: Carrier): Promise<void> {
    if (next === undefined) return;
    const from = next.cut === undefined ? 'start' : { after: next.cut };
    const bounds = { timeoutMs: Number.POSITIVE_INFINITY, signal: this.#feed.closing };
    void (await this.open(next, from, bounds))?.close();
  }
}
