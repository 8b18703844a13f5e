/** How large the messages of a queue are: what a receive may claim so that its answer stays small. */

import type { Message } from '@busbar/api/transport';
import { sizeOfMessage } from '../../wire/message-size.ts';
import { BATCH_BYTES } from '../../wire/protocol.ts';

const REMEMBERED = 1_000;
const UNKNOWN_MAX = 32;
const ANSWER_BYTES = 4 * BATCH_BYTES;

/** Mean sizes of messages, of the queues that were received from lately. */
export class QueueSizes {
  readonly #means = new Map<string, number>();

  /** How many messages of `queue` one answer may hold. */
  room(queue: string): number {
    const mean = this.#means.get(queue);
    return mean === undefined ? UNKNOWN_MAX : Math.max(1, Math.floor(ANSWER_BYTES / mean));
  }

  /** Remembers what came. */
  note(queue: string, messages: readonly Message[]): void {
    if (messages.length === 0) return;
    let bytes = 0;
    for (const message of messages) bytes += sizeOfMessage(message);
    const mean = bytes / messages.length;
    const before = this.#means.get(queue) ?? mean;
    // What grows counts at once, what shrinks by and by.
    this.#means.set(queue, Math.max(mean, (before * 3 + mean) / 4));
    if (this.#means.size > REMEMBERED) this.#means.delete(this.#means.keys().next().value ?? '');
  }
}
