/** A watch of keys: watches again in the store to which the bus has moved, and reports what differs. */

import type { Cursor } from '@busbar/api/driver';
import { type CallOptions, type KvChange, type KvWatch, MOVE_KEY } from '@busbar/api/transport';
import { isOfMoves } from '../move.ts';
import { Feed } from './feed.ts';
import type { Follower } from './follower.ts';
import type { Carrier } from './side.ts';

export class MigrateWatchCursor implements Cursor<KvChange> {
  readonly #prefix: string;
  readonly #follower: Follower;
  readonly #feed = new Feed<KvChange, KvWatch>();
  /** The revision of each key that was reported. */
  readonly #known = new Map<string, number>();
  /** In another store, until it is synced: keys that were reported and are not listed so far. */
  #missing: Set<string> | undefined;
  #isSynced = false;
  /** The store whose changes count. */
  #carrier: Carrier | undefined;

  constructor(prefix: string, follower: Follower) {
    this.#prefix = prefix;
    this.#follower = follower;
  }

  /** Begins to watch. Returns the watch before it. */
  async open(carrier: Carrier, bounds: CallOptions): Promise<KvWatch | undefined> {
    this.#carrier = carrier;
    const onChanges = (changes: readonly KvChange[]): Promise<void> => this.#take(carrier, changes);
    const watch = await carrier.transport.kv.watch(this.#prefix, onChanges, bounds);
    return this.#feed.attach(carrier, watch);
  }

  async next(max: number): Promise<readonly KvChange[]> {
    const feed = this.#feed;
    while (!feed.closing.aborted) {
      if (!feed.isEmpty) return feed.give(max);
      feed.goOn();
      const { next } = feed.source.carrier;
      if (next !== undefined) {
        await this.#follow(next);
        continue;
      }
      feed.assertOpen();
      await feed.changed.wait();
    }
    return [];
  }

  close(): Promise<void> {
    return this.#feed.close();
  }

  /** All keys are in the next store with their revisions, so what the old one did not report so far is seen there. */
  async #follow(next: Carrier): Promise<void> {
    this.#missing = new Set(this.#known.keys());
    const bounds = { timeoutMs: Number.POSITIVE_INFINITY, signal: this.#feed.closing };
    void (await this.open(next, bounds))?.close();
  }

  async #take(carrier: Carrier, changes: readonly KvChange[]): Promise<void> {
    const isIntact = await this.#follower.isIntact(carrier, this.#feed.closing);
    // Otherwise the deletions are those of a mover, and the next watch sees what differs.
    if (!isIntact || carrier !== this.#carrier) return;
    await this.#feed.take(changes.flatMap((change) => this.#differences(change)));
  }

  #differences(change: KvChange): KvChange[] {
    if (change.kind === 'synced') return this.#synced();
    const key = change.kind === 'put' ? change.entry.key : change.key;
    // Workers watch for the announcement of a move, and see nothing else of it.
    if (isOfMoves(key) && this.#prefix !== MOVE_KEY) return [];
    this.#missing?.delete(key);
    if (change.kind !== 'put') {
      this.#known.delete(key);
      return [change];
    }
    if (this.#known.get(key) === change.entry.revision) return [];
    this.#known.set(key, change.entry.revision);
    return [change];
  }

  /** The present keys are listed: those that are missing were deleted. */
  #synced(): KvChange[] {
    const gone = [...(this.#missing ?? [])].map((key) => {
      const revision = (this.#known.get(key) ?? 0) + 1;
      this.#known.delete(key);
      return { kind: 'deleted', key, revision } as const;
    });
    this.#missing = undefined;
    if (this.#isSynced) return gone;
    this.#isSynced = true;
    return [...gone, { kind: 'synced' }];
  }
}
