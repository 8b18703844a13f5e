/** A watch on keys, for drivers that learn of each change. */

import type { Cursor } from '../contract/driver.ts';
import type { KvChange, KvEntry } from '../contract/kv.ts';
import { Condition } from './condition.ts';

/** A change of one key. */
export type KeyChange = Exclude<KvChange, { readonly kind: 'synced' }>;

/**
 * A watch on the keys that start with a prefix: the present entries, `synced`, then the newest change of each key. Call
 * {@link WatchCursor.changed} for each change since before the present entries are read, then {@link WatchCursor.begin}
 * with them: then no change is missing and no revision comes twice. It holds at most one change for a key.
 */
export class WatchCursor implements Cursor<KvChange> {
  readonly #prefix: string;
  readonly #onClose: () => void;
  #present: readonly KvChange[] | undefined;
  readonly #changes = new Map<string, KeyChange>();
  readonly #changed = new Condition();
  #isClosed = false;

  constructor(prefix: string, onClose: () => void) {
    this.#prefix = prefix;
    this.#onClose = onClose;
  }

  /** Takes the present entries, and drops the changes that they include. */
  begin(present: readonly KvEntry[]): void {
    for (const { key, revision } of present) {
      const known = this.#changes.get(key);
      if (known !== undefined && revisionOf(known) <= revision) this.#changes.delete(key);
    }
    this.#present = [...present.map((entry) => ({ kind: 'put', entry }) as const), { kind: 'synced' }];
    this.#changed.notify();
  }

  /** Takes a change, in order of revision. Changes of other keys are ignored. */
  changed(change: KeyChange): void {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    if (!key.startsWith(this.#prefix)) return;
    this.#changes.delete(key);
    this.#changes.set(key, change);
    this.#changed.notify();
  }

  async next(max: number): Promise<readonly KvChange[]> {
    while (!this.#isClosed) {
      const taken = this.#take(max);
      if (taken.length > 0) return taken;
      await this.#changed.wait();
    }
    return [];
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    this.#changed.notify();
    return Promise.resolve();
  }

  #take(max: number): readonly KvChange[] {
    if (this.#present === undefined) return [];
    const taken = this.#present.slice(0, max);
    if (taken.length > 0) {
      this.#present = this.#present.slice(max);
      return taken;
    }
    const changes: KeyChange[] = [];
    for (const [key, change] of this.#changes) {
      if (changes.length >= max) break;
      this.#changes.delete(key);
      changes.push(change);
    }
    return changes;
  }
}

function revisionOf(change: KeyChange): number {
  return change.kind === 'put' ? change.entry.revision : change.revision;
}
