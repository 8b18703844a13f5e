/** Reads the event log from a position on, and the ephemeral events of the meantime. */

import {
  Condition,
  type EventCursor as Cursor,
  EphemeralBuffer,
  type PreparedMessage,
  positionExpired,
} from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import { toMessage } from '../queues/stored-message.ts';
import type { EventLog, LogEvent, LogReader } from './event-log.ts';

/** A cursor over the event log. */
export class EventCursor implements Cursor, LogReader {
  readonly #log: EventLog;
  readonly #matches: (topic: string) => boolean;
  /** Ephemeral events, each with the number of the event that follows it in the log. */
  readonly #ephemeral = new EphemeralBuffer<{
    readonly before: number;
    readonly topic: string;
    readonly message: PreparedMessage;
  }>();
  #seq: number;
  /** Events before this number are handled or do not match. */
  #settled: number;
  readonly #changed = new Condition();
  #isClosed = false;

  constructor(log: EventLog, pattern: string, seq: number) {
    this.#log = log;
    this.#matches = (topic) => matchTopic(pattern, topic);
    this.#seq = seq;
    this.#settled = seq;
    log.cursors.add(this);
  }

  get dropped(): number {
    return this.#ephemeral.dropped;
  }

  get position(): string {
    return this.#log.position(this.#settled - 1);
  }

  async next(max: number): Promise<readonly TopicEvent[]> {
    while (!this.#isClosed) {
      this.#settled = this.#seq;
      const events = this.#take(max);
      if (events.length > 0) return events;
      this.#settled = this.#seq;
      await this.#changed.wait();
    }
    return [];
  }

  /** An event was appended to the log. */
  wake(): void {
    this.#changed.notify();
  }

  /** Takes an ephemeral event if its topic matches. */
  offer(topic: string, message: PreparedMessage): void {
    if (!this.#matches(topic)) return;
    this.#ephemeral.push({ before: this.#log.next, topic, message }, message.body.byteLength);
    this.wake();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#log.cursors.delete(this);
    this.wake();
    return Promise.resolve();
  }

  #take(max: number): TopicEvent[] {
    if (this.#seq < this.#log.first) throw positionExpired();
    const taken: TopicEvent[] = [];
    while (taken.length < max) {
      const ephemeral = this.#ephemeral.at(0);
      const { events, next } = this.#log.read(
        this.#seq,
        ephemeral === undefined ? max - taken.length : 1,
        this.#matches,
      );
      const event = events[0];
      if (ephemeral !== undefined && (event === undefined || ephemeral.before <= event.seq)) {
        this.#ephemeral.shift();
        taken.push({ ...toMessage(ephemeral.message), topic: ephemeral.topic, position: undefined });
        continue;
      }
      this.#seq = next;
      taken.push(...events.map((event) => this.#toEvent(event)));
      if (event === undefined) break;
    }
    return taken;
  }

  #toEvent({ message, topic, seq }: LogEvent): TopicEvent {
    return { ...toMessage(message), topic, position: this.#log.position(seq) };
  }
}
