/** A watcher of entries: what is there, `synced`, then the newest change of each key. */

import type { Cursor, Entry, EntryChange } from '@busbar/api/transport';

/** A watcher of entries. Changes that were not taken yet are merged: it never holds more than one a key. */
export class EntryWatch implements Cursor<EntryChange> {
  readonly #prefix: string;
  readonly #onClose: () => void;
  #initial: EntryChange[];
  readonly #changes = new Map<string, EntryChange>();
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(prefix: string, present: readonly Entry[], onClose: () => void) {
    this.#prefix = prefix;
    this.#onClose = onClose;
    this.#initial = [...present.map((entry) => ({ kind: 'put' as const, entry })), { kind: 'synced' }];
  }

  changed(change: Exclude<EntryChange, { kind: 'synced' }>): void {
    const key = change.kind === 'put' ? change.entry.key : change.key;
    if (!key.startsWith(this.#prefix)) return;
    this.#changes.delete(key);
    this.#changes.set(key, change);
    this.#wake?.();
    this.#wake = undefined;
  }

  async next(max: number): Promise<readonly EntryChange[]> {
    while (!this.#isClosed) {
      const taken = this.#take(max);
      if (taken.length > 0) return taken;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return [];
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    this.#wake?.();
    return Promise.resolve();
  }

  #take(max: number): EntryChange[] {
    if (this.#initial.length > 0) {
      const taken = this.#initial.slice(0, max);
      this.#initial = this.#initial.slice(max);
      return taken;
    }
    const taken: EntryChange[] = [];
    for (const [key, change] of this.#changes) {
      if (taken.length >= max) break;
      this.#changes.delete(key);
      taken.push(change);
    }
    return taken;
  }
}
