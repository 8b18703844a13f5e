/** Counts the records of an export. */

import type { StateRecord } from '@busbar/api/transport';
import { isOfMoves, type RecordCounts } from './move.ts';

/** How many records of each kind there were, and how large. */
export class RecordCounter {
  readonly #counts = { queues: 0, messages: 0, events: 0, keys: 0, bindings: 0, ids: 0 };
  #bytes = 0;
  #largestBody = 0;

  get counts(): RecordCounts {
    return this.#counts;
  }

  /** Bytes of all bodies and values. */
  get bytes(): number {
    return this.#bytes;
  }

  get largestBody(): number {
    return this.#largestBody;
  }

  add(record: StateRecord): void {
    const counts = this.#counts;
    if (!isPart(record)) return;
    if (record.kind === 'queue') counts.queues += 1;
    else if (record.kind === 'binding') counts.bindings += 1;
    else if (record.kind === 'dedupe') counts.ids += 1;
    else if (record.kind === 'kv') {
      counts.keys += 1;
      this.#bytes += bytesOf(record.valueBase64);
    } else if (record.kind === 'message' || record.kind === 'event') {
      if (record.kind === 'event') counts.events += 1;
      else counts.messages += 1;
      const bytes = bytesOf(record.message.bodyBase64);
      this.#bytes += bytes;
      this.#largestBody = Math.max(this.#largestBody, bytes);
    }
  }
}

/** How many records there are of all kinds. */
export function totalOf(counts: RecordCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Whether a record belongs to the bus and is the same in each store that holds it. The highest revision only rises. */
export function isPart(record: StateRecord): boolean {
  return record.kind !== 'revision' && !(record.kind === 'kv' && isOfMoves(record.key));
}

/** How many bytes a base64 text stands for. */
export function bytesOf(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
