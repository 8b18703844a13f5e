/** What the state knows of the events in the log: which are kept, and which ids were there. Their bodies stay in the stream. */

import type { PreparedMessage } from '@busbar/api/driver';
import { BusbarError } from '@busbar/api/transport';
import { type Agenda, Alarm } from './agenda.ts';
import { DedupeMemory } from './dedupe-memory.ts';

/** Events of one topic in one record, next to each other. */
export interface Segment {
  readonly first: number;
  /** How many places it takes, duplicates included. */
  readonly length: number;
  readonly topic: string;
  readonly bytes: number;
  /** When the server stored it, in milliseconds since 1970. */
  readonly at: number;
  /** Places of duplicates, which are not events. */
  readonly holes: readonly number[];
}

/** Bounds of what is kept. */
export interface Retention {
  readonly maxAgeMs: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** A record holds fewer events than this; an event's number is that of its record times this, plus its place in it. */
export const PLACES = 4096;
const DEDUPE_MS = 120_000;

/** The events of one namespace, by their numbers. */
export class History {
  readonly counts: Map<string, number> = new Map();
  readonly dedupe: DedupeMemory<number>;
  readonly ageing: Alarm = new Alarm(() => this.trim());
  /** No event up to this number is kept. */
  trimmed = 0;
  /** The number of the newest event there ever was. */
  last = 0;
  readonly #agenda: Agenda;
  readonly #retention: Retention;
  #segments: Segment[] = [];
  #start = 0;
  #events = 0;
  #bytes = 0;

  constructor(agenda: Agenda, retention: Retention) {
    this.#agenda = agenda;
    this.#retention = retention;
    this.dedupe = new DedupeMemory(agenda);
  }

  /** Those that are kept, oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments.slice(this.#start);
  }

  /** Takes the messages of one publish; says for each its number, and whether it is new. */
  append(topic: string, messages: readonly PreparedMessage[], first: number): { number: number; isNew: boolean }[] {
    const holes: number[] = [];
    let bytes = 0;
    const placed = messages.map(({ id, body }, index) => {
      const key = `${topic} ${id}`;
      const known = this.dedupe.get(key);
      if (known !== undefined) {
        holes.push(first + index);
        return { number: known, isNew: false };
      }
      this.dedupe.remember(key, first + index, DEDUPE_MS);
      this.last = first + index;
      bytes += body.byteLength;
      return { number: first + index, isNew: true };
    });
    if (holes.length < messages.length) {
      this.keep({ first, length: messages.length, topic, bytes, at: this.#agenda.now, holes });
      this.trim();
    }
    return placed;
  }

  keep(segment: Segment): void {
    this.#segments.push(segment);
    this.#count(segment, 1);
  }

  /** Whether the place `number` is an event that is kept. */
  has(number: number): boolean {
    const segment = this.#segmentOf(number);
    return segment !== undefined && !segment.holes.includes(number);
  }

  /** When the event `number` was stored, in milliseconds since 1970. */
  timeOf(number: number): number | undefined {
    return this.#segmentOf(number)?.at;
  }

  /** The number of the first event of `time` or later. */
  firstSince(time: number): number {
    return this.#segments[this.#find(({ at }) => at >= time)]?.first ?? this.last + 1;
  }

  /** Throws POSITION_EXPIRED where something from `number` on is no longer kept. */
  assertKept(number: number): void {
    if (number > this.trimmed) return;
    throw new BusbarError('POSITION_EXPIRED', 'the events at this position are no longer kept', {
      hint: "Go on from 'start', and know that there is a gap.",
    });
  }

  clear(): void {
    this.#segments = [];
    this.#start = 0;
    this.#events = 0;
    this.#bytes = 0;
    this.trimmed = this.last;
    this.counts.clear();
    this.dedupe.clear();
    this.#agenda.cancel(this.ageing);
  }

  trim(): void {
    const { maxAgeMs, maxEvents, maxBytes } = this.#retention;
    const oldest = this.#agenda.now - maxAgeMs;
    for (let first = this.#segments[this.#start]; first !== undefined; first = this.#segments[this.#start]) {
      if (this.#events <= maxEvents && this.#bytes <= maxBytes && first.at >= oldest) break;
      this.#start += 1;
      this.#count(first, -1);
      this.trimmed = first.first + first.length - 1;
    }
    if (this.#start > 1024 && this.#start * 2 > this.#segments.length) {
      this.#segments = this.#segments.slice(this.#start);
      this.#start = 0;
    }
    if (this.#segments.length > this.#start && this.ageing.slot < 0) this.#agenda.set(this.ageing, maxAgeMs / 4);
  }

  #segmentOf(number: number): Segment | undefined {
    const segment = this.#segments[this.#find((each) => each.first + each.length > number)];
    return segment !== undefined && segment.first <= number ? segment : undefined;
  }

  #count({ length, holes, bytes, topic }: Segment, sign: 1 | -1): void {
    const events = length - holes.length;
    this.#events += sign * events;
    this.#bytes += sign * bytes;
    const left = (this.counts.get(topic) ?? 0) + sign * events;
    if (left > 0) this.counts.set(topic, left);
    else this.counts.delete(topic);
  }

  /** The first segment of which `isReached` is true; it is false of all before. */
  #find(isReached: (segment: Segment) => boolean): number {
    let low = this.#start;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const segment = this.#segments[middle];
      if (segment !== undefined && isReached(segment)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
