/** The topics that a pattern matches, as far as the store knows them: asked for once, then only for new ones. */

import { matchTopic } from '@busbar/api/transport';
import type { Store } from '../connection/store.ts';

export class MatchingTopics {
  readonly #pattern: string;
  readonly #ids: number[] = [];
  #lastId = 0;
  #looked = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Their ids; `newest` is the highest that any topic has. */
  ids(store: Store, newest: number): readonly number[] {
    if (newest <= this.#looked) return this.#ids;
    this.#looked = newest;
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
