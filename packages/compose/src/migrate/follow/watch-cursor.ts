/** A watch of keys: watches again in the store to which the bus has moved, and reports what differs. */

import { Condition, type Cursor } from '@busbar/api/driver';
import { BusbarError, type CallOptions, type KvChange, type KvWatch } from '@busbar/api/transport';
import { ownError } from '../../inner/calls.ts';
import { isOfMoves } from '../move.ts';
import type { Carrier } from './side.ts';

export class MigrateWatchCursor implements Cursor<KvChange> {
  readonly #prefix: string;
  readonly #changed = new Condition();
  /** The revision of each key that was reported. */
  readonly #known = new Map<string, number>();
  /** In another store, until it is synced: keys that were reported and are not listed so far. */
  #missing: Set<string> | undefined;
  #isSynced = false;
  #watch: KvWatch | undefined;
  #carrier: Carrier | undefined;
  #freeLeave: (() => void) | undefined;
  #changes: readonly KvChange[] = [];
  /** Lets the watch go on. */
  #credit: (() => void) | undefined;
  #error: unknown;
  #isClosed = false;
  readonly #closing = new AbortController();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Begins to watch. */
  async open(carrier: Carrier, bounds: CallOptions): Promise<void> {
    const onChanges = (changes: readonly KvChange[]): Promise<void> => this.#take(carrier, changes);
    this.#carrier = carrier;
    const watch = await carrier.transport.kv.watch(this.#prefix, onChanges, bounds);
    this.#watch = watch;
    this.#freeLeave?.();
    this.#freeLeave = carrier.onLeave(() => this.#changed.notify());
    void watch.ended.then((error) => {
      if (this.#watch !== watch || this.#isClosed || carrier.isLeft) return;
      this.#error ??= error ?? new BusbarError('CLOSED', 'the store was closed');
      this.#changed.notify();
    });
  }

  async next(max: number): Promise<readonly KvChange[]> {
    while (!this.#isClosed) {
      if (this.#changes.length > 0) {
        const changes = this.#changes.slice(0, max);
        this.#changes = this.#changes.slice(max);
        return changes;
      }
      if (this.#error !== undefined) throw ownError(this.#error);
      this.#credit?.();
      const next = this.#carrier?.next;
      if (next === undefined) await this.#changed.wait();
      else await this.#goOn(next);
    }
    return [];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#freeLeave?.();
    this.#closing.abort();
    this.#credit?.();
    this.#changed.notify();
    await this.#watch?.close();
  }

  /** All keys are in the next store with their revisions, so what the old one did not report so far is seen there. */
  async #goOn(next: Carrier): Promise<void> {
    const old = this.#watch;
    this.#missing = new Set(this.#known.keys());
    await this.open(next, { timeoutMs: Number.POSITIVE_INFINITY, signal: this.#closing.signal });
    void old?.close();
  }

  async #take(carrier: Carrier, changes: readonly KvChange[]): Promise<void> {
    if (this.#isClosed || carrier !== this.#carrier) return;
    this.#changes = changes.flatMap((change) => this.#differences(change));
    if (this.#changes.length === 0) return;
    this.#changed.notify();
    await new Promise<void>((resolve) => {
      this.#credit = resolve;
    });
    this.#credit = undefined;
  }

  #differences(change: KvChange): KvChange[] {
    if (change.kind === 'synced') return this.#synced();
    const key = change.kind === 'put' ? change.entry.key : change.key;
    if (isOfMoves(key)) return [];
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
