/** A cursor over the events of both sides. */

import { type CallContext, Condition, type EventCursor } from '@busbar/api/driver';
import type { From, TopicEvent } from '@busbar/api/transport';
import { tag } from '../side.ts';
import type { Sides } from '../sides.ts';
import { toPosition } from './position.ts';
import { SideEvents } from './side-events.ts';

/** What a cursor reads. */
export interface HybridReading {
  readonly pattern: string;
  /** Where each side begins. */
  readonly durable: From;
  readonly fast: From;
  /** Whether the fast side can have history that matches: then the position of the cursor names both sides. */
  readonly hasFastHistory: boolean;
}

/** A cursor. While the fast side is away it reads the durable one only, and goes on with both later. */
export class HybridEventCursor implements EventCursor {
  readonly #reading: HybridReading;
  readonly #changed = new Condition();
  readonly #openedAt = Date.now();
  #durable: SideEvents | undefined;
  #fast: SideEvents | undefined;
  #isFastNext = false;
  #error: unknown;
  readonly #closing = new AbortController();
  #joining: Promise<void> | undefined;

  private constructor(reading: HybridReading) {
    this.#reading = reading;
  }

  static async open(sides: Sides, reading: HybridReading, context: CallContext): Promise<HybridEventCursor> {
    const cursor = new HybridEventCursor(reading);
    try {
      await cursor.#open(sides, context);
      return cursor;
    } catch (error) {
      await cursor.close();
      throw error;
    }
  }

  get dropped(): number {
    return (this.#durable?.dropped ?? 0) + (this.#fast?.dropped ?? 0);
  }

  get position(): string | undefined {
    const fast = this.#reading.hasFastHistory ? this.#fast?.position : undefined;
    return toPosition({ durable: this.#durable?.position, fast });
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    while (!this.#closing.signal.aborted) {
      if (this.#error !== undefined) throw this.#error;
      const events = this.#take(max);
      if (events.length > 0) return events;
      await this.#changed.wait();
    }
    return [];
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#changed.notify();
    await this.#joining;
    await Promise.all([this.#durable?.close(), this.#fast?.close()]);
  }

  async #open(sides: Sides, context: CallContext): Promise<void> {
    const { pattern, durable } = this.#reading;
    const opening = SideEvents.open(sides.durable, { pattern, from: durable, changed: this.#changed }, context);
    const [opened, joined] = await Promise.allSettled([opening, this.#joinNow(sides, context)]);
    if (opened.status === 'fulfilled') this.#durable = opened.value;
    for (const each of [opened, joined]) if (each.status === 'rejected') throw each.reason;
    if (this.#fast === undefined) this.#joining = this.#joinLater(sides);
  }

  /** Opens the events of the fast side, unless it goes away meanwhile. */
  async #joinNow(sides: Sides, context: CallContext): Promise<void> {
    const { pattern, fast } = this.#reading;
    const reading = { pattern, from: fast, changed: this.#changed };
    const opened = await sides.whileFastUp(context, (inner) => SideEvents.open(sides.fast, reading, inner));
    this.#fast = opened?.value;
  }

  /** Reads the fast side from when this cursor was opened, as soon as it is back. */
  async #joinLater(sides: Sides): Promise<void> {
    const { signal } = this.#closing;
    const { pattern, fast, hasFastHistory } = this.#reading;
    const from = fast === 'new' && hasFastHistory ? { time: this.#openedAt } : fast;
    try {
      while (this.#fast === undefined) {
        await sides.whenFastUp(signal);
        if (signal.aborted) return;
        const reading = { pattern, from, changed: this.#changed };
        this.#fast = await SideEvents.open(sides.fast, reading, { signal, deadline: Number.POSITIVE_INFINITY });
      }
    } catch (error) {
      if (!signal.aborted) this.#error = error;
    }
    this.#changed.notify();
  }

  /** The next events of one side. Both get their turn. */
  #take(max: number): readonly TopicEvent[] {
    const order = this.#isFastNext ? [this.#fast, this.#durable] : [this.#durable, this.#fast];
    for (const side of order) {
      const events = side?.take(max) ?? [];
      if (events.length === 0) continue;
      this.#isFastNext = side === this.#durable;
      const name = side === this.#durable ? 'durable' : 'fast';
      return events.map((event) => {
        return event.position === undefined ? event : { ...event, position: tag(name, event.position) };
      });
    }
    return [];
  }
}
