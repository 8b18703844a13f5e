/** Mean message sizes of queues: they limit how many messages a receive claims, so that its response stays small. */

import type { Message } from '@busbar/api/transport';
import { sizeOfMessage } from '../../wire/message-codec.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';

const MAX_QUEUES = 1_000;
/** The limit for a queue whose messages are not known yet. */
const UNKNOWN_MAX = 32;
const RESPONSE_BYTES = 4 * BATCH_BYTES;

/** Mean message sizes of the recently used queues. */
export class QueueSizes {
  readonly #means = new Map<string, number>();

  /** How many messages of `queue` one response may contain. */
  maxMessages(queue: string): number {
    const mean = this.#means.get(queue);
    return mean === undefined ? UNKNOWN_MAX : Math.max(1, Math.floor(RESPONSE_BYTES / mean));
  }

  /** Updates the mean of `queue`. */
  record(queue: string, messages: readonly Message[]): void {
    if (messages.length === 0) return;
    let bytes = 0;
    for (const message of messages) bytes += sizeOfMessage(message);
    const mean = bytes / messages.length;
    const before = this.#means.get(queue) ?? mean;
    // Larger messages count at once, smaller ones gradually.
    this.#means.set(queue, Math.max(mean, (before * 3 + mean) / 4));
    if (this.#means.size > MAX_QUEUES) this.#means.delete(this.#means.keys().next().value ?? '');
  }
}
