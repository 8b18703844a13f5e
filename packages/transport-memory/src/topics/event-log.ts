/** The event log of one namespace, bounded by retention. */

import { Deadline, type DeadlineQueue, type PreparedMessage, positionExpired } from '@busbar/api/driver';
import { type From, invalid, type PublishResult, quote } from '@busbar/api/transport';
import type { MemorySettings } from '../options.ts';
import { DedupeWindow } from '../queues/dedupe.ts';

/** An event in the log. */
export interface LogEvent {
  readonly seq: number;
  readonly topic: string;
  readonly message: PreparedMessage;
  /** When it was published, in milliseconds since 1970. */
  readonly at: number;
  /** The same on the clock of `performance.now()`, which setting the wall clock does not move. */
  readonly since: number;
}

/** A cursor, as the log sees it. */
export interface LogReader {
  /** An event was appended. */
  wake(): void;
  /** Takes an ephemeral event. */
  offer(topic: string, message: PreparedMessage): void;
}

const POSITION_DIGITS = 16;

/** The events of one namespace, oldest first. */
export class EventLog {
  readonly cursors: Set<LogReader> = new Set();
  readonly counts: Map<string, number> = new Map();
  readonly #storeId: string;
  readonly #settings: MemorySettings;
  readonly #deadlines: DeadlineQueue;
  readonly #dedupe: DedupeWindow<string>;
  readonly #ageing: Deadline = new Deadline(() => this.#trim());
  #events: LogEvent[] = [];
  /** Events before this index are removed; the array is cut in large steps. */
  #start = 0;
  #bytes = 0;
  #next = 1;

  constructor(storeId: string, settings: MemorySettings, deadlines: DeadlineQueue) {
    this.#storeId = storeId;
    this.#settings = settings;
    this.#deadlines = deadlines;
    this.#dedupe = new DedupeWindow(() => deadlines.now);
  }

  /** The number of the next event. */
  get next(): number {
    return this.#next;
  }

  /** The number of the oldest event kept; {@link next} when the log is empty. */
  get first(): number {
    return this.#events[this.#start]?.seq ?? this.#next;
  }

  /** Appends one event. Calls `stored` unless it is a duplicate. */
  append(topic: string, message: PreparedMessage, stored: (event: LogEvent) => void): PublishResult {
    const key = `${topic} ${message.id}`;
    const known = this.#dedupe.get(key);
    if (known !== undefined) return { id: message.id, status: 'duplicate', position: known };
    const event = { seq: this.#next, topic, message, at: Date.now(), since: performance.now() };
    this.#next += 1;
    this.#events.push(event);
    this.#bytes += message.body.byteLength;
    this.counts.set(topic, (this.counts.get(topic) ?? 0) + 1);
    const position = this.position(event.seq);
    this.#dedupe.remember(key, position, this.#settings.topicDedupeMs);
    this.#trim();
    stored(event);
    return { id: message.id, status: 'stored', position };
  }

  /** Up to `max` matching events from number `seq` on, and the number to continue at. */
  read(seq: number, max: number, matches: (topic: string) => boolean): { events: LogEvent[]; next: number } {
    const events: LogEvent[] = [];
    let index = this.#start + (seq - this.first);
    for (; index < this.#events.length && events.length < max; index += 1) {
      const event = this.#events[index];
      if (event !== undefined && matches(event.topic)) events.push(event);
    }
    return { events, next: this.first + (index - this.#start) };
  }

  /** The number at which reading from `from` begins. */
  resolve(from: From): number {
    if (from === 'new') return this.#next;
    if (from === 'start') return this.first;
    if ('time' in from) return this.#firstSince(from.time);
    const seq = this.#parse(from.after);
    if (seq + 1 < this.first) throw positionExpired();
    return seq + 1;
  }

  position(seq: number): string {
    return `${this.#storeId}.${seq.toString().padStart(POSITION_DIGITS, '0')}`;
  }

  clear(): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
    this.counts.clear();
    this.#dedupe.clear();
    this.#deadlines.cancel(this.#ageing);
  }

  #firstSince(time: number): number {
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.at ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return this.#events[low]?.seq ?? this.#next;
  }

  #parse(position: string): number {
    const [store, digits, ...rest] = position.split('.');
    const seq = Number(digits);
    const known = store === this.#storeId && rest.length === 0 && /^\d{16}$/.test(digits ?? '') && seq < this.#next;
    if (!known)
      throw invalid(`${quote(position)} is not a position of this store`, 'Use a position that this store returned.');
    return seq;
  }

  #trim(): void {
    const { maxEvents, maxBytes, maxAgeMs } = this.#settings.retention;
    const oldest = Date.now() - maxAgeMs;
    for (let event = this.#events[this.#start]; event !== undefined; event = this.#events[this.#start]) {
      const isOver = this.#events.length - this.#start > maxEvents || this.#bytes > maxBytes || event.at < oldest;
      if (!isOver) break;
      this.#drop(event);
    }
    if (this.#start > 1024 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
    if (this.#events.length > this.#start && this.#ageing.slot < 0) this.#deadlines.setIn(this.#ageing, maxAgeMs / 4);
  }

  #drop({ topic, message }: LogEvent): void {
    this.#start += 1;
    this.#bytes -= message.body.byteLength;
    const left = (this.counts.get(topic) ?? 1) - 1;
    if (left > 0) this.counts.set(topic, left);
    else this.counts.delete(topic);
  }
}
