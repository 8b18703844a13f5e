/** The newest events, kept for those who follow closely: the others read the stream. */

import type { PreparedMessage } from '@busbar/api/driver';

/** An event with its number. */
export interface NumberedEvent {
  readonly number: number;
  readonly topic: string;
  readonly message: PreparedMessage;
}

const MAX_BYTES = 8 * 1024 * 1024;
const MAX_EVENTS = 16_384;

/** The newest events, oldest first, without a gap. */
export class RecentEvents {
  #events: NumberedEvent[] = [];
  #start = 0;
  #bytes = 0;
  /** Every event from this number on is here. */
  from = 0;

  /** Forgets all; what comes has numbers from `from` on. */
  reset(from: number): void {
    this.#events = [];
    this.#start = 0;
    this.#bytes = 0;
    this.from = from;
  }

  add(event: NumberedEvent): void {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    while (this.#bytes > MAX_BYTES || this.#events.length - this.#start > MAX_EVENTS) this.#drop();
    if (this.#start > MAX_EVENTS) {
      this.#events = this.#events.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Those from `number` on, in order. */
  *since(number: number): Iterable<NumberedEvent> {
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.number ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    for (let index = low; index < this.#events.length; index += 1) {
      const event = this.#events[index];
      if (event !== undefined) yield event;
    }
  }

  #drop(): void {
    const oldest = this.#events[this.#start];
    if (oldest === undefined) return;
    this.#start += 1;
    this.#bytes -= sizeOf(oldest);
    this.from = oldest.number + 1;
  }
}

function sizeOf({ message }: NumberedEvent): number {
  return message.body.byteLength + 512;
}
