/** The topics that match a pattern. Only topics that are new since the last call are read. */

import { matchTopic } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';

export class MatchingTopics {
  readonly #pattern: string;
  readonly #ids: number[] = [];
  #lastId = 0;
  #upTo = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** The ids of the matching topics. `newest` is the highest id of all topics. */
  ids(store: Store, newest: number): readonly number[] {
    if (newest <= this.#upTo) return this.#ids;
    this.#upTo = newest;
    const fresh = store
      .sql<[number, string]>('SELECT id, name FROM topic WHERE id > ? AND ns=? ORDER BY id')
      .all(this.#lastId, store.ns);
    for (const [id, name] of fresh) {
      this.#lastId = id;
      if (matchTopic(this.#pattern, name)) this.#ids.push(id);
    }
    return this.#ids;
  }
}
