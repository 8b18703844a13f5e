/** Mean message sizes of queues: they limit how many messages a receive claims, so that its response stays small. */

import type { Message } from '@busbar/api/transport';
import { sizeOfMessage } from '@busbar/wire';
import { BATCH_BYTES } from '../../wire/protocol.ts';

const MAX_QUEUES = 1_000;
/** The most messages of one claim: messages may become larger. */
const MAX_CLAIM = 64;

/** Mean message sizes of the recently used queues. */
export class QueueSizes {
  readonly #means = new Map<string, number>();

  /** How many messages of `queue` one claim takes, so that they have about `bytes`. One, if their size is not known yet. */
  maxMessages(queue: string, bytes: number): number {
    const mean = this.#means.get(queue) ?? bytes;
    return Math.max(1, Math.min(MAX_CLAIM, Math.floor(bytes / mean)));
  }

  /** About how many bytes up to `max` messages of `queue` have. */
  bytesOf(queue: string, max: number): number {
    const mean = this.#means.get(queue);
    return mean === undefined ? BATCH_BYTES : Math.min(BATCH_BYTES, Math.ceil(mean * max));
  }

  /** Updates the mean of `queue`. Returns the size of the messages. */
  record(queue: string, messages: readonly Message[]): number {
    if (messages.length === 0) return 0;
    let bytes = 0;
    for (const message of messages) bytes += sizeOfMessage(message);
    const mean = bytes / messages.length;
    const before = this.#means.get(queue) ?? mean;
    // Larger messages count at once, smaller ones gradually.
    this.#means.set(queue, Math.max(mean, (before * 3 + mean) / 4));
    if (this.#means.size > MAX_QUEUES) this.#means.delete(this.#means.keys().next().value ?? '');
    return bytes;
  }
}
