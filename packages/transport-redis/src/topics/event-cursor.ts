/** A place in the log that a subscription reads on from, with the ephemeral events that came meanwhile. */

import type { EventCursor } from '@busbar/api/driver';
import { matchTopic, type TopicEvent } from '@busbar/api/transport';
import type { Link } from '../connection/client.ts';
import { SCRIPTS } from '../lua/scripts.ts';
import { toMessage } from '../queues/stored-message.ts';
import { toLuaPattern } from './lua-pattern.ts';
import { compareIds, positionExpired, toPosition } from './position.ts';

/** Ephemeral events that wait for a slow handler at most: further ones are dropped and counted. */
const MAX_WAITING = 1000;
const MAX_WAITING_BYTES = 4_194_304;

/** An ephemeral event, and the event of the log it came after. */
interface Passing {
  readonly after: string;
  readonly event: TopicEvent;
}

interface Pending {
  readonly max: number;
  readonly resolve: (events: readonly TopicEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

export class LogCursor implements EventCursor {
  readonly pattern: string;
  dropped = 0;
  readonly #store: string;
  readonly #link: Link;
  readonly #onClose: () => void;
  readonly #exact: string;
  readonly #sieve: string;
  /** Up to this id of the log all is read. Undefined until it began. */
  #id: string | undefined;
  /** Up to this one all was handled, or does not match. */
  #settled = '0-0';
  /** The last event of the log that was heard of. */
  #heard = '0-0';
  #passing: Passing[] = [];
  #passingBytes = 0;
  #pending: Pending | undefined;
  #isReading = false;
  #hasNews = true;
  #isClosed = false;

  constructor(pattern: string, store: string, link: Link, onClose: () => void) {
    this.pattern = pattern;
    this.#store = store;
    this.#link = link;
    this.#onClose = onClose;
    this.#exact = /[*>]/.test(pattern) ? '' : pattern;
    this.#sieve = toLuaPattern(pattern);
  }

  get position(): string {
    return toPosition(this.#store, this.#settled);
  }

  /** Stands behind this event from now on. */
  begin(id: string): void {
    this.#id = id;
    this.#settled = id;
    this.#hear(id);
  }

  next(max: number): Promise<readonly TopicEvent[]> {
    if (this.#isClosed) return Promise.resolve([]);
    this.#settled = this.#id ?? this.#settled;
    return new Promise((resolve, reject) => {
      this.#pending = { max, resolve, reject };
      this.#read();
    });
  }

  /** There may be something new. */
  wake(): void {
    this.#hasNews = true;
    this.#read();
  }

  /** Events were published. One that has read everything stands right before them. */
  logged(first: string, last: string, isMatch: boolean): void {
    this.#hear(last);
    if (!isMatch) {
      this.#move(last);
      return;
    }
    this.#move(before(first));
    this.wake();
  }

  /** Everything up to this event was heard of. */
  advance(id: string): void {
    this.#move(id);
  }

  /** Takes an ephemeral event in, or drops it. The cursor gets a copy of its own. */
  pass(event: TopicEvent): void {
    if (this.#isClosed || this.#id === undefined) return;
    const bytes = event.body.byteLength;
    if (this.#passing.length >= MAX_WAITING || this.#passingBytes + bytes > MAX_WAITING_BYTES) {
      this.dropped += 1;
      return;
    }
    this.#passing.push({ after: this.#heard, event: copyOf(event) });
    this.#passingBytes += bytes;
    this.#read();
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#onClose();
      this.#pending?.resolve([]);
      this.#pending = undefined;
      this.#passing = [];
    }
    return Promise.resolve();
  }

  #hear(id: string): void {
    if (compareIds(id, this.#heard) > 0) this.#heard = id;
  }

  /** Goes on over what does not match, if it has read all that does. */
  #move(id: string): void {
    if (this.#hasNews || this.#isReading || this.#id === undefined || compareIds(id, this.#id) <= 0) return;
    const wasSettled = this.#settled === this.#id;
    this.#id = id;
    if (wasSettled) this.#settled = id;
  }

  #read(): void {
    const pending = this.#pending;
    if (this.#isReading || pending === undefined || this.#id === undefined) return;
    if (!this.#hasNews && this.#passing.length === 0) return;
    this.#isReading = true;
    this.#take(pending.max).then(
      (events) => this.#taken(events),
      (error: unknown) => this.#broken(error),
    );
  }

  #taken(events: readonly TopicEvent[]): void {
    this.#isReading = false;
    const pending = this.#pending;
    if (pending === undefined) return;
    if (events.length === 0) {
      this.#settled = this.#id ?? this.#settled;
      this.#read();
      return;
    }
    this.#pending = undefined;
    pending.resolve(events);
  }

  #broken(error: unknown): void {
    this.#isReading = false;
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  /** What comes next: events of the log, and the ephemeral ones behind those they came after. */
  async #take(max: number): Promise<TopicEvent[]> {
    const events: TopicEvent[] = [];
    while (events.length < max && !this.#isClosed) {
      const next = this.#passing[0];
      if (next !== undefined && compareIds(next.after, this.#id ?? '0-0') <= 0) {
        this.#passing.shift();
        this.#passingBytes -= next.event.body.byteLength;
        events.push(next.event);
        continue;
      }
      if (next === undefined && (!this.#hasNews || events.length > 0)) break;
      await this.#readLog(next?.after, max - events.length, events);
    }
    return events;
  }

  async #readLog(upTo: string | undefined, max: number, events: TopicEvent[]): Promise<void> {
    const from = this.#id ?? '0-0';
    if (upTo === undefined) this.#hasNews = false;
    const bounds = { deadline: Number.POSITIVE_INFINITY, repeat: true };
    const args = [from, upTo ?? '+', this.#exact, this.#sieve, max];
    const [isTrimmed, seen, isAll, ...found] = (await this.#link.run(SCRIPTS.read, args, bounds)) as [
      number,
      ...unknown[],
    ];
    if (isTrimmed === 1) throw positionExpired();
    if (upTo === undefined && isAll === 0) this.#hasNews = true;
    for (let index = 0; index < found.length; index += 5) {
      const [id, topic, key, head, body] = found.slice(index, index + 5) as [Buffer, Buffer, Buffer, Buffer, Buffer];
      if (!matchTopic(this.pattern, String(topic))) continue;
      const message = toMessage(String(key), String(head), body);
      events.push({ ...message, topic: String(topic), position: toPosition(this.#store, String(id)) });
    }
    this.#id = String(seen);
    this.#hear(this.#id);
  }
}

/** The id right before another, whether there is such an event or not. */
function before(id: string): string {
  const [ms = 0, number = 0] = id.split('-').map(Number);
  return number > 0 ? `${ms}-${number - 1}` : `${Math.max(0, ms - 1)}-9999999999`;
}

/** Every subscriber gets an event of its own: what one does to it no other sees. */
function copyOf(event: TopicEvent): TopicEvent {
  return { ...event, body: event.body.slice(), headers: { ...event.headers } };
}
