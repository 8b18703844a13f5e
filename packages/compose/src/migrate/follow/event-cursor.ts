/** A cursor over events: reads the store that it began in to its end, then the next one behind the cut. */

import { Condition, type EventCursor, positionExpired } from '@busbar/api/driver';
import {
  BusbarError,
  type CallOptions,
  type From,
  type TopicEvent,
  type TopicSubscription,
} from '@busbar/api/transport';
import { ownError } from '../../inner/calls.ts';
import type { Carrier } from './side.ts';

const MAX_BYTES = 4 * 1024 * 1024;
/** How often a store that was left is asked whether its end is reached. */
const LOOK_MS = 20;
/** How long a store that was left may be away before the cursor ends. */
const AWAY_MS = 30_000;

/** Where the next events of a cursor come from. */
interface Source {
  readonly carrier: Carrier;
  readonly subscription: TopicSubscription;
}

/** A cursor over the events of one pattern. */
export class MigrateEventCursor implements EventCursor {
  readonly #pattern: string;
  readonly #changed = new Condition();
  #source: Source | undefined;
  #events: readonly TopicEvent[] = [];
  /** Lets the subscription go on. */
  #credit: (() => void) | undefined;
  /** The position of the last event that was handled; undefined once there is a newer one of the source. */
  #handled: string | undefined;
  #taken: string | undefined;
  #droppedBefore = 0;
  #error: unknown;
  #freeLeave: (() => void) | undefined;
  readonly #closing = new AbortController();
  #isClosed = false;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Begins to read. */
  async open(carrier: Carrier, from: From, bounds: CallOptions): Promise<void> {
    const onEvents = (events: readonly TopicEvent[]): Promise<void> => this.#take(carrier, events);
    const options = { from, maxBytes: MAX_BYTES, ...bounds };
    const subscription = await carrier.transport.topics.subscribe(this.#pattern, options, onEvents);
    this.#droppedBefore += this.#source?.subscription.dropped ?? 0;
    this.#source = { carrier, subscription };
    this.#freeLeave?.();
    this.#freeLeave = carrier.onLeave(() => this.#changed.notify());
    void subscription.ended.then((error) => {
      if (this.#source?.subscription !== subscription || this.#isClosed) return;
      this.#error ??= error ?? new BusbarError('CLOSED', 'the store was closed');
      this.#changed.notify();
    });
  }

  get dropped(): number {
    return this.#droppedBefore + (this.#source?.subscription.dropped ?? 0);
  }

  get position(): string | undefined {
    const at = this.#events.length > 0 ? undefined : this.#sourcePosition;
    if (at === undefined || this.#handled === undefined) return this.#handled ?? at ?? this.#sourcePosition;
    return at > this.#handled ? at : this.#handled;
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    this.#handled = this.#taken ?? this.#handled;
    let end: string | undefined;
    let awayUntil = Number.POSITIVE_INFINITY;
    while (!this.#isClosed) {
      if (this.#events.length > 0) return this.#give(max);
      if (this.#error !== undefined) throw ownError(this.#error);
      this.#credit?.();
      const { carrier, subscription } = this.#source ?? unopened();
      if (!carrier.isLeft) {
        await this.#changed.wait();
        continue;
      }
      if (carrier.transport.state === 'open') awayUntil = performance.now() + AWAY_MS;
      else awayUntil = Math.min(awayUntil, performance.now() + AWAY_MS);
      if (performance.now() > awayUntil) throw positionExpired();
      end ??= await this.#endOf(carrier);
      if (this.#events.length === 0 && end !== undefined && (subscription.position ?? '') >= end) {
        await this.#goOn(carrier);
        end = undefined;
      } else await this.#changed.waitFor(LOOK_MS);
    }
    return [];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#freeLeave?.();
    this.#closing.abort();
    this.#credit?.();
    this.#changed.notify();
    await this.#source?.subscription.close();
  }

  get #sourcePosition(): string | undefined {
    const { carrier, subscription } = this.#source ?? unopened();
    return subscription.position && carrier.tag(subscription.position);
  }

  #give(max: number): readonly TopicEvent[] {
    const events = this.#events.slice(0, max);
    this.#events = this.#events.slice(max);
    this.#taken = events.findLast(({ position }) => position !== undefined)?.position ?? this.#taken;
    return events;
  }

  /** Takes a batch. The subscription goes on when all of it was handled. */
  async #take(carrier: Carrier, events: readonly TopicEvent[]): Promise<void> {
    if (this.#isClosed) return;
    this.#events = events.map((event) => carrier.tagEvent(event));
    this.#changed.notify();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  /** The position after the last event of a store that gets no more; undefined while it is away. */
  async #endOf({ transport }: Carrier): Promise<string | undefined> {
    try {
      await using probe = await transport.topics.subscribe(
        this.#pattern,
        { from: 'new', timeoutMs: AWAY_MS, signal: this.#closing.signal },
        () => undefined,
      );
      return probe.position;
    } catch {
      return undefined;
    }
  }

  /** Goes on in the next store, behind the events that came from this one. */
  async #goOn(carrier: Carrier): Promise<void> {
    const { next } = carrier;
    const old = this.#source?.subscription;
    if (next === undefined) return;
    await this.open(next, next.cut === undefined ? 'start' : { after: next.cut }, {
      timeoutMs: Number.POSITIVE_INFINITY,
      signal: this.#closing.signal,
    });
    void old?.close();
  }
}

function unopened(): never {
  throw new Error('the cursor is not open');
}
