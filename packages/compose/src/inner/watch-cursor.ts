/** A watch of the keys of one inner transport. */

import { type CallContext, Condition, type Cursor } from '@busbar/api/driver';
import type { KeyValue, KvChange, KvWatch } from '@busbar/api/transport';
import { BatchFeed } from './batch-feed.ts';
import { boundsOf, own } from './calls.ts';

/** Passes on what an inner watch sees. */
export class InnerWatchCursor implements Cursor<KvChange> {
  readonly #changed: Condition;
  readonly #feed: BatchFeed<KvChange>;
  readonly #watch: KvWatch;
  #isClosed = false;

  private constructor(changed: Condition, feed: BatchFeed<KvChange>, watch: KvWatch) {
    this.#changed = changed;
    this.#feed = feed;
    this.#watch = watch;
  }

  /** Watches the keys of `kv` that start with `prefix`. */
  static async open(kv: KeyValue, prefix: string, context: CallContext): Promise<InnerWatchCursor> {
    const changed = new Condition();
    const feed = new BatchFeed<KvChange>(changed);
    const watch = await own(kv.watch(prefix, (changes) => feed.push(changes), boundsOf(context)));
    feed.failAt(watch.ended);
    return new InnerWatchCursor(changed, feed, watch);
  }

  async next(max: number): Promise<readonly KvChange[]> {
    while (!this.#isClosed) {
      const changes = this.#feed.take(max);
      if (changes.length > 0) return changes;
      await this.#changed.wait();
    }
    return [];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#feed.close();
    await this.#watch.close();
  }
}
