/** Ordering keys: only the oldest unsettled message of each key may be delivered. */

import type { StoredMessage } from './stored-message.ts';

/** The unsettled messages of each ordering key, oldest first. */
export class OrderingKeys {
  readonly #groups = new Map<string, Set<StoredMessage>>();

  /** Adds `item` behind the others of its key. */
  add(item: StoredMessage): void {
    const key = item.message.orderingKey;
    if (key === undefined) return;
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, new Set([item]));
    else group.add(item);
  }

  /** Whether `item` is the oldest unsettled message of its key, or has no key. */
  isFirst(item: StoredMessage): boolean {
    const key = item.message.orderingKey;
    return key === undefined || this.#first(key) === item;
  }

  /** Removes `item`; returns the first message of its key now. */
  remove(item: StoredMessage): StoredMessage | undefined {
    const key = item.message.orderingKey;
    if (key === undefined) return undefined;
    const group = this.#groups.get(key);
    group?.delete(item);
    if (group?.size === 0) this.#groups.delete(key);
    return this.#first(key);
  }

  #first(key: string): StoredMessage | undefined {
    return this.#groups.get(key)?.values().next().value;
  }
}
