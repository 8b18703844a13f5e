/** A reader of topics: history, then what comes, with ephemeral events in between. */

import type { EventCursor as Cursor, PreparedMessage } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import { type Chunk, HistoryReader } from './history-reader.ts';
import type { NumberedEvent } from './recent-events.ts';
import type { Replica } from './replica.ts';
import { PLACES } from './state/history.ts';
import { toMessage } from './state/item.ts';

const MAX_BUFFERED = 1024;

/** An ephemeral event, and the last event that its publisher knew of. */
interface Passing {
  readonly after: number;
  readonly topic: string;
  readonly message: PreparedMessage;
}

/** A reader of topics. */
export class EventCursor implements Cursor {
  dropped = 0;
  readonly #replica: Replica;
  readonly #reader: HistoryReader;
  readonly #matches: (topic: string) => boolean;
  readonly #onClose: () => void;
  readonly #passing: Passing[] = [];
  /** What was read and not given yet. */
  #ahead: NumberedEvent[] = [];
  #number: number;
  /** What came before this number was handled, or does not match. */
  #settled: number;
  #wake: (() => void) | undefined;
  #isClosed = false;
  #isAtStart: boolean;

  /** `isAtStart`: it begins with the oldest that is kept, whichever that is by then. */
  constructor(replica: Replica, pattern: string, number: number, isAtStart: boolean, onClose: () => void) {
    this.#replica = replica;
    this.#reader = new HistoryReader(replica);
    this.#matches = (topic) => matchTopic(pattern, topic);
    this.#number = number;
    this.#settled = number;
    this.#isAtStart = isAtStart;
    this.#onClose = onClose;
  }

  get position(): string {
    const next = this.#ahead[0]?.number ?? this.#settled;
    return this.#replica.state.position(Math.max(0, Math.min(next, this.#settled) - 1));
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    while (!this.#isClosed) {
      this.#settle();
      const events = await this.#take(max);
      if (this.#isClosed) break;
      if (events.length > 0) return events;
      this.#settle();
      if (this.#number > this.#replica.state.history.last && this.#passing.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    return [];
  }

  /** Something may have come. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** An ephemeral event goes by. */
  pass(topic: string, message: PreparedMessage, after: number): void {
    if (!this.#matches(topic)) return;
    if (this.#passing.length >= MAX_BUFFERED) this.dropped += 1;
    else this.#passing.push({ after, topic, message });
    this.wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    this.#reader.close();
    this.wake();
  }

  #settle(): void {
    this.#settled = this.#ahead[0]?.number ?? this.#number;
  }

  async #take(max: number): Promise<TopicEvent[]> {
    if (this.#ahead.length === 0) await this.#readAhead();
    const taken: TopicEvent[] = [];
    while (taken.length < max) {
      const passing = this.#passing[0];
      const event = this.#ahead[0];
      const isNext = passing !== undefined && passing.after < (event?.number ?? this.#number);
      if (passing !== undefined && isNext) {
        this.#passing.shift();
        taken.push({ ...toMessage(passing.message), topic: passing.topic, position: undefined });
      } else if (event !== undefined) {
        this.#ahead.shift();
        const position = this.#replica.state.position(event.number);
        taken.push({ ...toMessage(event.message), topic: event.topic, position });
      } else break;
    }
    return taken;
  }

  async #read(): Promise<Chunk> {
    for (;;) {
      try {
        return await this.#reader.read(this.#number);
      } catch (error) {
        const { trimmed } = this.#replica.state.history;
        if (!this.#isAtStart || this.#number > trimmed) throw error;
        this.#number = trimmed + 1;
      }
    }
  }

  async #readAhead(): Promise<void> {
    const { events, next } = await this.#read();
    this.#number = next;
    this.#isAtStart = false;
    this.#ahead = events.filter(({ topic }) => this.#matches(topic));
  }
}

/** The number after every event there is by now: what comes next has this one or a higher. */
export function endOf({ sequence }: Replica): number {
  return (sequence + 1) * PLACES;
}
