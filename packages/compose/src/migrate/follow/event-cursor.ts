/** A cursor over events: reads the store that it began in to its end, then the next one behind the cut. */

import { type EventCursor, positionExpired } from '@busbar/api/driver';
import type { CallOptions, From, TopicEvent, TopicSubscription } from '@busbar/api/transport';
import { Feed } from './feed.ts';
import type { Follower } from './follower.ts';
import type { Carrier } from './side.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** How often a store that was left is asked whether its end is reached. */
const LOOK_MS = 20;
/** How long a store that was left may be away before the cursor ends. */
const AWAY_MS = 30_000;

/** Goes through a history to an event, and what follows it. */
interface Search {
  readonly last: TopicEvent;
  /** The position after the last event of the history. */
  readonly end: string;
}

/** A cursor over the events of one pattern. */
export class MigrateEventCursor implements EventCursor {
  readonly #pattern: string;
  readonly #follower: Follower;
  /** Where a cursor without an event begins in another store. */
  readonly #origin: From;
  readonly #feed = new Feed<TopicEvent, TopicSubscription>();
  /** Subscriptions have numbers. Batches of earlier ones are dropped. */
  #opened = 0;
  #firstValid = 1;
  #search: Search | undefined;
  #last: TopicEvent | undefined;
  /** The position of the last event that was handled; undefined once there is a newer one of the source. */
  #handled: string | undefined;
  #taken: string | undefined;
  #droppedBefore = 0;

  constructor(pattern: string, from: From, follower: Follower) {
    this.#pattern = pattern;
    this.#origin = from === 'new' ? { time: Date.now() } : from;
    this.#follower = follower;
  }

  /** Begins to read. Returns the subscription before it. */
  async open(carrier: Carrier, from: From, bounds: CallOptions): Promise<TopicSubscription | undefined> {
    this.#opened += 1;
    const number = this.#opened;
    const onEvents = async (events: readonly TopicEvent[]): Promise<void> => {
      if (number < this.#firstValid) return;
      await this.#feed.take(this.#found(events).map((event) => carrier.tagEvent(event)));
    };
    const options = { from, maxBytes: MAX_BYTES, ...bounds };
    const subscription = await carrier.transport.topics.subscribe(this.#pattern, options, onEvents);
    this.#firstValid = number;
    const before = this.#feed.attach(carrier, subscription);
    this.#droppedBefore += before?.dropped ?? 0;
    return before;
  }

  get dropped(): number {
    return this.#droppedBefore + this.#feed.source.subscription.dropped;
  }

  get position(): string | undefined {
    if (this.#search !== undefined) return this.#handled;
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
      const { carrier, subscription } = feed.source;
      if ((!feed.isEmpty || carrier.isLeft) && !(await this.#follower.isIntact(carrier, feed.closing))) {
        await this.#resume();
        continue;
      }
      if (!feed.isEmpty) return this.#give(max);
      feed.assertOpen();
      feed.goOn();
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
    this.#last = events.findLast(({ position }) => position !== undefined) ?? this.#last;
    this.#taken = this.#last?.position ?? this.#taken;
    return events;
  }

  /** The events of a batch after the one that is searched. */
  #found(events: readonly TopicEvent[]): readonly TopicEvent[] {
    const { last, end } = this.#search ?? {};
    if (last === undefined || end === undefined) return events;
    const at = events.findIndex(
      ({ id, topic, sentAt }) => id === last.id && topic === last.topic && sentAt === last.sentAt,
    );
    if (at >= 0) this.#search = undefined;
    else if (events.some(({ position }) => position !== undefined && position >= end))
      this.#feed.fail(positionExpired());
    return at >= 0 ? events.slice(at + 1) : [];
  }

  /**
   * The bus went from this store and came back before this process noticed: what the store has now was imported. Its history
   * has the last event that was handled, and the cursor goes on behind it.
   */
  async #resume(): Promise<void> {
    let { carrier } = this.#feed.source;
    while (carrier.next !== undefined) carrier = carrier.next;
    this.#firstValid = this.#opened + 1;
    this.#feed.drop();
    const bounds = { timeoutMs: AWAY_MS, signal: this.#feed.closing };
    if (this.#last === undefined) {
      if (typeof this.#origin === 'object' && 'after' in this.#origin) throw positionExpired();
      void (await this.open(carrier, this.#origin, bounds))?.close();
      return;
    }
    const end = await this.#endOf(carrier);
    if (end === undefined) throw positionExpired();
    this.#search = { last: this.#last, end };
    void (await this.open(carrier, 'start', bounds))?.close();
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
