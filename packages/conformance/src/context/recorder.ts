/** Records every delivery with its consumer and time, as a multiset to check afterwards. */

import type { Delivery } from '@busbar/api/transport';

/** One recorded delivery. */
export interface RecordedDelivery {
  readonly id: string;
  readonly queue: string;
  readonly attempt: number;
  readonly receipt: string;
  readonly consumer: string;
  readonly pid: number;
  /** On the clock of `performance.timeOrigin + performance.now()`. */
  readonly at: number;
}

/** The deliveries of one case. */
export class Recorder {
  readonly #deliveries: RecordedDelivery[] = [];

  add(deliveries: readonly Delivery[], consumer = '', pid: number = process.pid): void {
    const at = performance.timeOrigin + performance.now();
    for (const { id, queue, attempt, receipt } of deliveries) {
      this.#deliveries.push({ id, queue, attempt, receipt, consumer, pid, at });
    }
  }

  /** Adds the deliveries of another process. */
  merge(seen: readonly RecordedDelivery[]): void {
    this.#deliveries.push(...seen);
  }

  get all(): readonly RecordedDelivery[] {
    return this.#deliveries;
  }

  /** Ids that were sent and never delivered. */
  lost(sent: Iterable<string>): string[] {
    const delivered = new Set(this.#deliveries.map(({ id }) => id));
    return [...sent].filter((id) => !delivered.has(id));
  }

  /** Ids that were delivered and never sent. */
  unexpected(sent: Iterable<string>): string[] {
    const known = new Set(sent);
    return [...new Set(this.#deliveries.map(({ id }) => id))].filter((id) => !known.has(id));
  }

  /** Deliveries that repeat an attempt number of the same message. Each delivery needs its own. */
  repeated(): RecordedDelivery[] {
    return this.#beyondFirst(({ queue, id, attempt }) => `${queue} ${id} ${attempt}`);
  }

  /** Deliveries beyond the first of each message. */
  duplicates(): RecordedDelivery[] {
    return this.#beyondFirst(({ queue, id }) => `${queue} ${id}`);
  }

  #beyondFirst(keyOf: (delivery: RecordedDelivery) => string): RecordedDelivery[] {
    const known = new Set<string>();
    return this.#deliveries.filter((delivery) => known.size === known.add(keyOf(delivery)).size);
  }
}
