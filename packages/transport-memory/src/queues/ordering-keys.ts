/** Ordering keys: of each key only the oldest unsettled message may be delivered. */

import type { StoredMessage } from './stored-message.ts';

/** The unsettled messages of each ordering key, oldest first. */
export class OrderingKeys {
  readonly #lanes = new Map<string, Set<StoredMessage>>();

  /** Puts `item` behind the others of its key. */
  add(item: StoredMessage): void {
    const key = item.message.orderingKey;
    if (key === undefined) return;
    const lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, new Set([item]));
    else lane.add(item);
  }

  /** True when nothing older of its key is unsettled. */
  isFirst(item: StoredMessage): boolean {
    const key = item.message.orderingKey;
    return key === undefined || this.#first(key) === item;
  }

  /** Takes `item` out; returns the one whose turn it is now. */
  remove(item: StoredMessage): StoredMessage | undefined {
    const key = item.message.orderingKey;
    if (key === undefined) return undefined;
    const lane = this.#lanes.get(key);
    lane?.delete(item);
    if (lane?.size === 0) this.#lanes.delete(key);
    return this.#first(key);
  }

  #first(key: string): StoredMessage | undefined {
    return this.#lanes.get(key)?.values().next().value;
  }
}
