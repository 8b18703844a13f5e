/** Watches on entries: the present ones, then what changes, merged to the newest of each key. */

import type { CallContext, Cursor } from '@busbar/api/driver';
import { BusbarError, type KvChange } from '@busbar/api/transport';
import type { Batcher } from '../connection/batcher.ts';
import type { Transaction } from '../connection/transaction.ts';
import type { Listeners } from '../wakeup/waiter-registry.ts';
import { getEntry, listEntries } from './kv.ts';

/** Changes that one read looks at. */
const STEP = 500;

interface Pending {
  readonly max: number;
  readonly resolve: (changes: readonly KvChange[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What a read brought, and where the watch stands after it. */
interface Taken {
  readonly changes: KvChange[];
  readonly listedUpTo: string | undefined;
  readonly change: number;
  readonly isAll: boolean;
}

class EntryWatch implements Cursor<KvChange> {
  readonly prefix: string;
  readonly #batcher: Batcher;
  readonly #onClose: (watch: EntryWatch) => void;
  /** The key up to which the present entries were given; undefined when all were. */
  #listedUpTo: string | undefined = '';
  /** The last change seen. */
  #change: number;
  /** Revisions that were given as present entries though they are later than the beginning: not to be given twice. */
  readonly #given = new Map<string, number>();
  #pending: Pending | undefined;
  #isReading = false;
  #hasNews = true;
  #isClosed = false;

  constructor(prefix: string, change: number, batcher: Batcher, onClose: (watch: EntryWatch) => void) {
    this.prefix = prefix;
    this.#change = change;
    this.#batcher = batcher;
    this.#onClose = onClose;
  }

  next(max: number): Promise<readonly KvChange[]> {
    if (this.#isClosed) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#pending = { max, resolve, reject };
      if (this.#hasNews) this.#read();
    });
  }

  wake(): void {
    this.#hasNews = true;
    if (this.#pending !== undefined) this.#read();
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#onClose(this);
      this.#pending?.resolve([]);
      this.#pending = undefined;
    }
    return Promise.resolve();
  }

  #read(): void {
    if (this.#isReading || this.#pending === undefined) return;
    this.#isReading = true;
    this.#hasNews = false;
    const { max } = this.#pending;
    this.#batcher
      .readAhead((transaction) =>
        this.#listedUpTo === undefined ? this.#follow(transaction, max) : this.#list(transaction, max),
      )
      .then(
        (taken) => this.#taken(taken),
        (error: unknown) => this.#broken(error),
      );
  }

  #taken({ changes, listedUpTo, change, isAll }: Taken): void {
    this.#isReading = false;
    this.#listedUpTo = listedUpTo;
    this.#change = change;
    if (!isAll) this.#hasNews = true;
    const pending = this.#pending;
    if (pending === undefined) return;
    if (changes.length > 0) {
      this.#pending = undefined;
      pending.resolve(changes);
    } else if (this.#hasNews) this.#read();
  }

  #broken(error: unknown): void {
    this.#isReading = false;
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  /** A page of the present entries; after the last one, `synced`. */
  #list(transaction: Transaction, max: number): Taken {
    const limit = Math.max(1, max - 1);
    const entries = listEntries(transaction, this.prefix, { limit, after: this.#listedUpTo || undefined });
    const changes: KvChange[] = entries.map((entry) => ({ kind: 'put', entry }));
    for (const { key, revision } of entries) if (revision > this.#change) this.#given.set(key, revision);
    const isAll = entries.length < limit;
    if (isAll) changes.push({ kind: 'synced' });
    return { changes, listedUpTo: isAll ? undefined : entries.at(-1)?.key, change: this.#change, isAll: false };
  }

  /** What has changed since: a key that changed several times stands only in its last place. */
  #follow(transaction: Transaction, max: number): Taken {
    const { store } = transaction;
    if (this.#change < transaction.counter().tombstones) throw overtaken();
    const limit = Math.min(STEP, max);
    const rows = store
      .sql<[string, number, 'deleted' | 'expired' | null, number, string]>(
        'SELECT key, change, gone, revision, ns FROM entry WHERE change>? ORDER BY change LIMIT ?',
      )
      .all(this.#change, limit);
    const changes: KvChange[] = [];
    for (const [key, , gone, revision, ns] of rows) {
      if (ns !== store.ns || !key.startsWith(this.prefix)) continue;
      if ((this.#given.get(key) ?? 0) >= revision) continue;
      const entry = gone === null ? getEntry(transaction, key) : undefined;
      if (gone !== null) changes.push({ kind: gone, key, revision });
      else if (entry !== undefined) changes.push({ kind: 'put', entry });
    }
    const isAll = rows.length < limit;
    return { changes, listedUpTo: undefined, change: rows.at(-1)?.[1] ?? this.#change, isAll };
  }
}

/** The watches of a process. */
export class EntryWatches {
  readonly #batcher: Batcher;
  readonly #listeners: Listeners;
  readonly #onChange: () => void;
  readonly #watches = new Set<EntryWatch>();

  constructor(batcher: Batcher, listeners: Listeners, onChange: () => void) {
    this.#batcher = batcher;
    this.#listeners = listeners;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#watches.size;
  }

  async open(prefix: string, context: CallContext): Promise<Cursor<KvChange>> {
    const watch = await this.#batcher.write((transaction) => {
      this.#listeners.add(transaction, 'entry', prefix);
      const opened = new EntryWatch(prefix, transaction.counter().revision, this.#batcher, (gone) =>
        this.#closed(gone),
      );
      transaction.afterCommit(() => this.#watches.add(opened));
      return opened;
    }, context);
    this.#onChange();
    return watch;
  }

  wake(keys: ReadonlySet<string>): void {
    for (const watch of this.#watches) {
      for (const key of keys) {
        if (!key.startsWith(watch.prefix)) continue;
        watch.wake();
        break;
      }
    }
  }

  /** Another process has changed something. */
  look(): void {
    for (const watch of this.#watches) watch.wake();
  }

  async close(): Promise<void> {
    for (const watch of this.#watches) await watch.close();
  }

  #closed(watch: EntryWatch): void {
    this.#watches.delete(watch);
    this.#onChange();
    const isShared = (): boolean => [...this.#watches].some(({ prefix }) => prefix === watch.prefix);
    if (isShared() || !this.#listeners.has('entry', watch.prefix)) return;
    // Should it fail, this process is rung once too often, until it ends.
    this.#batcher
      .write((transaction) => {
        if (!isShared()) this.#listeners.remove(transaction, 'entry', watch.prefix);
      })
      .catch(() => undefined);
  }
}

function overtaken(): BusbarError {
  return new BusbarError('UNAVAILABLE', 'this watch fell behind so far that changes were lost', {
    hint: 'Watch again: it begins with what is there.',
  });
}
